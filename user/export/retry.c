/* SPDX-License-Identifier: Apache-2.0 */
/* retry.h: the two status tables and the waiting times. */
#include "export/retry.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>

#define BACKOFF_FIRST_MS 1000u
#define BACKOFF_MAX_MS 30000u

void send_error(struct send_result *r, enum send_verdict verdict, const char *format, ...)
{
	va_list args;

	r->verdict = verdict;
	va_start(args, format);
	vsnprintf(r->error, sizeof(r->error), format, args);
	va_end(args);
}

enum send_verdict retry_http_status(long status)
{
	switch (status) {
	case 200 ... 299:
		return SEND_OK;
	case 413:
		return SEND_SPLIT;
	case 429:
	case 502:
	case 503:
	case 504:
		return SEND_RETRY;
	default:
		return SEND_DROP;
	}
}

/* Numbers of google.rpc.Code. */
static const struct {
	const char *name;
	enum send_verdict verdict;
} grpc_statuses[] = {
	[0] = { "OK", SEND_OK },
	[1] = { "CANCELLED", SEND_RETRY },
	[2] = { "UNKNOWN", SEND_DROP },
	[3] = { "INVALID_ARGUMENT", SEND_DROP },
	[4] = { "DEADLINE_EXCEEDED", SEND_RETRY },
	[5] = { "NOT_FOUND", SEND_DROP },
	[6] = { "ALREADY_EXISTS", SEND_DROP },
	[7] = { "PERMISSION_DENIED", SEND_DROP },
	[8] = { "RESOURCE_EXHAUSTED", SEND_DROP },	/* unless the server says when it recovers */
	[9] = { "FAILED_PRECONDITION", SEND_DROP },
	[10] = { "ABORTED", SEND_RETRY },
	[11] = { "OUT_OF_RANGE", SEND_RETRY },
	[12] = { "UNIMPLEMENTED", SEND_DROP },
	[13] = { "INTERNAL", SEND_DROP },
	[14] = { "UNAVAILABLE", SEND_RETRY },
	[15] = { "DATA_LOSS", SEND_RETRY },
	[16] = { "UNAUTHENTICATED", SEND_DROP },
};

enum send_verdict retry_grpc_status(unsigned int status, bool has_retry_info)
{
	if (status >= ARRAY_SIZE(grpc_statuses))
		return SEND_DROP;
	if (status == 8 && has_retry_info)
		return SEND_RETRY;
	return grpc_statuses[status].verdict;
}

const char *grpc_status_name(unsigned int status)
{
	return status < ARRAY_SIZE(grpc_statuses) ? grpc_statuses[status].name : "not a gRPC status";
}

bool retry_after_parse(struct str value, int64_t now_unix_s, uint32_t *ms)
{
	char text[64];
	uint64_t seconds;
	time_t date;

	value = str_trim(value);
	if (!str_to_u64(value, &seconds)) {
		if (value.n >= sizeof(text))
			return false;
		memcpy(text, value.p, value.n);
		text[value.n] = '\0';
		date = curl_getdate(text, NULL);
		if (date == -1)
			return false;
		seconds = date > now_unix_s ? (uint64_t)(date - now_unix_s) : 0;
	}
	*ms = (uint32_t)(MIN(seconds, (uint64_t)RETRY_AFTER_MAX_MS / 1000) * 1000);
	return true;
}

uint32_t retry_backoff_ms(unsigned int attempt, uint32_t random)
{
	uint32_t full = attempt < 5 ? BACKOFF_FIRST_MS << attempt : BACKOFF_MAX_MS;

	return full - random % (full / 2 + 1);
}
