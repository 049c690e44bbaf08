/* SPDX-License-Identifier: Apache-2.0 */
/* What a histogram series accumulates: count, sum, extremes, explicit buckets and, unless switched off,
 * the exponential histogram. Both are filled from the values themselves, so both are exact. */
#ifndef SONDE_METRICS_DISTRIBUTION_H
#define SONDE_METRICS_DISTRIBUTION_H

#include "metrics/exphist.h"
#include "metrics/explicit.h"
#include "metrics/metrics.h"

/* How a metric's values are binned; the same for all of its series. */
struct binning {
	const struct bounds *bounds;
	int32_t scale_max;
	bool explicit_only;
};

struct distribution {
	uint64_t count;
	double sum, min, max;	/* min and max: NAN unknown */
	uint64_t counts[EXPLICIT_BOUNDS_MAX + 1];
	struct exphist exp;
};

int distribution_init(struct distribution *d, const struct binning *b, size_t *room);
void distribution_release(struct distribution *d, size_t *room);
void distribution_reset(struct distribution *d, const struct binning *b);
/* n values v >= 0; others are ignored. */
void distribution_add(struct distribution *d, const struct binning *b, double v, uint64_t n, size_t *room);
/* n values of which only the bin is known, v stands for it; their sum is added apart. */
void distribution_add_binned(struct distribution *d, const struct binning *b, double v, uint64_t n,
			     size_t *room);
void distribution_merge(struct distribution *d, const struct binning *b, const struct distribution *from,
			size_t *room);
/* A view, valid until d changes. */
struct histogram distribution_view(const struct distribution *d, const struct binning *b);

#endif
