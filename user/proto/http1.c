/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.0 and 1.1: the row of the table and how its bytes are recognised. Heads are read in http1_head.c,
 * framed in http1_parse.c, kept in http1_message.c and told in http1_describe.c. */
#include "proto/http1.h"

#define LINE_ENOUGH 256	/* of a request line whose end is not here yet */

/* RFC 9110 9, PATCH, QUERY and the registered ones that are seen in the wild (WebDAV, purging of caches). */
static const struct str methods[] = {
	STR("GET"), STR("POST"), STR("PUT"), STR("HEAD"), STR("DELETE"), STR("OPTIONS"), STR("PATCH"), STR("CONNECT"),
	STR("TRACE"), STR("QUERY"), STR("PROPFIND"), STR("PROPPATCH"), STR("MKCOL"), STR("COPY"), STR("MOVE"),
	STR("LOCK"), STR("UNLOCK"), STR("REPORT"), STR("SEARCH"), STR("PURGE"), STR("ACL"),
};

/* 100: known, followed by its blank; -EAGAIN: the beginning of a known one; 0. */
static int sniff_method(struct str in)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (str_starts(in, methods[i]) && in.n > methods[i].n && in.p[methods[i].n] == ' ')
			return 100;
		if (str_starts(methods[i], in))
			return -EAGAIN;
	}
	return 0;
}

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

/* A method and then "target HTTP/1.x": the version is the proof. Where a long target hides it, one that
 * begins as only HTTP's do is nearly as good. */
static int sniff_request(struct str in)
{
	int sure = sniff_method(in);
	struct str line;
	uint8_t minor;

	if (sure != 100)
		return sure;
	if (http1_take_line(&in, &line))
		return line.n > 8 && http1_version((struct str){ line.p + line.n - 8, 8 }, &minor) ? 100 : 0;
	str_skip(&in, str_find(in, ' ') + 1);
	if (in.n && in.p[in.n - 1] == '\r')
		in.n--;
	if (!is_printable(in))
		return 0;
	if (in.n < LINE_ENOUGH)
		return -EAGAIN;
	return in.p[0] == '/' || str_starts(in, STR("http")) ? 90 : 0;
}

static int sniff_response(struct str in)
{
	struct str version = STR("HTTP/1.");
	uint8_t minor;

	if (in.n < version.n + 1)
		return str_starts(version, in) ? -EAGAIN : 0;
	return http1_version((struct str){ in.p, 8 }, &minor) ? 100 : 0;
}

static int http1_sniff(struct str head, enum dir dir)
{
	while (head.n && (head.p[0] == '\r' || head.p[0] == '\n'))
		str_skip(&head, 1);
	if (head.n == 0)
		return -EAGAIN;
	return dir == DIR_REQUEST ? sniff_request(head) : sniff_response(head);
}

const struct proto proto_http1 = {
	.name = "http1",
	.ports = { 80, 8080, 8000 },
	.state_size = sizeof(struct http1_state),
	.sniff = http1_sniff,
	.parse = http1_parse,
	.resync = http1_resync,
	.describe = http1_describe,
};
