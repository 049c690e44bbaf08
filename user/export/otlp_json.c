/* SPDX-License-Identifier: Apache-2.0 */
/* Spans and metrics as OTLP/JSON: proto3's JSON mapping, but ids in hex; 64-bit integers are strings, enums
 * are numbers (opentelemetry-specification, protocol/otlp, "JSON Protobuf Encoding"). One line each. */
#include <inttypes.h>
#include <math.h>

#include "export/json.h"
#include "export/number.h"
#include "export/otlp_flags.h"
#include "export/points.h"
#include "export/resource.h"
#include "export/scope.h"
#include "export/span_groups.h"

static void put_u64(struct buf *b, const char *name, uint64_t v)
{
	buf_printf(b, "\"%s\":\"%" PRIu64 "\"", name, v);
}

/* Infinities and NaN are strings in proto3's JSON. */
static void put_double(struct buf *b, double v)
{
	if (isfinite(v))
		number_double(b, v);
	else
		buf_str(b, isnan(v) ? STR("\"NaN\"") : v > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
}

static void put_named_double(struct buf *b, const char *name, double v)
{
	buf_printf(b, "\"%s\":", name);
	put_double(b, v);
}

static void put_text(struct buf *b, const char *name, struct str v)
{
	buf_printf(b, "\"%s\":", name);
	json_str(b, v);
}

static void put_id(struct buf *b, const char *name, const void *id, size_t n)
{
	buf_printf(b, "\"%s\":\"", name);
	number_hex(b, id, n);
	buf_char(b, '"');
}

static void put_attr(struct buf *b, const struct attr *a)
{
	buf_str(b, STR("{\"key\":"));
	json_str(b, str_of(a->key));
	buf_str(b, STR(",\"value\":{"));
	switch (a->type) {
	case ATTR_STR:
		put_text(b, "stringValue", a->s);
		break;
	case ATTR_INT:
		buf_printf(b, "\"intValue\":\"%" PRId64 "\"", a->i);
		break;
	case ATTR_DOUBLE:
		put_named_double(b, "doubleValue", a->d);
		break;
	case ATTR_BOOL:
		buf_str(b, a->b ? STR("\"boolValue\":true") : STR("\"boolValue\":false"));
		break;
	}
	buf_str(b, STR("}}"));
}

static void put_attrs(struct buf *b, const struct attr *attrs, uint32_t n, const struct attr *more, uint32_t n_more)
{
	buf_str(b, STR("\"attributes\":["));
	for (uint32_t i = 0; i < n + n_more; i++) {
		json_comma(b, i == 0);
		put_attr(b, i < n ? &attrs[i] : &more[i - n]);
	}
	buf_char(b, ']');
}

/* {"resource":{...},"<scopes>":[ -- the caller adds the scopes and ends with resource_end(). */
static void resource_begin(struct buf *b, struct resources *r, uint32_t service, const char *scopes)
{
	struct resource res;

	resource_load(&res, r, service);
	buf_str(b, STR("{\"resource\":{"));
	put_attrs(b, res.attrs, res.n, NULL, 0);
	buf_printf(b, "},\"%s\":[", scopes);
}

static void scope_begin(struct buf *b, const char *protocol, const char *items)
{
	char name[SCOPE_NAME_MAX];

	buf_str(b, STR("{\"scope\":{"));
	put_text(b, "name", scope_name(name, protocol));
	buf_printf(b, ",\"version\":\"%s\"},\"%s\":[", SONDE_VERSION, items);
}

/* Ends a list of scopes or of items, then the object that it is in. */
static void list_end(struct buf *b)
{
	buf_str(b, STR("],\"schemaUrl\":\"" SEMCONV_SCHEMA_URL "\"}"));
}

/* ---- spans ---- */

static void put_links(struct buf *b, const struct span *sp)
{
	struct attr attrs[2];

	if (!sp->n_links)
		return;
	buf_str(b, STR(",\"links\":["));
	for (uint32_t i = 0; i < sp->n_links; i++) {
		const struct span_link *l = &sp->links[i];

		json_comma(b, i == 0);
		buf_char(b, '{');
		put_id(b, "traceId", &l->trace, sizeof(l->trace));
		buf_char(b, ',');
		put_id(b, "spanId", &l->span, sizeof(l->span));
		buf_char(b, ',');
		put_attrs(b, attrs, link_attrs(attrs, l->method, l->confidence), NULL, 0);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void put_status(struct buf *b, const struct span *sp)
{
	buf_str(b, STR(",\"status\":{"));
	if (sp->status != STATUS_UNSET) {
		if (sp->status_message.n) {
			put_text(b, "message", sp->status_message);
			buf_char(b, ',');
		}
		buf_printf(b, "\"code\":%d", sp->status);
	}
	buf_char(b, '}');
}

static void put_ids(struct buf *b, const struct span *sp)
{
	put_id(b, "traceId", &sp->trace, sizeof(sp->trace));
	buf_char(b, ',');
	put_id(b, "spanId", &sp->id, sizeof(sp->id));
	buf_char(b, ',');
	if (span_tracestate(sp).n) {
		put_text(b, "traceState", span_tracestate(sp));
		buf_char(b, ',');
	}
	if (span_id_is_set(&sp->parent)) {
		put_id(b, "parentSpanId", &sp->parent, sizeof(sp->parent));
		buf_char(b, ',');
	}
	buf_printf(b, "\"flags\":%u,", span_flags(sp));
}

static void put_span(struct buf *b, const struct span *sp)
{
	struct attr how[2];
	uint32_t n_how = link_attrs(how, sp->link_method, sp->link_confidence);

	buf_char(b, '{');
	put_ids(b, sp);
	put_text(b, "name", sp->name);
	buf_printf(b, ",\"kind\":%d,", sp->kind);
	put_u64(b, "startTimeUnixNano", sp->start_unix_ns);
	buf_char(b, ',');
	put_u64(b, "endTimeUnixNano", sp->end_unix_ns);
	buf_char(b, ',');
	put_attrs(b, sp->attrs, sp->n_attrs, how, n_how);
	if (sp->dropped_attrs)
		buf_printf(b, ",\"droppedAttributesCount\":%u", sp->dropped_attrs);
	put_links(b, sp);
	put_status(b, sp);
	buf_char(b, '}');
}

static void put_scope_spans(struct buf *b, const struct span_groups *gs, const struct span_group *g,
			    struct span *const *spans)
{
	scope_begin(b, g->protocol, "spans");
	for (uint32_t i = g->first; i != SPAN_NONE; i = gs->next[i]) {
		json_comma(b, i == g->first);
		put_span(b, spans[i]);
	}
	list_end(b);
}

int otlp_json_spans(struct buf *out, struct span *const *spans, size_t n, struct resources *r)
{
	_cleanup_(span_groups_release) struct span_groups gs = { 0 };
	int err = span_groups_make(&gs, spans, n);

	if (err)
		return err;
	buf_str(out, STR("{\"resourceSpans\":["));
	for (uint32_t i = 0; i < gs.n;) {
		uint32_t first = i, service = gs.groups[i].service;

		json_comma(out, first == 0);
		resource_begin(out, r, service, "scopeSpans");
		for (; i < gs.n && gs.groups[i].service == service; i++) {
			json_comma(out, i == first);
			put_scope_spans(out, &gs, &gs.groups[i], spans);
		}
		list_end(out);
	}
	buf_str(out, STR("]}\n"));
	return out->failed ? -ENOMEM : 0;
}

/* ---- metrics ---- */

static void put_exemplars(struct buf *b, const struct metric_point *p)
{
	if (!p->n_exemplars)
		return;
	buf_str(b, STR(",\"exemplars\":["));
	for (uint32_t i = 0; i < p->n_exemplars; i++) {
		const struct exemplar *e = &p->exemplars[i];

		json_comma(b, i == 0);
		buf_char(b, '{');
		put_u64(b, "timeUnixNano", e->time_unix_ns);
		buf_char(b, ',');
		put_named_double(b, "asDouble", e->value);
		buf_char(b, ',');
		put_id(b, "spanId", &e->span, sizeof(e->span));
		buf_char(b, ',');
		put_id(b, "traceId", &e->trace, sizeof(e->trace));
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void put_u64s(struct buf *b, const uint64_t *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf_printf(b, i ? ",\"%" PRIu64 "\"" : "\"%" PRIu64 "\"", v[i]);
}

static void put_exponential(struct buf *b, const struct histogram *h)
{
	buf_printf(b, ",\"scale\":%d,", h->scale);
	put_u64(b, "zeroCount", h->zero_count);
	if (!h->n_exp)
		return;
	buf_printf(b, ",\"positive\":{\"offset\":%d,\"bucketCounts\":[", h->offset);
	put_u64s(b, h->exp, h->n_exp);
	buf_str(b, STR("]}"));
}

static void put_explicit(struct buf *b, const struct histogram *h)
{
	buf_str(b, STR(",\"bucketCounts\":["));
	put_u64s(b, h->counts, h->n_bounds + 1);
	buf_str(b, STR("],\"explicitBounds\":["));
	for (uint32_t i = 0; i < h->n_bounds; i++) {
		json_comma(b, i == 0);
		put_double(b, h->bounds[i]);
	}
	buf_char(b, ']');
}

static void put_histogram(struct buf *b, const struct histogram *h)
{
	put_u64(b, "count", h->count);
	buf_char(b, ',');
	put_named_double(b, "sum", h->sum);
	if (!isnan(h->min)) {
		buf_char(b, ',');
		put_named_double(b, "min", h->min);
	}
	if (!isnan(h->max)) {
		buf_char(b, ',');
		put_named_double(b, "max", h->max);
	}
	if (h->exp)
		put_exponential(b, h);
	else
		put_explicit(b, h);
}

static void encode_point(struct buf *b, const struct metric_point *p)
{
	buf_char(b, '{');
	put_attrs(b, p->attrs, p->n_attrs, NULL, 0);
	buf_char(b, ',');
	if (p->start_unix_ns) {
		put_u64(b, "startTimeUnixNano", p->start_unix_ns);
		buf_char(b, ',');
	}
	put_u64(b, "timeUnixNano", p->time_unix_ns);
	buf_char(b, ',');
	if (p->type == METRIC_HISTOGRAM)
		put_histogram(b, &p->histogram);
	else
		put_named_double(b, "asDouble", p->value);
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
	put_text(b, "name", str_of(p->name));
	buf_char(b, ',');
	put_text(b, "description", str_of(p->help));
	buf_char(b, ',');
	put_text(b, "unit", str_of(p->unit));
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
	scope_begin(b, ps->points[from].scope, "metrics");
	for (size_t i = from, end; i < to; i = end) {
		end = points_same_metric(ps, i, to);
		json_comma(b, i == from);
		put_metric(b, ps, i, end);
	}
	list_end(b);
}

static void put_resource_metrics(struct buf *b, const struct points *ps, size_t from, size_t to,
				 struct resources *r)
{
	resource_begin(b, r, ps->points[from].service, "scopeMetrics");
	for (size_t i = from, end; i < to; i = end) {
		end = points_same_scope(ps, i, to);
		json_comma(b, i == from);
		put_scope_metrics(b, ps, i, end);
	}
	list_end(b);
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
