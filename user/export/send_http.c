/* SPDX-License-Identifier: Apache-2.0 */
/* send.h: OTLP/HTTP with protobuf bodies (opentelemetry-specification, protocol/otlp, "OTLP/HTTP"). */
#include <strings.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "export/answer.h"
#include "export/send.h"

static int http_setup(CURL *curl, const struct otlp_target *target,
		      enum signal signal __attribute__((unused)))
{
	/* One request at a time: HTTP/2 would bring nothing. */
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	/* Also makes curl unpack gzip answers; "gzip" only, as the body is bounded after unpacking. */
	curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
	return curl_easy_setopt(curl, CURLOPT_URL, target->url) == CURLE_OK ? 0 : -EINVAL;
}

static void http_headers(struct curl_slist **headers, const struct otlp_target *target,
			 uint32_t timeout_ms __attribute__((unused)))
{
	*headers = curl_slist_append(*headers, "Content-Type: application/x-protobuf");
	if (target->gzip)
		*headers = curl_slist_append(*headers, "Content-Encoding: gzip");
}

static int http_frame(struct buf *out, struct str request, bool gzip)
{
	if (gzip)
		return gzip_compress(out, request);
	buf_str(out, request);
	return out->failed ? -ENOMEM : 0;
}

/* 2xx: accepted, unless the body is something that no OTLP server says (a proxy's login page). */
static void judge_success(const struct reply *r, struct send_result *out)
{
	struct str message;

	out->verdict = SEND_OK;
	if (!r->body.n || strncasecmp(r->content_type, "application/json", 16) == 0)
		return;
	if (r->body_too_long || !answer_partial((struct str){ r->body.p, r->body.n }, &out->rejected, &message)) {
		send_error(out, SEND_DROP, "HTTP %ld with a body that is not OTLP (%s)", r->http_status,
			   r->content_type[0] ? r->content_type : "no content type");
		return;
	}
	reply_text(out->error, sizeof(out->error), message);
}

/* Servers that follow the specification send a google.rpc.Status; others text, which is not for our log. */
static void http_judge(const struct reply *r, struct send_result *out)
{
	enum send_verdict verdict = retry_http_status(r->http_status);
	char text[100] = "";
	struct str message;
	bool has_delay;
	uint32_t delay_ms;

	if (verdict == SEND_OK) {
		judge_success(r, out);
		return;
	}
	if (strncasecmp(r->content_type, "application/x-protobuf", 22) == 0 &&
	    answer_status((struct str){ r->body.p, r->body.n }, &message, &has_delay, &delay_ms))
		reply_text(text, sizeof(text), message);
	send_error(out, verdict, "HTTP %ld%s%s", r->http_status, text[0] ? ": " : "", text);
	if (r->retry_after[0])
		retry_after_parse(str_of(r->retry_after), (int64_t)(clock_ns(CLOCK_REALTIME) / NSEC_PER_SEC),
				  &out->retry_after_ms);
}

const struct send_transport transport_http = {
	.setup = http_setup,
	.add_headers = http_headers,
	.frame = http_frame,
	.judge = http_judge,
};
