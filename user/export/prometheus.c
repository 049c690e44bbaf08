/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as Prometheus' text format 0.0.4 or OpenMetrics 1.0: what a scrape gets. Every series has the
 * labels job and instance of its service, whose other facts are in target_info.
 * Sources: prometheus.io "Exposition formats"; OpenMetrics 1.0; opentelemetry-specification,
 * compatibility/prometheus_and_openmetrics. */
#include <inttypes.h>
#include <math.h>

#include "export/number.h"
#include "export/prometheus_name.h"
#include "export/resource.h"
#include "export/scope.h"

struct scrape {
	struct buf *out;
	struct resources *resources;
	bool openmetrics;
	const char *metric;		/* the family under way, as the registry names it */
	struct buf name;		/* and as Prometheus does */
	uint32_t service;		/* whose labels `target` has */
	struct buf target;		/* job="...",instance="..." */
	struct buf labels;		/* all labels of the point under way: every bucket has them */
	bool seen[SERVICES_MAX];	/* has series: needs a target_info */
};

/* ---- labels ---- */

static void put_escaped(struct buf *b, struct str s, bool quotes)
{
	while (s.n) {
		size_t n = utf8_length(s);

		if (!n)
			buf_str(b, UTF8_REPLACEMENT);
		else if (*s.p == '\n')
			buf_str(b, STR("\\n"));
		else if (*s.p == '\\' || (quotes && *s.p == '"'))
			buf_add(b, (char[]){ '\\', *s.p }, 2);
		else
			buf_add(b, s.p, n);
		str_skip(&s, n ? n : 1);
	}
}

static void put_value(struct buf *b, const struct attr *a)
{
	switch (a->type) {
	case ATTR_STR:
		put_escaped(b, a->s, true);
		break;
	case ATTR_INT:
		buf_printf(b, "%" PRId64, a->i);
		break;
	case ATTR_DOUBLE:
		number_double(b, a->d);
		break;
	case ATTR_BOOL:
		buf_str(b, a->b ? STR("true") : STR("false"));
		break;
	}
}

static void put_label(struct buf *b, const char *name, struct str v)
{
	buf_printf(b, "%s=\"", name);
	put_escaped(b, v, true);
	buf_char(b, '"');
}

/* Another attribute before it, or a label of ours, has the label of attrs[n]: a label that comes twice makes
 * Prometheus refuse the whole scrape. */
static bool label_taken(const struct attr *attrs, uint32_t n)
{
	static const char *const ours[] = { "job", "instance", "otel_scope_name", "le" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (prometheus_label_eq(ours[i], attrs[n].key))
			return true;
	for (uint32_t i = 0; i < n; i++)
		if (prometheus_label_eq(attrs[i].key, attrs[n].key))
			return true;
	return false;
}

/* ,name="value" for each; keys that become the same label share it, their values joined by ";". */
static void put_attrs(struct buf *b, const struct attr *attrs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (label_taken(attrs, i))
			continue;
		buf_char(b, ',');
		prometheus_label(b, attrs[i].key);
		buf_str(b, STR("=\""));
		put_value(b, &attrs[i]);
		for (uint32_t k = i + 1; k < n; k++)
			if (prometheus_label_eq(attrs[i].key, attrs[k].key)) {
				buf_char(b, ';');
				put_value(b, &attrs[k]);
			}
		buf_char(b, '"');
	}
}

static void put_target(struct buf *b, const struct resource *res)
{
	const struct service *s = &res->service;

	buf_str(b, STR("job=\""));
	if (*s->namespace_) {
		put_escaped(b, str_of(s->namespace_), true);
		buf_char(b, '/');
	}
	put_escaped(b, *s->name ? str_of(s->name) : STR("unknown_service"), true);
	buf_str(b, STR("\","));
	put_label(b, "instance", str_of(s->instance_id));
}

static void load_target(struct scrape *c, uint32_t service)
{
	struct resource res;

	if (c->target.n && c->service == service)
		return;
	buf_clear(&c->target);
	c->service = service;
	resource_load(&res, c->resources, service);
	put_target(&c->target, &res);
}

/* ---- samples ---- */

/* Infinities and NaN have their names; OpenMetrics wants a fraction in the value of `le`. */
static void put_number(struct buf *b, double v, bool fraction)
{
	size_t start = b->n;

	if (isnan(v)) {
		buf_str(b, STR("NaN"));
	} else if (isinf(v)) {
		buf_str(b, v > 0 ? STR("+Inf") : STR("-Inf"));
	} else {
		number_double(b, v);
		if (fraction && !b->failed && !memchr(b->p + start, '.', b->n - start) &&
		    !memchr(b->p + start, 'e', b->n - start))
			buf_str(b, STR(".0"));
	}
}

static void load_labels(struct scrape *c, const struct metric_point *p)
{
	char scope[SCOPE_NAME_MAX];

	load_target(c, p->service);
	buf_clear(&c->labels);
	buf_add(&c->labels, c->target.p, c->target.n);
	buf_char(&c->labels, ',');
	put_label(&c->labels, "otel_scope_name", scope_name(scope, p->scope));
	put_attrs(&c->labels, p->attrs, p->n_attrs);
}

/* name_suffix{labels -- without the closing brace. */
static void put_series(struct scrape *c, struct str suffix)
{
	buf_add(c->out, c->name.p, c->name.n);
	buf_str(c->out, suffix);
	buf_char(c->out, '{');
	buf_add(c->out, c->labels.p, c->labels.n);
}

static void put_sample(struct scrape *c, struct str suffix, double v)
{
	put_series(c, suffix);
	buf_str(c->out, STR("} "));
	put_number(c->out, v, false);
	buf_char(c->out, '\n');
}

/* The exemplar of the bucket (lower, upper]: OpenMetrics only. */
static void put_exemplar(struct buf *b, const struct metric_point *p, double lower, double upper)
{
	for (uint32_t i = 0; i < p->n_exemplars; i++) {
		const struct exemplar *e = &p->exemplars[i];

		if (!(e->value > lower && e->value <= upper))
			continue;
		buf_str(b, STR(" # {trace_id=\""));
		number_hex(b, &e->trace, sizeof(e->trace));
		buf_str(b, STR("\",span_id=\""));
		number_hex(b, &e->span, sizeof(e->span));
		buf_str(b, STR("\"} "));
		number_double(b, e->value);
		buf_printf(b, " %" PRIu64 ".%03" PRIu64, (uint64_t)(e->time_unix_ns / NSEC_PER_SEC),
			   (uint64_t)(e->time_unix_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
		return;
	}
}

static void put_bucket(struct scrape *c, const struct metric_point *p, double lower, double upper,
		       uint64_t count)
{
	put_series(c, STR("_bucket"));
	buf_str(c->out, STR(",le=\""));
	put_number(c->out, upper, c->openmetrics);
	buf_printf(c->out, "\"} %" PRIu64, count);
	if (c->openmetrics)
		put_exemplar(c->out, p, lower, upper);
	buf_char(c->out, '\n');
}

static void put_histogram(struct scrape *c, const struct metric_point *p)
{
	const struct histogram *h = &p->histogram;
	uint64_t count = 0;
	double lower = -INFINITY;

	for (uint32_t i = 0; i <= h->n_bounds; i++) {
		double upper = i < h->n_bounds ? h->bounds[i] : INFINITY;

		count += h->counts[i];
		put_bucket(c, p, lower, upper, count);
		lower = upper;
	}
	put_sample(c, STR("_sum"), h->sum);
	put_sample(c, STR("_count"), (double)h->count);
}

/* ---- families ---- */

static void put_meta(struct scrape *c, const char *what, const char *suffix)
{
	buf_printf(c->out, "# %s ", what);
	buf_add(c->out, c->name.p, c->name.n);
	buf_printf(c->out, "%s ", suffix);
}

/* Text 0.0.4 names a counter's family as its samples, with _total; OpenMetrics without. */
static void begin_family(struct scrape *c, const struct metric_point *p)
{
	static const char *const types[] = {
		[METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_HISTOGRAM] = "histogram"
	};
	const char *unit = prometheus_unit(p->unit, p->type == METRIC_GAUGE);
	const char *suffix = p->type == METRIC_COUNTER && !c->openmetrics ? "_total" : "";

	c->metric = p->name;
	buf_clear(&c->name);
	prometheus_name(&c->name, p->name, unit);
	put_meta(c, "TYPE", suffix);
	buf_printf(c->out, "%s\n", types[p->type]);
	if (c->openmetrics && *unit) {
		put_meta(c, "UNIT", suffix);
		buf_printf(c->out, "%s\n", unit);
	}
	if (p->help && *p->help) {
		put_meta(c, "HELP", suffix);
		put_escaped(c->out, str_of(p->help), c->openmetrics);
		buf_char(c->out, '\n');
	}
}

static void put_point(void *ctx, const struct metric_point *p)
{
	struct scrape *c = ctx;

	if (c->metric != p->name)
		begin_family(c, p);
	load_labels(c, p);
	if (p->service < SERVICES_MAX)
		c->seen[p->service] = true;
	if (p->type == METRIC_HISTOGRAM)
		put_histogram(c, p);
	else
		put_sample(c, p->type == METRIC_COUNTER ? STR("_total") : STR(""), p->value);
}

/* What job and instance already say is left out. */
static bool is_identity(const struct attr *a)
{
	return strcmp(a->key, "service.name") == 0 || strcmp(a->key, "service.namespace") == 0 ||
	       strcmp(a->key, "service.instance.id") == 0;
}

static void put_target_info(struct scrape *c, uint32_t service)
{
	struct resource res;
	uint32_t n = 0;

	resource_load(&res, c->resources, service);
	for (uint32_t i = 0; i < res.n; i++)
		if (!is_identity(&res.attrs[i]))
			res.attrs[n++] = res.attrs[i];
	buf_str(c->out, STR("target_info{"));
	put_target(c->out, &res);
	put_attrs(c->out, res.attrs, n);
	buf_str(c->out, STR("} 1\n"));
}

static void put_target_infos(struct scrape *c)
{
	buf_str(c->out, c->openmetrics ? STR("# TYPE target info\n# HELP target Target metadata\n")
				       : STR("# TYPE target_info gauge\n# HELP target_info Target metadata\n"));
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		if (c->seen[i])
			put_target_info(c, i);
}

int prometheus_encode(struct buf *out, struct metrics *m, struct resources *r, bool openmetrics,
		      uint64_t now_unix_ns)
{
	struct scrape c = { .out = out, .resources = r, .openmetrics = openmetrics };

	metrics_collect(m, false, false, now_unix_ns, put_point, &c);
	put_target_infos(&c);
	if (openmetrics)
		buf_str(out, STR("# EOF\n"));
	if (c.name.failed || c.target.failed || c.labels.failed)
		out->failed = true;
	buf_release(&c.name);
	buf_release(&c.target);
	buf_release(&c.labels);
	return out->failed ? -ENOMEM : 0;
}
