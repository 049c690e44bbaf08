/* SPDX-License-Identifier: Apache-2.0 */
/* From records to exchanges. Keeps one state per connection (socket cookie), puts bytes in order by
 * their stream positions, finds the protocol, runs its parser and pairs requests with responses.
 *
 * In:  records of bpf/event.h in ring order (any of them may be missing). Out: callbacks, in the caller's
 * thread. Owns all connection state; memory is bounded by stream_options. Never logs, no clock of its
 * own: `now_ns` is CLOCK_MONOTONIC as the records are. */
#ifndef SONDE_STREAM_STREAM_H
#define SONDE_STREAM_STREAM_H

#include "proto/proto.h"

struct stream_table;

struct stream_sink {
	void *ctx;
	/* The request's head is known; the exchange is under way. x stays owned by the stream. Called at most
	 * once per exchange, before exchange(). */
	void (*request)(void *ctx, const struct exchange *x);
	/* The exchange is over (x->end says how). x is freed when the call returns. */
	void (*exchange)(void *ctx, const struct exchange *x);
	/* A connection could not be opened. */
	void (*connect_failed)(void *ctx, const struct rec_conn *rec);
	/* BPF should know this about a connection (protocol found, payload not needed any more). */
	void (*verdict)(void *ctx, const struct verdict *v);
	/* A head did not fit the budget: the service would need at least `bytes` per request or response. */
	void (*head_cut)(void *ctx, uint32_t service, enum dir dir, uint32_t bytes);
};

struct stream_options {
	size_t memory_max;		/* bytes of all connection states, buffers and pending exchanges */
	uint32_t pending_max;		/* exchanges under way per connection (pipelining) */
	uint64_t pending_timeout_ns;	/* a request without an answer is given up (END_TIMEOUT) after this */
	struct proto_options proto;
	const struct proto *const *protos;	/* NULL-terminated; NULL: the list of proto/list.h */
};

/* Counted per service number; the worker exports them. Indices: protocol number where it says so. */
struct stream_service_stats {
	uint64_t turns, turns_understood;	/* coverage = understood / turns, recomputed with turn.h */
	uint64_t exchanges;
	uint64_t gaps, gap_bytes;	/* bytes that no record showed (lost, io_uring, splice) */
	uint64_t head_cut;
	uint64_t unanswered;		/* requests whose answer was never seen */
	uint64_t unmatched;		/* responses without a request */
};
struct stream_stats {
	uint64_t connections;		/* now */
	uint64_t memory;		/* bytes now */
	uint64_t shed_payload, shed_exchanges;	/* dropped because of memory_max: bytes; exchanges */
	uint64_t parse_failures[16];	/* by protocol number */
	uint64_t unknown_records;	/* of a connection that was never announced */
};

int stream_table_new(struct stream_table **out, const struct stream_options *opt, const struct stream_sink *sink);
void stream_table_free(struct stream_table *t);

/* One record of the ring, `size` bytes. Malformed ones are counted and ignored. */
void stream_record(struct stream_table *t, const void *rec, size_t size);

/* Call after every batch and when idle: emits exchanges that are settled, gives up old ones. */
void stream_tick(struct stream_table *t, uint64_t now_ns);

/* Ends every exchange under way (agent shutdown): answered ones are emitted, the others dropped. */
void stream_flush(struct stream_table *t, uint64_t now_ns);

const struct stream_stats *stream_stats(const struct stream_table *t);
/* Never NULL for service < SERVICES_MAX. */
const struct stream_service_stats *stream_service_stats(const struct stream_table *t, uint32_t service);

#endif
