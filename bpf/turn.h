/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A turn: one side spoke, then the other. The same code runs in BPF and, compiled natively, in
 * stream/ (coverage) and in unit tests; so it uses integers only and has no helper calls.
 *
 * In:  each firing as (request or response, [pos, end), time). Out: a closed turn, when the next
 * request begins or the connection ends. Sizes are differences of positions: peeked bytes and
 * continued sends never count twice. */
#ifndef SONDE_TURN_H
#define SONDE_TURN_H

#include "event.h"

#define TURN_STEPS	8	/* buckets per octave: bounds are at most 12.5 % apart */

struct turn {
	__u64 request_pos, request_end;	/* positions in the client-to-server stream */
	__u64 response_pos, response_end;
	__u64 request_first_ns, request_last_ns, response_first_ns, response_last_ns;
	__u8  phase;		/* enum turn_phase */
	__u8  repaired;		/* a firing was skipped: one time is unknown, keep it out of histograms */
	__u16 pad;
	__u32 ordinal;		/* turns begun on this connection */
};
enum turn_phase { TURN_NONE, TURN_REQUEST, TURN_RESPONSE };

/* Adds a firing. Returns 1 and fills *closed when it ended the previous turn, else 0. A response with
 * no request before it (joined in the middle, server speaks first) belongs to no turn. */
static inline __attribute__((always_inline)) int
turn_step(struct turn *t, int is_request, __u64 pos, __u64 end, __u64 now_ns, struct turn *closed)
{
	int ended = 0;

	if (is_request) {
		if (t->phase != TURN_REQUEST) {
			if (t->phase == TURN_RESPONSE) {
				*closed = *t;
				ended = 1;
			}
			t->phase = TURN_REQUEST;
			t->repaired = 0;
			t->ordinal++;
			t->request_pos = pos;
			t->request_first_ns = now_ns;
		}
		t->request_last_ns = now_ns;
		t->request_end = end;
	} else if (t->phase != TURN_NONE) {
		if (t->phase != TURN_RESPONSE) {
			t->phase = TURN_RESPONSE;
			t->response_pos = pos;
			t->response_first_ns = now_ns;
		}
		t->response_last_ns = now_ns;
		t->response_end = end;
	}
	return ended;
}

/* What is known about both directions of a connection at a firing: the position up to which firings were
 * seen, and the one where the kernel's counters are now (before this firing's bytes). */
struct turn_edges {
	__u64 request_seen, request_now;
	__u64 response_seen, response_now;
};

/* Call before turn_step(). The kernel may skip firings: then a counter is ahead of what was seen. Such bytes
 * are put into the turn where they must belong, and the turn is marked when a time is unknown because of
 * them. A send may have claimed more than the socket took: the counters clip it. Returns 1 and fills
 * *closed when a turn ended unseen. */
static inline __attribute__((always_inline)) int
turn_repair(struct turn *t, int is_request, const struct turn_edges *e, __u64 now_ns, struct turn *closed)
{
	int missed_request = e->request_now > e->request_seen;
	int missed_response = e->response_now > e->response_seen;
	int ended = 0;

	if (t->phase != TURN_NONE && t->request_end > e->request_now)
		t->request_end = e->request_now;
	if (t->phase == TURN_RESPONSE && t->response_end > e->response_now)
		t->response_end = e->response_now;
	if (!missed_request && !missed_response)
		return 0;
	if (missed_request && t->phase != TURN_REQUEST) {
		ended = turn_step(t, 1, e->request_seen, e->request_now, now_ns, closed);
		t->repaired = 1;
	}
	if (missed_response && t->phase != TURN_NONE && (is_request || t->phase == TURN_REQUEST)) {
		turn_step(t, 0, e->response_seen, e->response_now, now_ns, closed);
		t->repaired = 1;
	}
	return ended;
}

/* The connection ended: returns 1 and fills *closed if a turn with a response was open. */
static inline __attribute__((always_inline)) int turn_finish(struct turn *t, struct turn *closed)
{
	int ended = t->phase == TURN_RESPONSE;

	if (ended)
		*closed = *t;
	t->phase = TURN_NONE;
	return ended;
}

/* Log-linear bucket of a latency: unit 1 us (below: bucket 0), TURN_STEPS per octave, the last open. */
static inline __attribute__((always_inline)) __u32 turn_bucket(__u64 ns)
{
	__u64 us = ns / 1000, v = us;
	__u32 e = 0, b;

	if (v >> 32) { e += 32; v >>= 32; }
	if (v >> 16) { e += 16; v >>= 16; }
	if (v >> 8)  { e += 8;  v >>= 8; }
	if (v >> 4)  { e += 4;  v >>= 4; }
	if (v >> 2)  { e += 2;  v >>= 2; }
	if (v >> 1)  { e += 1; }
	b = e < 3 ? (__u32)us : ((e - 2) << 3) + (__u32)((us >> (e - 3)) & 7);
	return b < TURN_BUCKETS ? b : TURN_BUCKETS - 1;
}

/* Lower bound of bucket b in microseconds (inverse of turn_bucket). */
static inline __attribute__((always_inline)) __u64 turn_bucket_us(__u32 b)
{
	return b < 8 ? b : (8ull + (b & 7)) << ((b >> 3) - 1);
}

#endif
