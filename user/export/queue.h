/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue that drops its oldest: bounded in entries and in bytes, where what was taken out and is
 * still being sent counts as well. No locks: its owner has one. */
#ifndef SONDE_EXPORT_QUEUE_H
#define SONDE_EXPORT_QUEUE_H

#include "base/common.h"

struct queue_item {
	void *value;
	size_t bytes;		/* what it costs in memory */
	uint32_t count;		/* spans or data points in it */
};

struct queue {
	struct queue_item *ring;
	size_t capacity, head, n;	/* head: the oldest */
	size_t bytes, bytes_taken, bytes_max;
	uint64_t count;			/* sum of the items' counts */
	void (*discard)(void *value);
};

/* discard frees what is dropped and what is left at the end. -ENOMEM. */
int queue_init(struct queue *q, size_t capacity, size_t bytes_max, void (*discard)(void *value));
void queue_release(struct queue *q);

/* Takes item.value over, makes room by dropping the oldest. Returns the dropped items' counts, the
 * new one's included when it alone is too large. */
uint64_t queue_push(struct queue *q, struct queue_item item);

/* Moves up to n of the oldest to out; returns how many. Their bytes stay counted until queue_done(). */
size_t queue_take(struct queue *q, struct queue_item *out, size_t n);
void queue_done(struct queue *q, size_t bytes);

#endif
