/* SPDX-License-Identifier: Apache-2.0 */
/* One request to one OTLP endpoint and what its answer means. A sender belongs to one thread; only
 * sender_abort_at() may be called from others.
 *
 * In: an encoded request. Out: a verdict. Owns a curl handle with its connections. The transports (HTTP,
 * gRPC) differ in three functions and are rows of a table in send.c. */
#ifndef SONDE_EXPORT_SEND_H
#define SONDE_EXPORT_SEND_H

#include <curl/curl.h>

#include "export/export.h"
#include "export/retry.h"

#define ANSWER_MAX (64 * 1024)	/* bytes of a response body, unpacked */

struct reply {
	CURLcode code;
	long http_status;
	struct buf body;
	bool body_too_long;
	bool has_grpc_status;
	unsigned int grpc_status;
	char content_type[64];
	char retry_after[64];
	char grpc_message[160];		/* as sent: percent-encoded */
	char grpc_details[2048];	/* as sent: base64 */
	char curl_error[CURL_ERROR_SIZE];
};

struct send_transport {
	/* Sets URL and HTTP version, once. -EINVAL. */
	int (*setup)(CURL *curl, const struct otlp_target *target, enum signal signal);
	/* Appends the headers of one request to *headers. */
	void (*add_headers)(struct curl_slist **headers, const struct otlp_target *target, uint32_t timeout_ms);
	/* The body as it goes on the wire. */
	int (*frame)(struct buf *out, struct str request, bool gzip);
	/* What a complete answer means; transport errors were handled before. */
	void (*judge)(const struct reply *reply, struct send_result *out);
};

extern const struct send_transport transport_http, transport_grpc;

/* "Too many requests"-like text from a server, made fit for a log line. */
void reply_text(char *out, size_t size, struct str text);

struct sender;
int sender_new(struct sender **out, const struct otlp_target *target, enum signal signal);
void sender_free(struct sender *s);

/* Sends and waits for the answer, at most timeout_ms. */
void sender_send(struct sender *s, struct str request, uint32_t timeout_ms, struct send_result *out);

/* From that CLOCK_MONOTONIC time on, a request under way is given up and new ones are not begun. */
void sender_abort_at(struct sender *s, uint64_t ns);

#endif
