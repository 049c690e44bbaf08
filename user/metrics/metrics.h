/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregates what spans, turns and the agent itself measure, bounded in series. Encoders (export/) walk
 * it by metrics_collect(). One thread at a time: the worker's loop owns it. */
#ifndef SONDE_METRICS_METRICS_H
#define SONDE_METRICS_METRICS_H

#include "base/ipc.h"
#include "span/span.h"

struct metrics;

struct metrics_options {
	uint32_t series_max;		/* per metric and service; more: otel.metric.overflow=true */
	bool delta;			/* OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta */
	bool explicit_buckets;		/* OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION */
	size_t memory_max;
};

int metrics_new(struct metrics **out, const struct metrics_options *opt);
void metrics_free(struct metrics *m);

/* Records duration and body sizes of a described exchange under its `dimension` attributes. */
void metrics_record(struct metrics *m, struct span *sp);
/* The span really was exported: it may be an exemplar of the series it was recorded in. */
void metrics_exemplar(struct metrics *m, const struct span *sp);
/* What the kernel's turn histograms grew by; labelled turn, never request latency. */
void metrics_turns(struct metrics *m, const struct ipc_turns *t, const char *protocol);

/* Self metrics and other single values: registered by name once, attributes as attrs. Sets (gauge, or a
 * counter's cumulative value). Series are created on first use; at most 16 attributes are kept. */
enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };
void metrics_set(struct metrics *m, enum metric_type type, const char *name, const char *unit, const char *help,
		 uint32_t service /* 0: the agent's own resource */, const struct attr *attrs, uint32_t n_attrs,
		 double value);

/* Adds to a counter that is registered the same way. */
void metrics_add(struct metrics *m, const char *name, const char *unit, const char *help, uint32_t service,
		 const struct attr *attrs, uint32_t n_attrs, double more);

/* A service is gone: its series leave after the next collection. */
void metrics_service_gone(struct metrics *m, uint32_t service);
/* A service is there: if its number was that of a gone one, what is left of that leaves now. */
void metrics_service_set(struct metrics *m, uint32_t service);

/* ---- what an encoder sees ---- */

#define EXP_BUCKETS_MAX 160	/* of the base-2 exponential histogram, per sign (SDK specification) */
struct exemplar {
	double value;
	uint64_t time_unix_ns;
	struct trace_id trace;	/* not set: none */
	struct span_id span;
};
struct histogram {
	uint64_t count;
	double sum, min, max;	/* min and max: NAN unknown */
	int32_t scale;		/* exponential: OTLP data model, "ExponentialHistogram" */
	int32_t offset;		/* index of exp[0] */
	uint32_t n_exp;
	uint64_t zero_count;
	const uint64_t *exp;	/* NULL: explicit buckets only (explicit_buckets) */
	const double *bounds;	/* explicit: n_bounds upper bounds, counts has n_bounds + 1 */
	uint32_t n_bounds;
	const uint64_t *counts;
};
struct metric_point {
	const char *name, *unit, *help;
	enum metric_type type;
	bool delta;		/* temporality of counters and histograms */
	uint32_t service;	/* number; 0: the agent itself */
	const char *scope;	/* "sonde" or the protocol's name */
	const struct attr *attrs;
	uint32_t n_attrs;
	uint64_t start_unix_ns, time_unix_ns;
	double value;		/* gauge, counter */
	struct histogram histogram;
	struct exemplar exemplars[4];
	uint32_t n_exemplars;
};

/* Calls f for every series, grouped by metric name, then by service. `reset` ends the interval of delta
 * temporality (the exporter's call does; a scrape does not: it always sees cumulative values). */
void metrics_collect(struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns,
		     void (*f)(void *ctx, const struct metric_point *p), void *ctx);

size_t metrics_series(const struct metrics *m);
size_t metrics_memory(const struct metrics *m);
/* Measurements whose attributes were lost to series_max or memory_max, cumulative. */
uint64_t metrics_overflowed(const struct metrics *m);

#endif
