/* SPDX-License-Identifier: Apache-2.0 */
/* points.h: a growing array and one buffer of encoded points. */
#include "export/points.h"

static bool points_reserve(struct points *ps)
{
	size_t cap = MAX(ps->cap * 2, (size_t)64);
	struct point *p;

	if (ps->n < ps->cap)
		return true;
	p = realloc(ps->points, cap * sizeof(*p));
	if (!p)
		return false;
	ps->points = p;
	ps->cap = cap;
	return true;
}

static void points_add(void *ctx, const struct metric_point *p)
{
	struct points *ps = ctx;
	size_t offset = ps->bytes.n;

	if (ps->failed || !points_reserve(ps)) {
		ps->failed = true;
		return;
	}
	ps->encode(&ps->bytes, p);
	ps->points[ps->n] = (struct point){
		.service = p->service, .scope = p->scope ? p->scope : "sonde",
		.name = p->name, .unit = p->unit, .help = p->help, .type = p->type, .delta = p->delta,
		.exponential = p->histogram.exp, .order = (uint32_t)ps->n,
		.offset = offset, .n = ps->bytes.n - offset,
	};
	ps->n++;
}

/* metrics_collect() goes metric by metric, so the order of arrival keeps a metric's points together. */
static int by_place(const void *a, const void *b)
{
	const struct point *x = a, *y = b;
	int scope = x->scope == y->scope ? 0 : strcmp(x->scope, y->scope);

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return scope ? scope : (x->order > y->order) - (x->order < y->order);
}

int points_collect(struct points *ps, struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns,
		   void (*encode)(struct buf *out, const struct metric_point *p))
{
	ps->encode = encode;
	metrics_collect(m, delta, reset, now_unix_ns, points_add, ps);
	if (ps->failed || ps->bytes.failed)
		return -ENOMEM;
	if (ps->n > 1)
		qsort(ps->points, ps->n, sizeof(*ps->points), by_place);
	return 0;
}

void points_release(struct points *ps)
{
	free(ps->points);
	buf_release(&ps->bytes);
}

static bool same_scope(const struct point *a, const struct point *b)
{
	return a->service == b->service && strcmp(a->scope, b->scope) == 0;
}

size_t points_same_service(const struct points *ps, size_t a, size_t end)
{
	size_t i = a;

	while (i < end && ps->points[i].service == ps->points[a].service)
		i++;
	return i;
}

size_t points_same_scope(const struct points *ps, size_t a, size_t end)
{
	size_t i = a;

	while (i < end && same_scope(&ps->points[i], &ps->points[a]))
		i++;
	return i;
}

size_t points_same_metric(const struct points *ps, size_t a, size_t end)
{
	size_t i = a;

	while (i < end && same_scope(&ps->points[i], &ps->points[a]) &&
	       strcmp(ps->points[i].name, ps->points[a].name) == 0)
		i++;
	return i;
}
