/* SPDX-License-Identifier: Apache-2.0 */
/* send.h: OTLP/gRPC unary calls as HTTP/2 requests by libcurl (grpc/doc/PROTOCOL-HTTP2.md). */
#include <stdio.h>

#include "base/gzip.h"
#include "export/answer.h"
#include "export/send.h"

#define PREFIX 5	/* compressed flag, length: before each message */

static const char *const methods[] = {
	[SIGNAL_TRACES] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
	[SIGNAL_METRICS] = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
};
_Static_assert(ARRAY_SIZE(methods) == SIGNAL_COUNT, "name every signal's method");

/* unix:path and unix:///path (grpc/doc/naming.md); the authority is then made up. */
static const char *unix_path(const char *url)
{
	if (strncmp(url, "unix://", 7) == 0)
		return url + 7;
	return strncmp(url, "unix:", 5) == 0 ? url + 5 : NULL;
}

static int grpc_setup(CURL *curl, const struct otlp_target *target, enum signal signal)
{
	_cleanup_(buf_release) struct buf url = { 0 };
	const char *path = unix_path(target->url);
	bool tls = str_starts(str_of(target->url), STR("https:"));

	if (path && curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path) != CURLE_OK)
		return -EINVAL;
	buf_printf(&url, "%s%s", path ? "http://localhost" : target->url, methods[signal]);
	if (url.failed)
		return -ENOMEM;
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
			 (long)(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
	return curl_easy_setopt(curl, CURLOPT_URL, url.p) == CURLE_OK ? 0 : -EINVAL;
}

static void grpc_headers(struct curl_slist **headers, const struct otlp_target *target, uint32_t timeout_ms)
{
	char timeout[40];

	snprintf(timeout, sizeof(timeout), "grpc-timeout: %um", MIN(timeout_ms, 99999999u));	/* at most 8 digits */
	*headers = curl_slist_append(*headers, "content-type: application/grpc");
	*headers = curl_slist_append(*headers, "te: trailers");
	*headers = curl_slist_append(*headers, "accept:");	/* curl's own does not belong here */
	*headers = curl_slist_append(*headers, "grpc-accept-encoding: identity,gzip");
	*headers = curl_slist_append(*headers, timeout);
	if (target->gzip)
		*headers = curl_slist_append(*headers, "grpc-encoding: gzip");
}

static int grpc_frame(struct buf *out, struct str request, bool gzip)
{
	size_t n;
	int err = 0;

	buf_add(out, "\0\0\0\0\0", PREFIX);
	if (gzip)
		err = gzip_compress(out, request);
	else
		buf_str(out, request);
	if (err || out->failed)
		return -ENOMEM;
	n = out->n - PREFIX;
	out->p[0] = gzip;
	for (int i = 0; i < 4; i++)
		out->p[1 + i] = (char)(n >> (24 - 8 * i));
	return 0;
}

static void judge_ok(const struct reply *r, struct send_result *out)
{
	_cleanup_(buf_release) struct buf plain = { 0 };
	struct str in = { r->body.p, r->body.n }, body, message;
	uint8_t compressed;
	uint32_t n;

	out->verdict = SEND_OK;
	if (r->body_too_long || !take_u8(&in, &compressed) || !take_u32be(&in, &n) || !take_bytes(&in, n, &body))
		goto unreadable;
	if (compressed) {
		if (gzip_expand(&plain, body, ANSWER_MAX))
			goto unreadable;
		body = (struct str){ plain.p, plain.n };
	}
	if (!answer_partial(body, &out->rejected, &message))
		goto unreadable;
	reply_text(out->error, sizeof(out->error), message);
	return;
unreadable:
	send_error(out, SEND_DROP, "gRPC status OK with a message that is not OTLP");
}

/* grpc-message is percent-encoded (PROTOCOL-HTTP2.md, "Status-Message"). */
static void decode_message(char *out, size_t size, const char *in)
{
	size_t n = 0;
	unsigned int byte;

	for (; *in && n + 1 < size; in++) {
		if (*in == '%' && sscanf(in + 1, "%2x", &byte) == 1 && in[1] && in[2]) {
			out[n++] = (char)byte;
			in += 2;
		} else {
			out[n++] = *in;
		}
	}
	reply_text(out, size, (struct str){ out, n });
}

static void judge_status(const struct reply *r, struct send_result *out)
{
	uint8_t details[sizeof(r->grpc_details)];
	ssize_t n = answer_base64(str_of(r->grpc_details), details, sizeof(details));
	struct str text;
	char message[120];
	bool has_delay = false;

	if (n > 0)
		answer_status((struct str){ (char *)details, (size_t)n }, &text, &has_delay, &out->retry_after_ms);
	decode_message(message, sizeof(message), r->grpc_message);
	send_error(out, retry_grpc_status(r->grpc_status, has_delay), "gRPC status %u (%s)%s%s", r->grpc_status,
		   grpc_status_name(r->grpc_status), message[0] ? ": " : "", message);
}

static void grpc_judge(const struct reply *r, struct send_result *out)
{
	if (r->has_grpc_status && r->grpc_status)
		judge_status(r, out);
	else if (r->has_grpc_status)
		judge_ok(r, out);
	else if (r->http_status != 200)
		send_error(out, retry_http_status(r->http_status) == SEND_RETRY ? SEND_RETRY : SEND_DROP,
			   "HTTP %ld instead of a gRPC answer", r->http_status);
	else
		send_error(out, SEND_DROP, "an answer without grpc-status (%s)",
			   r->content_type[0] ? r->content_type : "no content type");
}

const struct send_transport transport_grpc = {
	.setup = grpc_setup,
	.add_headers = grpc_headers,
	.frame = grpc_frame,
	.judge = grpc_judge,
};
