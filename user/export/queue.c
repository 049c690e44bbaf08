/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h: a ring of items. */
#include "export/queue.h"

int queue_init(struct queue *q, size_t capacity, size_t bytes_max, void (*discard)(void *value))
{
	struct queue_item *ring = calloc(MAX(capacity, (size_t)1), sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	*q = (struct queue){
		.ring = ring,
		.capacity = MAX(capacity, (size_t)1),
		.bytes_max = bytes_max,
		.discard = discard,
	};
	return 0;
}

static bool queue_pop(struct queue *q, struct queue_item *out)
{
	if (!q->n)
		return false;
	*out = q->ring[q->head];
	q->head = (q->head + 1) % q->capacity;
	q->n--;
	q->bytes -= out->bytes;
	q->count -= out->count;
	return true;
}

void queue_release(struct queue *q)
{
	struct queue_item item;

	while (queue_pop(q, &item))
		q->discard(item.value);
	free(q->ring);
	*q = (struct queue){ 0 };
}

static bool queue_fits(const struct queue *q, size_t bytes)
{
	size_t used = q->bytes + q->bytes_taken;

	return q->n < q->capacity && used <= q->bytes_max && bytes <= q->bytes_max - used;
}

uint64_t queue_push(struct queue *q, struct queue_item item)
{
	uint64_t dropped = 0;
	struct queue_item oldest;

	while (!queue_fits(q, item.bytes) && queue_pop(q, &oldest)) {
		dropped += oldest.count;
		q->discard(oldest.value);
	}
	if (!queue_fits(q, item.bytes)) {
		q->discard(item.value);
		return dropped + item.count;
	}
	q->ring[(q->head + q->n) % q->capacity] = item;
	q->n++;
	q->bytes += item.bytes;
	q->count += item.count;
	return dropped;
}

size_t queue_take(struct queue *q, struct queue_item *out, size_t n)
{
	size_t taken = 0;

	while (taken < n && queue_pop(q, &out[taken])) {
		q->bytes_taken += out[taken].bytes;
		taken++;
	}
	return taken;
}

void queue_done(struct queue *q, size_t bytes)
{
	q->bytes_taken -= bytes;
}
