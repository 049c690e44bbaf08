/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as OTLP ExportMetricsServiceRequests, written backwards (pb.h), none larger than asked for.
 * Field numbers: opentelemetry-proto, metrics/v1/metrics.proto. */
#include <math.h>

#include "export/otlp_pb.h"
#include "export/points.h"

enum { REQUEST_RESOURCE_METRICS = 1 };
enum { RESOURCE_METRICS_RESOURCE = 1, RESOURCE_METRICS_SCOPES = 2, RESOURCE_METRICS_SCHEMA_URL = 3 };
enum { SCOPE_METRICS_SCOPE = 1, SCOPE_METRICS_METRICS = 2, SCOPE_METRICS_SCHEMA_URL = 3 };
enum {
	METRIC_NAME = 1, METRIC_DESCRIPTION = 2, METRIC_UNIT = 3,
	METRIC_DATA_GAUGE = 5, METRIC_DATA_SUM = 7, METRIC_DATA_HISTOGRAM = 9, METRIC_DATA_EXPONENTIAL = 10
};
enum { DATA_POINTS = 1, DATA_TEMPORALITY = 2, DATA_MONOTONIC = 3 };
enum { TEMPORALITY_DELTA = 1, TEMPORALITY_CUMULATIVE = 2 };
enum { NUMBER_START = 2, NUMBER_TIME = 3, NUMBER_DOUBLE = 4, NUMBER_EXEMPLARS = 5, NUMBER_ATTRIBUTES = 7 };
enum {
	HISTOGRAM_START = 2, HISTOGRAM_TIME, HISTOGRAM_COUNT, HISTOGRAM_SUM, HISTOGRAM_COUNTS, HISTOGRAM_BOUNDS,
	HISTOGRAM_EXEMPLARS, HISTOGRAM_ATTRIBUTES, HISTOGRAM_MIN = 11, HISTOGRAM_MAX
};
enum {
	EXPONENTIAL_ATTRIBUTES = 1, EXPONENTIAL_START, EXPONENTIAL_TIME, EXPONENTIAL_COUNT, EXPONENTIAL_SUM,
	EXPONENTIAL_SCALE, EXPONENTIAL_ZEROS, EXPONENTIAL_POSITIVE, EXPONENTIAL_EXEMPLARS = 11,
	EXPONENTIAL_MIN, EXPONENTIAL_MAX
};
enum { BUCKETS_OFFSET = 1, BUCKETS_COUNTS = 2 };
enum { EXEMPLAR_TIME = 2, EXEMPLAR_DOUBLE = 3, EXEMPLAR_SPAN_ID = 4, EXEMPLAR_TRACE_ID = 5 };

/* What a resource's, scope's and metric's own fields may take at most, for the size of a request. */
#define RESOURCE_BYTES 8192
#define METRIC_BYTES 1024

/* ---- one data point ---- */

static void put_exemplars(struct pb *w, uint32_t field, const struct metric_point *p)
{
	for (uint32_t i = p->n_exemplars; i-- > 0;) {
		const struct exemplar *e = &p->exemplars[i];
		size_t mark = pb_mark(w);

		pb_bytes(w, EXEMPLAR_TRACE_ID, &e->trace, sizeof(e->trace));
		pb_bytes(w, EXEMPLAR_SPAN_ID, &e->span, sizeof(e->span));
		pb_double(w, EXEMPLAR_DOUBLE, e->value);
		pb_fixed64(w, EXEMPLAR_TIME, e->time_unix_ns);
		pb_message(w, field, mark);
	}
}

static void put_extremes(struct pb *w, uint32_t min, uint32_t max, const struct histogram *h)
{
	if (!isnan(h->max))
		pb_double(w, max, h->max);
	if (!isnan(h->min))
		pb_double(w, min, h->min);
}

static void put_number(struct pb *w, const struct metric_point *p)
{
	pb_attrs(w, NUMBER_ATTRIBUTES, p->attrs, p->n_attrs);
	put_exemplars(w, NUMBER_EXEMPLARS, p);
	pb_double(w, NUMBER_DOUBLE, p->value);
	pb_fixed64(w, NUMBER_TIME, p->time_unix_ns);
	if (p->start_unix_ns)
		pb_fixed64(w, NUMBER_START, p->start_unix_ns);
}

static void put_histogram(struct pb *w, const struct metric_point *p)
{
	const struct histogram *h = &p->histogram;

	put_extremes(w, HISTOGRAM_MIN, HISTOGRAM_MAX, h);
	pb_attrs(w, HISTOGRAM_ATTRIBUTES, p->attrs, p->n_attrs);
	put_exemplars(w, HISTOGRAM_EXEMPLARS, p);
	pb_bytes(w, HISTOGRAM_BOUNDS, h->bounds, h->n_bounds * sizeof(*h->bounds));
	pb_bytes(w, HISTOGRAM_COUNTS, h->counts, (h->n_bounds + 1) * sizeof(*h->counts));
	pb_double(w, HISTOGRAM_SUM, h->sum);
	pb_fixed64(w, HISTOGRAM_COUNT, h->count);
	pb_fixed64(w, HISTOGRAM_TIME, p->time_unix_ns);
	pb_fixed64(w, HISTOGRAM_START, p->start_unix_ns);
}

static void put_buckets(struct pb *w, const struct histogram *h)
{
	size_t mark = pb_mark(w);

	if (!h->n_exp)
		return;
	for (uint32_t i = h->n_exp; i-- > 0;)
		pb_varint(w, h->exp[i]);
	pb_message(w, BUCKETS_COUNTS, mark);
	pb_sint(w, BUCKETS_OFFSET, h->offset);
	pb_message(w, EXPONENTIAL_POSITIVE, mark);
}

static void put_exponential(struct pb *w, const struct metric_point *p)
{
	const struct histogram *h = &p->histogram;

	put_extremes(w, EXPONENTIAL_MIN, EXPONENTIAL_MAX, h);
	put_exemplars(w, EXPONENTIAL_EXEMPLARS, p);
	put_buckets(w, h);
	pb_fixed64(w, EXPONENTIAL_ZEROS, h->zero_count);
	pb_sint(w, EXPONENTIAL_SCALE, h->scale);
	pb_double(w, EXPONENTIAL_SUM, h->sum);
	pb_fixed64(w, EXPONENTIAL_COUNT, h->count);
	pb_fixed64(w, EXPONENTIAL_TIME, p->time_unix_ns);
	pb_fixed64(w, EXPONENTIAL_START, p->start_unix_ns);
	pb_attrs(w, EXPONENTIAL_ATTRIBUTES, p->attrs, p->n_attrs);
}

static void encode_point(struct buf *out, const struct metric_point *p)
{
	struct pb w;

	pb_begin(&w, out);
	if (p->type != METRIC_HISTOGRAM)
		put_number(&w, p);
	else if (p->histogram.exp)
		put_exponential(&w, p);
	else
		put_histogram(&w, p);
	pb_end(&w);
}

/* ---- requests ---- */

static uint32_t data_field(const struct point *p)
{
	static const uint32_t fields[] = {
		[METRIC_GAUGE] = METRIC_DATA_GAUGE,
		[METRIC_COUNTER] = METRIC_DATA_SUM,
		[METRIC_HISTOGRAM] = METRIC_DATA_HISTOGRAM,
	};

	return p->exponential ? METRIC_DATA_EXPONENTIAL : fields[p->type];
}

static void put_metric(struct pb *w, const struct points *ps, size_t from, size_t to)
{
	const struct point *p = &ps->points[from];
	size_t mark = pb_mark(w);

	if (p->type == METRIC_COUNTER)
		pb_uint(w, DATA_MONOTONIC, 1);
	if (p->type != METRIC_GAUGE)
		pb_uint(w, DATA_TEMPORALITY, p->delta ? TEMPORALITY_DELTA : TEMPORALITY_CUMULATIVE);
	for (size_t i = from; i < to; i++)
		pb_bytes(w, DATA_POINTS, ps->bytes.p + ps->points[i].offset, ps->points[i].n);
	pb_message(w, data_field(p), mark);
	pb_string(w, METRIC_UNIT, str_of(p->unit));
	pb_string(w, METRIC_DESCRIPTION, str_of(p->help));
	pb_string(w, METRIC_NAME, str_of(p->name));
	pb_message(w, SCOPE_METRICS_METRICS, mark);
}

static void put_scope_metrics(struct pb *w, const struct points *ps, size_t from, size_t to)
{
	size_t mark = pb_mark(w);

	pb_schema_url(w, SCOPE_METRICS_SCHEMA_URL);
	for (size_t i = from, end; i < to; i = end) {
		end = points_same_metric(ps, i, to);
		put_metric(w, ps, i, end);
	}
	pb_scope(w, SCOPE_METRICS_SCOPE, ps->points[from].scope);
	pb_message(w, RESOURCE_METRICS_SCOPES, mark);
}

static void put_resource_metrics(struct pb *w, const struct points *ps, size_t from, size_t to,
				 struct resources *r)
{
	size_t mark = pb_mark(w);

	pb_schema_url(w, RESOURCE_METRICS_SCHEMA_URL);
	for (size_t i = from, end; i < to; i = end) {
		end = points_same_scope(ps, i, to);
		put_scope_metrics(w, ps, i, end);
	}
	pb_resource(w, RESOURCE_METRICS_RESOURCE, r, ps->points[from].service);
	pb_message(w, REQUEST_RESOURCE_METRICS, mark);
}

static void put_request(struct buf *out, const struct points *ps, size_t from, size_t to, struct resources *r)
{
	struct pb w;

	pb_begin(&w, out);
	for (size_t i = from, end; i < to; i = end) {
		end = points_same_service(ps, i, to);
		put_resource_metrics(&w, ps, i, end, r);
	}
	pb_end(&w);
}

/* At most this much point i adds behind point i - 1 of the same request. */
static size_t point_bytes(const struct points *ps, size_t i, bool first)
{
	size_t bytes = ps->points[i].n + 2 * sizeof(uint64_t);

	if (first || points_same_service(ps, i - 1, i + 1) == i)
		bytes += RESOURCE_BYTES;
	if (first || points_same_metric(ps, i - 1, i + 1) == i)
		bytes += METRIC_BYTES;
	return bytes;
}

/* How many points from `from` on make one request; at least one. */
static size_t request_end(const struct points *ps, size_t from, size_t max_bytes)
{
	size_t bytes = point_bytes(ps, from, true), i = from + 1;

	for (; i < ps->n; i++) {
		bytes += point_bytes(ps, i, false);
		if (bytes > max_bytes)
			break;
	}
	return i;
}

int otlp_encode_metrics(struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns, struct resources *r,
			size_t max_bytes, void (*f)(void *ctx, const struct buf *request, uint32_t points),
			void *ctx)
{
	_cleanup_(points_release) struct points ps = { 0 };
	_cleanup_(buf_release) struct buf out = { 0 };
	int err = points_collect(&ps, m, delta, reset, now_unix_ns, encode_point);

	for (size_t i = 0, end; !err && i < ps.n; i = end) {
		end = request_end(&ps, i, max_bytes);
		buf_clear(&out);
		put_request(&out, &ps, i, end, r);
		if (out.failed)
			return -ENOMEM;
		f(ctx, &out, (uint32_t)(end - i));
	}
	return err;
}
