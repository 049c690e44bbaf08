/* SPDX-License-Identifier: Apache-2.0 */
/* red.h: slots are reused when their time comes round. */
#include "console/red.h"

void red_add(struct red *r, uint64_t now_ns, uint64_t duration_ns, bool error)
{
	struct red_slot *s = &r->slots[now_ns / RED_SLOT_NS % RED_SLOTS];

	if (s->number != now_ns / RED_SLOT_NS)
		*s = (struct red_slot){ .number = now_ns / RED_SLOT_NS };
	if (!r->since_ns)
		r->since_ns = now_ns;
	r->total++;
	s->count++;
	s->errors += error;
	s->buckets[turn_bucket(duration_ns)]++;
}

/* Middle of the bucket that holds the q-quantile, in ms. */
static double quantile_ms(const uint64_t buckets[TURN_BUCKETS], uint64_t count, double q)
{
	uint64_t rank = (uint64_t)(q * (double)(count - 1)) + 1, seen = 0;
	uint32_t b = 0;

	while (b < TURN_BUCKETS - 1 && (seen += buckets[b]) < rank)
		b++;
	return (double)(turn_bucket_us(b) + turn_bucket_us(b + 1)) / 2000.0;
}

void red_read(const struct red *r, uint64_t now_ns, struct red_view *out)
{
	uint64_t buckets[TURN_BUCKETS] = { 0 }, now = now_ns / RED_SLOT_NS, window;

	*out = (struct red_view){ 0 };
	for (int i = 0; i < RED_SLOTS; i++) {
		const struct red_slot *s = &r->slots[i];

		if (!s->count || now - s->number >= RED_SLOTS)
			continue;
		out->count += s->count;
		out->errors += s->errors;
		for (int b = 0; b < TURN_BUCKETS; b++)
			buckets[b] += s->buckets[b];
	}
	if (!out->count)
		return;
	window = MIN(now_ns - r->since_ns, (RED_SLOTS - 1) * RED_SLOT_NS + now_ns % RED_SLOT_NS);
	out->per_second = (double)out->count / ((double)MAX(window, NSEC_PER_SEC) / 1e9);
	out->error_ratio = (double)out->errors / (double)out->count;
	out->p50_ms = quantile_ms(buckets, out->count, 0.50);
	out->p95_ms = quantile_ms(buckets, out->count, 0.95);
	out->p99_ms = quantile_ms(buckets, out->count, 0.99);
}
