/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h: recording. The series of a span's duration is looked up once; it knows those of the sizes. */
#include "metrics/series.h"

#include <math.h>

/* The span's dimensions, copied side by side. */
static uint32_t span_dimensions(const struct span *sp, struct attr *dims)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sp->n_attrs && n < SERIES_ATTRS_MAX; i++)
		if (sp->attrs[i].dimension)
			dims[n++] = sp->attrs[i];
	return n;
}

/* How many exchanges this one stands for, a whole number; the fraction is kept for the next one. */
static uint64_t series_weight(struct series *s, double weight)
{
	double n;

	if (weight == 1 && s->weight_left == 0)
		return 1;
	s->weight_left += weight;
	n = floor(s->weight_left);
	s->weight_left -= n;
	return (uint64_t)n;
}

static double span_seconds(const struct span *sp)
{
	return (double)sp->duration_ns / NSEC_PER_SEC;
}

static void record_size(struct metrics *m, struct series *duration, enum measure measure, int64_t size,
			uint64_t n, const struct span *sp)
{
	struct metric *metric = m->red[sp->instrument][measure];
	struct series *s = duration->along[measure];

	if (!metric || size < 0)
		return;
	if (!s)
		s = duration->along[measure] = series_get(m, metric, sp->service, duration->scope,
							  duration->attrs, duration->n_attrs);
	if (s)
		distribution_add(&s->now, &metric->binning, (double)size, n, &m->room);
}

void metrics_record(struct metrics *m, struct span *sp)
{
	struct metric *metric = m->red[sp->instrument][MEASURE_DURATION];
	struct attr dims[SERIES_ATTRS_MAX];
	struct series *s;
	uint64_t n;

	if (!metric)
		return;
	s = series_get(m, metric, sp->service, sp->protocol, dims, span_dimensions(sp, dims));
	if (!s)
		return;
	sp->series = s;
	sp->series_epoch = m->epoch;
	n = series_weight(s, sp->weight);
	distribution_add(&s->now, &metric->binning, span_seconds(sp), n, &m->room);
	record_size(m, s, MEASURE_REQUEST_SIZE, sp->request_size, n, sp);
	record_size(m, s, MEASURE_RESPONSE_SIZE, sp->response_size, n, sp);
}

/* Neighbouring buckets have different slots: slow exchanges do not lose theirs to the many fast ones. */
void metrics_exemplar(struct metrics *m, const struct span *sp)
{
	struct metric *metric = m->red[sp->instrument][MEASURE_DURATION];
	struct attr dims[SERIES_ATTRS_MAX];
	struct series *s = sp->series;
	uint32_t bucket;

	if (!metric)
		return;
	if (!s || sp->series_epoch != m->epoch)
		s = series_find(m, metric, sp->service, sp->protocol, dims, span_dimensions(sp, dims));
	if (!s)
		return;
	bucket = bounds_bucket(metric->def.bounds, span_seconds(sp));
	s->exemplars[bucket % EXEMPLARS_MAX] = (struct exemplar_slot){
		.e = { span_seconds(sp), sp->end_unix_ns, sp->trace, sp->id },
	};
}

void metrics_set(struct metrics *m, enum metric_type type, const char *name, const char *unit, const char *help,
		 uint32_t service, const struct attr *attrs, uint32_t n_attrs, double value)
{
	const struct metric_def def = { .name = name, .unit = unit, .help = help, .type = type };
	struct metric *metric = type == METRIC_HISTOGRAM ? NULL : metric_get(m, &def);
	struct series *s = metric ? series_get(m, metric, service, "sonde", attrs, n_attrs) : NULL;

	if (s)
		s->value = value;
}

void metrics_add(struct metrics *m, const char *name, const char *unit, const char *help, uint32_t service,
		 const struct attr *attrs, uint32_t n_attrs, double more)
{
	const struct metric_def def = { .name = name, .unit = unit, .help = help, .type = METRIC_COUNTER };
	struct metric *metric = metric_get(m, &def);
	struct series *s = metric ? series_get(m, metric, service, "sonde", attrs, n_attrs) : NULL;

	if (s)
		s->value += more;
}

void metrics_service_gone(struct metrics *m, uint32_t service)
{
	if (service < SERVICES_MAX)
		m->gone[service] = (struct departure){ m->readers ? m->readers : READER_ANY, 2, 0 };
}

void metrics_service_set(struct metrics *m, uint32_t service)
{
	if (service >= SERVICES_MAX || !m->gone[service].rounds)
		return;
	series_remove_service(m, service);
	m->gone[service] = (struct departure){ 0 };
}

size_t metrics_series(const struct metrics *m)
{
	return m->n_series;
}

uint64_t metrics_overflowed(const struct metrics *m)
{
	return m->overflowed;
}

static size_t table_bytes(const struct hash *h)
{
	return h->slots ? (h->mask + 1) * sizeof(*h->slots) : 0;
}

size_t metrics_memory(const struct metrics *m)
{
	size_t bytes = sizeof(*m) + table_bytes(&m->by_hash) + table_bytes(&m->by_name);

	for (size_t i = 0; i < m->n_metrics; i++)
		bytes += m->metrics[i]->cap * sizeof(*m->metrics[i]->series);
	return bytes + m->opt.memory_max - m->room;
}
