/* SPDX-License-Identifier: Apache-2.0 */
/* One signal's way out: a bounded queue, and a thread that takes batches from it, has them encoded, sends
 * them, repeats what may be repeated and counts what is lost. */
#ifndef SONDE_EXPORT_LANE_H
#define SONDE_EXPORT_LANE_H

#include "export/export.h"
#include "export/queue.h"

/* Bytes of a request, unpacked: below the 4 MiB that gRPC servers take by default. */
#define REQUEST_MAX (4u * 1024 * 1024 - 64 * 1024)

struct lane_options {
	enum signal signal;
	const struct otlp_target *target;
	size_t capacity, bytes_max;	/* of the queue */
	size_t batch_max;		/* items in a request */
	uint32_t delay_ms;		/* a batch that is not full waits so long; 0: not at all */
	uint32_t export_timeout_ms;	/* for a batch, repetitions included */
	/* Called in the lane's thread. *request: a view of the encoded items, in scratch or in an item. */
	int (*encode)(void *ctx, const struct queue_item *items, size_t n, struct buf *scratch, struct str *request);
	void (*discard)(void *value);
	void *ctx;
};

struct lane;
int lane_new(struct lane **out, const struct lane_options *opt);
/* Takes item.value over. Never blocks longer than copying a pointer takes. */
void lane_push(struct lane *l, struct queue_item item);
/* Items that could not even be queued. */
void lane_lost(struct lane *l, uint32_t count);
/* Ends at deadline_ns (CLOCK_MONOTONIC) at the latest: begin for all lanes, then wait for each. */
void lane_stop_begin(struct lane *l, uint64_t deadline_ns);
void lane_stop_wait(struct lane *l);
/* Stops without waiting for answers, if that was not done before. */
void lane_free(struct lane *l);
/* Adds the lane's figures at its signal's places. */
void lane_stats(struct lane *l, struct export_stats *out);

#endif
