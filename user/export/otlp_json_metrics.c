/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as OTLP/JSON, one line. */
#include <inttypes.h>
#include <math.h>

#include "export/otlp_json.h"
#include "export/points.h"

static void put_exemplars(struct buf *b, const struct metric_point *p)
{
	if (!p->n_exemplars)
		return;
	buf_str(b, STR(",\"exemplars\":["));
	for (uint32_t i = 0; i < p->n_exemplars; i++) {
		const struct exemplar *e = &p->exemplars[i];

		json_comma(b, i == 0);
		buf_char(b, '{');
		json_u64(b, "timeUnixNano", e->time_unix_ns);
		buf_char(b, ',');
		json_named_double(b, "asDouble", e->value);
		buf_char(b, ',');
		json_id(b, "spanId", &e->span, sizeof(e->span));
		buf_char(b, ',');
		json_id(b, "traceId", &e->trace, sizeof(e->trace));
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void json_u64s(struct buf *b, const uint64_t *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf_printf(b, i ? ",\"%" PRIu64 "\"" : "\"%" PRIu64 "\"", v[i]);
}

static void put_exponential(struct buf *b, const struct histogram *h)
{
	buf_printf(b, ",\"scale\":%d,", h->scale);
	json_u64(b, "zeroCount", h->zero_count);
	if (!h->n_exp)
		return;
	buf_printf(b, ",\"positive\":{\"offset\":%d,\"bucketCounts\":[", h->offset);
	json_u64s(b, h->exp, h->n_exp);
	buf_str(b, STR("]}"));
}

static void put_explicit(struct buf *b, const struct histogram *h)
{
	buf_str(b, STR(",\"bucketCounts\":["));
	json_u64s(b, h->counts, h->n_bounds + 1);
	buf_str(b, STR("],\"explicitBounds\":["));
	for (uint32_t i = 0; i < h->n_bounds; i++) {
		json_comma(b, i == 0);
		json_double(b, h->bounds[i]);
	}
	buf_char(b, ']');
}

static void put_histogram(struct buf *b, const struct histogram *h)
{
	json_u64(b, "count", h->count);
	buf_char(b, ',');
	json_named_double(b, "sum", h->sum);
	if (!isnan(h->min)) {
		buf_char(b, ',');
		json_named_double(b, "min", h->min);
	}
	if (!isnan(h->max)) {
		buf_char(b, ',');
		json_named_double(b, "max", h->max);
	}
	if (h->exp)
		put_exponential(b, h);
	else
		put_explicit(b, h);
}

static void encode_point(struct buf *b, const struct metric_point *p)
{
	buf_char(b, '{');
	json_attrs(b, p->attrs, p->n_attrs, NULL, 0);
	buf_char(b, ',');
	if (p->start_unix_ns) {
		json_u64(b, "startTimeUnixNano", p->start_unix_ns);
		buf_char(b, ',');
	}
	json_u64(b, "timeUnixNano", p->time_unix_ns);
	buf_char(b, ',');
	if (p->type == METRIC_HISTOGRAM)
		put_histogram(b, &p->histogram);
	else
		json_named_double(b, "asDouble", p->value);
	put_exemplars(b, p);
	buf_char(b, '}');
}

static const char *data_name(const struct point *p)
{
	static const char *const names[] = {
		[METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "sum", [METRIC_HISTOGRAM] = "histogram"
	};

	return p->exponential ? "exponentialHistogram" : names[p->type];
}

static void put_metric(struct buf *b, const struct points *ps, size_t from, size_t to)
{
	const struct point *p = &ps->points[from];

	buf_char(b, '{');
	json_text(b, "name", str_of(p->name));
	buf_char(b, ',');
	json_text(b, "description", str_of(p->help));
	buf_char(b, ',');
	json_text(b, "unit", str_of(p->unit));
	buf_printf(b, ",\"%s\":{\"dataPoints\":[", data_name(p));
	for (size_t i = from; i < to; i++) {
		json_comma(b, i == from);
		buf_add(b, ps->bytes.p + ps->points[i].offset, ps->points[i].n);
	}
	buf_char(b, ']');
	if (p->type != METRIC_GAUGE)
		buf_printf(b, ",\"aggregationTemporality\":%d", p->delta ? 1 : 2);
	if (p->type == METRIC_COUNTER)
		buf_str(b, STR(",\"isMonotonic\":true"));
	buf_str(b, STR("}}"));
}

static void put_scope_metrics(struct buf *b, const struct points *ps, size_t from, size_t to)
{
	json_scope_begin(b, ps->points[from].scope, "metrics");
	for (size_t i = from, end; i < to; i = end) {
		end = points_same_metric(ps, i, to);
		json_comma(b, i == from);
		put_metric(b, ps, i, end);
	}
	json_list_end(b);
}

static void put_resource_metrics(struct buf *b, const struct points *ps, size_t from, size_t to,
				 struct resources *r)
{
	json_resource_begin(b, r, ps->points[from].service, "scopeMetrics");
	for (size_t i = from, end; i < to; i = end) {
		end = points_same_scope(ps, i, to);
		json_comma(b, i == from);
		put_scope_metrics(b, ps, i, end);
	}
	json_list_end(b);
}

int otlp_json_metrics(struct buf *out, struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns,
		      struct resources *r)
{
	_cleanup_(points_release) struct points ps = { 0 };
	int err = points_collect(&ps, m, delta, reset, now_unix_ns, encode_point);

	if (err)
		return err;
	buf_str(out, STR("{\"resourceMetrics\":["));
	for (size_t i = 0, end; i < ps.n; i = end) {
		end = points_same_service(&ps, i, ps.n);
		json_comma(out, i == 0);
		put_resource_metrics(out, &ps, i, end, r);
	}
	buf_str(out, STR("]}\n"));
	return out->failed ? -ENOMEM : 0;
}
