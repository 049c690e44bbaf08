/* SPDX-License-Identifier: Apache-2.0 */
/* send.h: what both transports share: the curl handle, TLS, the loop that can be aborted, the answer. */
#include "export/send.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"

struct sender {
	const struct otlp_target *target;
	const struct send_transport *transport;
	CURLM *multi;
	CURL *curl;
	struct reply reply;
	_Atomic uint64_t abort_at_ns;	/* 0: never */
};

static const struct send_transport *const transports[] = {
	[OTLP_HTTP_PROTOBUF] = &transport_http,
	[OTLP_GRPC] = &transport_grpc,
};

void reply_text(char *out, size_t size, struct str text)
{
	size_t n = MIN(text.n, size - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)text.p[i] < ' ' || text.p[i] == 127 ? ' ' : text.p[i];
	out[n] = '\0';
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct reply *r = ctx;

	n *= size;
	if (r->body.n + n > ANSWER_MAX) {
		r->body_too_long = true;
		return 0;
	}
	buf_add(&r->body, p, n);
	return n;
}

/* One header or trailer line. */
static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct reply *r = ctx;
	struct str line = { p, n * size }, name;
	uint64_t status;

	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	if (!str_cut(&line, ':', &name))
		return n * size;
	line = str_trim(line);
	if (str_eq_nocase(name, STR("content-type")))
		reply_text(r->content_type, sizeof(r->content_type), line);
	else if (str_eq_nocase(name, STR("retry-after")))
		reply_text(r->retry_after, sizeof(r->retry_after), line);
	else if (str_eq_nocase(name, STR("grpc-message")))
		reply_text(r->grpc_message, sizeof(r->grpc_message), line);
	else if (str_eq_nocase(name, STR("grpc-status-details-bin")))
		reply_text(r->grpc_details, sizeof(r->grpc_details), line);
	else if (str_eq_nocase(name, STR("grpc-status")) && str_to_u64(line, &status)) {
		r->has_grpc_status = true;
		r->grpc_status = status <= UINT32_MAX ? (unsigned int)status : UINT32_MAX;
	}
	return n * size;
}

static void sender_setup_tls(CURL *curl, const struct otlp_target *target)
{
	if (target->certificate)
		curl_easy_setopt(curl, CURLOPT_CAINFO, target->certificate);
	if (target->client_certificate)
		curl_easy_setopt(curl, CURLOPT_SSLCERT, target->client_certificate);
	if (target->client_key)
		curl_easy_setopt(curl, CURLOPT_SSLKEY, target->client_key);
}

/* libcurl before 8.0 does not reuse prior-knowledge HTTP/2 connections correctly (a second request on one
 * may hang): a fresh one for each request. */
static void sender_avoid_h2c_reuse(CURL *curl, const struct otlp_target *target)
{
	if (target->protocol != OTLP_GRPC || curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000)
		return;
	if (str_starts(str_of(target->url), STR("https:")))
		return;
	curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

int sender_new(struct sender **out, const struct otlp_target *target, enum signal signal)
{
	struct sender *s = calloc(1, sizeof(*s));
	int err = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->target = target;
	s->transport = transports[target->protocol];
	s->multi = curl_multi_init();
	s->curl = curl_easy_init();
	if (!s->multi || !s->curl)
		goto fail;
	err = s->transport->setup(s->curl, target, signal);
	if (err)
		goto fail;
	curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(s->curl, CURLOPT_QUICK_EXIT, 1L);	/* never wait for a hanging resolver */
	curl_easy_setopt(s->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(s->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(s->curl, CURLOPT_USERAGENT, "sonde/" SONDE_VERSION);
	curl_easy_setopt(s->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(s->curl, CURLOPT_ERRORBUFFER, s->reply.curl_error);
	curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, &s->reply);
	curl_easy_setopt(s->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(s->curl, CURLOPT_HEADERDATA, &s->reply);
	sender_setup_tls(s->curl, target);
	sender_avoid_h2c_reuse(s->curl, target);
	*out = s;
	return 0;
fail:
	sender_free(s);
	return err;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	curl_easy_cleanup(s->curl);
	curl_multi_cleanup(s->multi);
	buf_release(&s->reply.body);
	free(s);
}

void sender_abort_at(struct sender *s, uint64_t ns)
{
	atomic_store(&s->abort_at_ns, ns);
	curl_multi_wakeup(s->multi);
}

/* Milliseconds until the abort, at most 1000; 0: now. */
static int sender_patience_ms(struct sender *s)
{
	uint64_t abort_at = atomic_load(&s->abort_at_ns), now = monotonic_ns();

	if (!abort_at)
		return 1000;
	return abort_at <= now ? 0 : (int)MIN((abort_at - now) / NSEC_PER_MSEC + 1, 1000ull);
}

static CURLcode sender_perform(struct sender *s)
{
	int running, left, wait_ms;
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	CURLMsg *msg;

	if (curl_multi_add_handle(s->multi, s->curl) != CURLM_OK)
		return CURLE_FAILED_INIT;
	while ((wait_ms = sender_patience_ms(s)) > 0) {
		if (curl_multi_perform(s->multi, &running) != CURLM_OK) {
			code = CURLE_FAILED_INIT;
			break;
		}
		msg = curl_multi_info_read(s->multi, &left);
		if (msg && msg->msg == CURLMSG_DONE) {
			code = msg->data.result;
			break;
		}
		curl_multi_poll(s->multi, NULL, 0, wait_ms, NULL);
	}
	curl_multi_remove_handle(s->multi, s->curl);
	return code;
}

static struct curl_slist *sender_headers(const struct sender *s, uint32_t timeout_ms)
{
	struct curl_slist *headers = NULL;

	/* Without "Expect:" curl would ask first and wait a second for large bodies. */
	headers = curl_slist_append(headers, "Expect:");
	s->transport->add_headers(&headers, s->target, timeout_ms);
	for (char **h = s->target->headers; h && *h; h++)
		headers = curl_slist_append(headers, *h);
	return headers;
}

static void reply_reset(struct reply *r)
{
	struct buf body = r->body;

	buf_clear(&body);
	memset(r, 0, sizeof(*r));
	r->body = body;
}

static void sender_transfer(struct sender *s, struct buf *body, uint32_t timeout_ms)
{
	struct curl_slist *headers = sender_headers(s, timeout_ms);

	reply_reset(&s->reply);
	curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(s->curl, CURLOPT_POSTFIELDS, body->p ? body->p : "");
	curl_easy_setopt(s->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
	curl_easy_setopt(s->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(s->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	s->reply.code = sender_perform(s);
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &s->reply.http_status);
	curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
}

/* Errors that the same request will meet again, whoever answers; all others are worth a retry. */
static bool code_is_final(CURLcode code)
{
	static const CURLcode final[] = {
		CURLE_FAILED_INIT, CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_OUT_OF_MEMORY,
		CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE, CURLE_PEER_FAILED_VERIFICATION,
	};

	for (size_t i = 0; i < ARRAY_SIZE(final); i++)
		if (final[i] == code)
			return true;
	return false;
}

static void judge_transport_error(const struct reply *r, struct send_result *out)
{
	const char *text = r->curl_error[0] ? r->curl_error : curl_easy_strerror(r->code);

	if (r->code == CURLE_ABORTED_BY_CALLBACK)
		text = "no answer before the end of the shutdown";
	send_error(out, code_is_final(r->code) ? SEND_DROP : SEND_RETRY, "%s", text);
}

void sender_send(struct sender *s, struct str request, uint32_t timeout_ms, struct send_result *out)
{
	_cleanup_(buf_release) struct buf body = { 0 };

	*out = (struct send_result){ 0 };
	if (s->transport->frame(&body, request, s->target->gzip)) {
		send_error(out, SEND_DROP, "out of memory");
		return;
	}
	sender_transfer(s, &body, MAX(timeout_ms, 1u));
	/* A status that came is an answer, even when its body did not come whole. */
	out->answered = s->reply.code == CURLE_OK || s->reply.body_too_long || s->reply.http_status >= 300 ||
			s->reply.has_grpc_status;
	if (out->answered)
		s->transport->judge(&s->reply, out);
	else
		judge_transport_error(&s->reply, out);
}
