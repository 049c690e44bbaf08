/* SPDX-License-Identifier: Apache-2.0 */
/* What an OTLP endpoint's answer means for the batch: accepted, again later, in smaller pieces, or lost.
 * Pure. Source: opentelemetry-specification, protocol/otlp ("Failures", "OTLP/gRPC Throttling"). */
#ifndef SONDE_EXPORT_RETRY_H
#define SONDE_EXPORT_RETRY_H

#include "base/str.h"

enum send_verdict {
	SEND_OK,	/* accepted, except `rejected` items */
	SEND_RETRY,	/* may be accepted later */
	SEND_SPLIT,	/* too large: send halves */
	SEND_DROP,	/* will never be accepted */
};

struct send_result {
	enum send_verdict verdict;
	bool answered;			/* by a server; else the connection failed */
	uint64_t rejected;		/* spans or data points, by partial success */
	uint32_t retry_after_ms;	/* the server's wish, 0: none */
	char error[160];		/* "" : none */
};

#define RETRY_AFTER_MAX_MS (5 * 60 * 1000u)	/* whatever the server says */

void send_error(struct send_result *r, enum send_verdict verdict, const char *format, ...) _printf_(3, 4);

enum send_verdict retry_http_status(long status);
/* status is the number of grpc-status; has_retry_info: the server named a delay. */
enum send_verdict retry_grpc_status(unsigned int status, bool has_retry_info);
const char *grpc_status_name(unsigned int status);	/* "UNAVAILABLE" */

/* Retry-After (RFC 9110, 10.2.3): seconds or an HTTP date, at most RETRY_AFTER_MAX_MS. False: unreadable. */
bool retry_after_parse(struct str value, int64_t now_unix_s, uint32_t *ms);

/* Wait before the attempt-th repetition (0: the first): 1 s doubling to 30 s, of which random (any number)
 * takes away up to a half, so that many agents do not come back at once. */
uint32_t retry_backoff_ms(unsigned int attempt, uint32_t random);

#endif
