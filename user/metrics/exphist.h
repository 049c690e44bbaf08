/* SPDX-License-Identifier: Apache-2.0 */
/* Base-2 exponential histogram of positive values and zeros: at most EXP_BUCKETS_MAX buckets
 * (base^i, base^(i+1)], base = 2^(2^-scale). Starts at the finest scale and halves its resolution when
 * the values' range needs it, or when memory does.
 * Source: opentelemetry-specification metrics/data-model ("ExponentialHistogram") and metrics/sdk. */
#ifndef SONDE_METRICS_EXPHIST_H
#define SONDE_METRICS_EXPHIST_H

#include "base/common.h"

#define EXPHIST_SCALE_MAX 20

struct exphist {
	int32_t scale;
	int32_t offset;		/* index of buckets[0] */
	uint32_t n, cap;	/* in use, allocated */
	uint64_t zeros;
	uint64_t *buckets;
};

/* *room: bytes that may still be allocated, reduced by what is. -ENOMEM when a first few do not fit. */
int exphist_init(struct exphist *h, int32_t scale_max, size_t *room);
void exphist_release(struct exphist *h, size_t *room);
/* Empty again, at scale_max; memory stays. */
void exphist_reset(struct exphist *h, int32_t scale_max);

/* Adds a finite value >= 0, n times. Without room for more buckets the resolution goes down instead. */
void exphist_add(struct exphist *h, double v, uint64_t n, size_t *room);
void exphist_merge(struct exphist *h, const struct exphist *from, size_t *room);

/* The bucket of v > 0 at that scale. */
int32_t exphist_index(double v, int32_t scale);

#endif
