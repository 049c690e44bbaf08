/* SPDX-License-Identifier: Apache-2.0 */
/* exphist.h: the buckets in use are contiguous; they move when a smaller value comes. */
#include "metrics/exphist.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "metrics/metrics.h"

#define BUCKETS_FIRST 16

/* Shift of a possibly negative index towards minus infinity (gcc and clang shift arithmetically). */
static int32_t index_down(int32_t index, int32_t steps)
{
	return index >> MIN(steps, 31);
}

/* Powers of two belong to the bucket below them (bounds are upper-inclusive), exactly so at every scale;
 * the logarithm decides within an octave and may not leave it by rounding. */
int32_t exphist_index(double v, int32_t scale)
{
	uint64_t bits, fraction;
	int32_t exponent, index;

	v = MAX(v, DBL_MIN);
	memcpy(&bits, &v, sizeof(bits));
	fraction = bits & ((1ull << 52) - 1);
	exponent = (int32_t)(bits >> 52 & 0x7ff) - 1023;
	if (scale <= 0)
		return index_down(fraction ? exponent : exponent - 1, -scale);
	if (!fraction)
		return exponent * (1 << scale) - 1;
	index = (int32_t)floor(log2(v) * (1 << scale));
	return MIN(MAX(index, exponent * (1 << scale)), (exponent + 1) * (1 << scale) - 1);
}

int exphist_init(struct exphist *h, int32_t scale_max, size_t *room)
{
	size_t size = BUCKETS_FIRST * sizeof(*h->buckets);
	uint64_t *buckets = *room >= size ? calloc(1, size) : NULL;

	if (!buckets)
		return -ENOMEM;
	*room -= size;
	*h = (struct exphist){ .scale = scale_max, .cap = BUCKETS_FIRST, .buckets = buckets };
	return 0;
}

void exphist_release(struct exphist *h, size_t *room)
{
	*room += h->cap * sizeof(*h->buckets);
	free(h->buckets);
	*h = (struct exphist){ 0 };
}

void exphist_reset(struct exphist *h, int32_t scale_max)
{
	memset(h->buckets, 0, h->n * sizeof(*h->buckets));
	h->scale = scale_max;
	h->n = 0;
	h->zeros = 0;
}

static void exphist_downscale(struct exphist *h, int32_t steps)
{
	int32_t offset = index_down(h->offset, steps);
	uint32_t used = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		uint32_t to = (uint32_t)(index_down(h->offset + (int32_t)i, steps) - offset);
		uint64_t count = h->buckets[i];

		h->buckets[i] = 0;
		h->buckets[to] += count;
		used = to + 1;
	}
	h->scale -= steps;
	h->offset = offset;
	h->n = used;
}

/* Makes the array hold at least `need` buckets, if that is allowed and memory is there. */
static void exphist_grow(struct exphist *h, int64_t need, size_t *room)
{
	uint32_t cap = (uint32_t)MIN(MAX(need, (int64_t)h->cap * 2), EXP_BUCKETS_MAX);
	size_t more = (cap - h->cap) * sizeof(*h->buckets);
	uint64_t *buckets = *room >= more ? realloc(h->buckets, cap * sizeof(*buckets)) : NULL;

	if (!buckets)
		return;
	memset(buckets + h->cap, 0, more);
	*room -= more;
	h->buckets = buckets;
	h->cap = cap;
}

/* Lowers the scale until [lo, hi] fits; says by how many steps. */
static int32_t exphist_fit(struct exphist *h, int64_t lo, int64_t hi, size_t *room)
{
	int32_t steps = 0;

	if (hi - lo >= h->cap && h->cap < EXP_BUCKETS_MAX)
		exphist_grow(h, hi - lo + 1, room);
	while ((hi >> steps) - (lo >> steps) >= h->cap)
		steps++;
	if (steps)
		exphist_downscale(h, steps);
	return steps;
}

static void exphist_count(struct exphist *h, int32_t index, uint64_t n, size_t *room)
{
	int32_t last = h->offset + (int32_t)h->n - 1;

	if (!h->n)
		h->offset = last = index;
	if (index < h->offset || index > last) {
		index = index_down(index, exphist_fit(h, MIN(h->offset, index), MAX(last, index), room));
		if (index < h->offset) {
			uint32_t by = (uint32_t)(h->offset - index);

			memmove(h->buckets + by, h->buckets, h->n * sizeof(*h->buckets));
			memset(h->buckets, 0, MIN(by, h->n) * sizeof(*h->buckets));
			h->offset = index;
			h->n += by;
		}
	}
	h->n = MAX(h->n, (uint32_t)(index - h->offset) + 1);
	h->buckets[index - h->offset] += n;
}

void exphist_add(struct exphist *h, double v, uint64_t n, size_t *room)
{
	if (v > 0)
		exphist_count(h, exphist_index(v, h->scale), n, room);
	else
		h->zeros += n;
}

void exphist_merge(struct exphist *h, const struct exphist *from, size_t *room)
{
	h->zeros += from->zeros;
	if (from->n && h->scale > from->scale)
		exphist_downscale(h, h->scale - from->scale);
	for (uint32_t i = 0; i < from->n; i++)
		if (from->buckets[i])
			exphist_count(h, index_down(from->offset + (int32_t)i, from->scale - h->scale),
				      from->buckets[i], room);
}
