/* SPDX-License-Identifier: Apache-2.0 */
/* Segments that came before what they follow (two CPUs write one ring), kept as copies in the order of
 * their times. */
#ifndef SONDE_STREAM_HOLD_H
#define SONDE_STREAM_HOLD_H

#include "stream/reasm.h"

#define HOLD_SEGMENTS_MAX 64
#define HOLD_BYTES_MAX (64u << 10)

struct held {
	struct held *next;
	uint64_t tick;			/* the table's tick when it came */
	struct segment s;		/* data points behind the struct */
	char data[];
};

struct hold {
	struct held *first;
	uint32_t n;
	uint32_t bytes;			/* memory of all of them */
};

static inline bool hold_is_full(const struct hold *h)
{
	return h->n > HOLD_SEGMENTS_MAX || h->bytes > HOLD_BYTES_MAX;
}

int hold_add(struct hold *h, const struct segment *s, uint64_t tick);
/* Takes out the one that *at points to; the caller frees it. */
struct held *hold_take(struct hold *h, struct held **at);

#endif
