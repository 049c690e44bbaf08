/* SPDX-License-Identifier: Apache-2.0 */
/* distribution.h: adding, merging, viewing. */
#include "metrics/distribution.h"

#include <math.h>

int distribution_init(struct distribution *d, const struct binning *b, size_t *room)
{
	*d = (struct distribution){ .min = NAN, .max = NAN };
	return b->explicit_only ? 0 : exphist_init(&d->exp, b->scale_max, room);
}

void distribution_release(struct distribution *d, size_t *room)
{
	exphist_release(&d->exp, room);
}

void distribution_reset(struct distribution *d, const struct binning *b)
{
	struct exphist exp = d->exp;

	if (!b->explicit_only)
		exphist_reset(&exp, b->scale_max);
	*d = (struct distribution){ .min = NAN, .max = NAN, .exp = exp };
}

void distribution_add_binned(struct distribution *d, const struct binning *b, double v, uint64_t n,
			     size_t *room)
{
	d->count += n;
	d->counts[bounds_bucket(b->bounds, v)] += n;
	if (!b->explicit_only)
		exphist_add(&d->exp, v, n, room);
}

void distribution_add(struct distribution *d, const struct binning *b, double v, uint64_t n, size_t *room)
{
	if (!(v >= 0) || isinf(v) || !n)
		return;
	d->sum += v * (double)n;
	if (!(d->min <= v))	/* NAN: not known yet */
		d->min = v;
	if (!(d->max >= v))
		d->max = v;
	distribution_add_binned(d, b, v, n, room);
}

void distribution_merge(struct distribution *d, const struct binning *b, const struct distribution *from,
			size_t *room)
{
	d->count += from->count;
	d->sum += from->sum;
	d->min = fmin(d->min, from->min);
	d->max = fmax(d->max, from->max);
	for (uint32_t i = 0; i <= b->bounds->n; i++)
		d->counts[i] += from->counts[i];
	if (!b->explicit_only)
		exphist_merge(&d->exp, &from->exp, room);
}

struct histogram distribution_view(const struct distribution *d, const struct binning *b)
{
	return (struct histogram){
		.count = d->count,
		.sum = d->sum,
		.min = d->min,
		.max = d->max,
		.scale = d->exp.scale,
		.offset = d->exp.offset,
		.n_exp = d->exp.n,
		.zero_count = d->exp.zeros,
		.exp = d->exp.buckets,
		.bounds = b->bounds->upper,
		.n_bounds = b->bounds->n,
		.counts = d->counts,
	};
}
