/* SPDX-License-Identifier: Apache-2.0 */
/* resp.h. */
#include "proto/resp.h"

bool resp_line(struct str *in, struct str *line)
{
	const char *cr = in->n ? memmem(in->p, in->n, "\r\n", 2) : NULL;

	if (!cr)
		return false;
	*line = (struct str){ in->p, (size_t)(cr - in->p) };
	str_skip(in, line->n + 2);
	return true;
}

enum resp_number resp_number(struct str s, uint64_t *n)
{
	if (str_eq(s, STR("-1")))
		return RESP_NULL;
	if (str_eq(s, STR("?")))
		return RESP_STREAMED;
	return str_to_u64(s, n) && *n < RESP_NUMBER_MAX ? RESP_NUMBER : RESP_BAD;
}

int resp_count(struct str *in, char type, uint64_t *n)
{
	struct str line;

	if (in->n && in->p[0] != type)
		return -EPROTO;
	if (!resp_line(in, &line))
		return in->n > 24 ? -EPROTO : 0;
	str_skip(&line, 1);
	return resp_number(line, n) == RESP_NUMBER ? 1 : -EPROTO;
}
