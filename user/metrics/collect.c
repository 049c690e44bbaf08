/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_collect(): series as data points, intervals of delta temporality, departures of services. */
#include "metrics/series.h"

/* A reader that stopped reading does not keep gone services for ever. */
#define DEPARTURE_MAX_NS (600 * NSEC_PER_SEC)

struct collection {
	struct metrics *m;
	bool delta, reset;
	uint64_t now_unix_ns;
};

static struct histogram series_histogram(struct metrics *m, const struct series *s, bool delta)
{
	const struct binning *b = &s->metric->binning;

	if (!m->opt.delta || delta)
		return distribution_view(&s->now, b);
	distribution_reset(&m->scratch, b);
	distribution_merge(&m->scratch, b, &s->before, &m->scratch_room);
	distribution_merge(&m->scratch, b, &s->now, &m->scratch_room);
	return distribution_view(&m->scratch, b);
}

/* A push gets each exemplar once; a scrape gets the latest ones each time. */
static void point_exemplars(struct metric_point *p, const struct series *s, bool push)
{
	for (size_t i = 0; i < EXEMPLARS_MAX; i++)
		if (trace_id_is_set(&s->exemplars[i].e.trace) && !(push && s->exemplars[i].collected))
			p->exemplars[p->n_exemplars++] = s->exemplars[i].e;
}

static struct metric_point series_point(const struct collection *c, const struct series *s)
{
	const struct metric_def *def = &s->metric->def;
	uint64_t start = c->delta ? MAX(s->created_unix_ns, c->m->interval_unix_ns) : s->created_unix_ns;
	struct metric_point p = {
		.name = def->name, .unit = def->unit, .help = def->help,
		.type = def->type,
		.delta = c->delta && def->type != METRIC_GAUGE,
		.service = s->service,
		.scope = s->scope,
		.attrs = s->attrs, .n_attrs = s->n_attrs,
		.start_unix_ns = def->type == METRIC_GAUGE ? 0 : start,
		.time_unix_ns = c->now_unix_ns,
		.value = c->delta && def->type == METRIC_COUNTER ? s->value - s->value_before : s->value,
	};

	if (def->type == METRIC_HISTOGRAM)
		p.histogram = series_histogram(c->m, s, c->delta);
	point_exemplars(&p, s, c->reset);
	return p;
}

static void series_end_interval(struct metrics *m, struct series *s)
{
	const struct binning *b = &s->metric->binning;

	for (size_t i = 0; i < EXEMPLARS_MAX; i++)
		s->exemplars[i].collected = true;
	s->value_before = s->value;
	if (!m->opt.delta || s->metric->def.type != METRIC_HISTOGRAM)
		return;
	distribution_merge(&s->before, b, &s->now, &m->room);
	distribution_reset(&s->now, b);
}

/* A reader has seen the last values of gone services; those that all readers have seen leave. */
static void departures(const struct collection *c)
{
	struct metrics *m = c->m;
	uint8_t reader = c->reset ? READER_PUSH : READER_SCRAPE;

	m->readers |= reader;
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		struct departure *d = &m->gone[i];

		if (!d->rounds)
			continue;
		if (!d->since_unix_ns)
			d->since_unix_ns = c->now_unix_ns;
		d->awaits &= (uint8_t)~(reader | READER_ANY);
		if (d->awaits && c->now_unix_ns - d->since_unix_ns < DEPARTURE_MAX_NS)
			continue;
		series_remove_service(m, i);
		d->rounds--;
		d->awaits = m->readers;
	}
}

void metrics_collect(struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns,
		     void (*f)(void *ctx, const struct metric_point *p), void *ctx)
{
	const struct collection c = { m, delta && m->opt.delta, reset, now_unix_ns };

	for (size_t i = 0; i < m->n_metrics; i++)
		for (size_t k = 0; k < m->metrics[i]->n; k++) {
			struct series *s = m->metrics[i]->series[k];
			struct metric_point p = series_point(&c, s);

			/* Nothing was measured in this interval. */
			if (!(c.delta && p.type == METRIC_HISTOGRAM && !p.histogram.count))
				f(ctx, &p);
			if (reset)
				series_end_interval(m, s);
		}
	if (reset)
		m->interval_unix_ns = now_unix_ns;
	departures(&c);
}
