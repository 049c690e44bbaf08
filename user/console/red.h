/* SPDX-License-Identifier: Apache-2.0 */
/* RED figures of one service and side over the last minute: ten slots of six seconds, each a count, errors
 * and a log-linear histogram (turn.h's buckets: quantiles within 6 %). Private to console/. */
#ifndef SONDE_CONSOLE_RED_H
#define SONDE_CONSOLE_RED_H

#include "bpf/turn.h"
#include "span/span.h"

#define RED_SLOTS 10
#define RED_SLOT_NS (6 * NSEC_PER_SEC)

struct red_slot {
	uint64_t number;		/* now_ns / RED_SLOT_NS; another one: stale */
	uint32_t count, errors;
	uint32_t buckets[TURN_BUCKETS];
};

struct red {
	uint64_t since_ns, total;
	struct red_slot slots[RED_SLOTS];
};

struct red_view {
	uint64_t count, errors;		/* of the last minute */
	double per_second, error_ratio;
	double p50_ms, p95_ms, p99_ms;
};

void red_add(struct red *r, uint64_t now_ns, uint64_t duration_ns, bool error);
void red_read(const struct red *r, uint64_t now_ns, struct red_view *out);

#endif
