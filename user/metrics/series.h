/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: metrics by name, their series by attributes, all within a number and a memory limit.
 * Only the files of this room see it. */
#ifndef SONDE_METRICS_SERIES_H
#define SONDE_METRICS_SERIES_H

#include "base/hash.h"
#include "metrics/instruments.h"

#define SERIES_ATTRS_MAX 16
#define EXEMPLARS_MAX ARRAY_SIZE(((struct metric_point *)0)->exemplars)
#define ATTR_METRIC_OVERFLOW "otel.metric.overflow"

struct exemplar_slot {
	struct exemplar e;
	bool collected;			/* the exporter has had it */
};

struct series {
	struct series *same_hash;
	struct metric *metric;
	uint64_t hash;
	uint32_t service;
	const char *scope;		/* literal */
	uint64_t created_unix_ns;
	double value, value_before;	/* gauge, counter; value_before: at the last reset */
	double weight_left;		/* fraction of a sampled exchange that is not counted yet */
	struct distribution now;	/* since the last reset with delta temporality, else since created */
	struct distribution before;	/* delta temporality: all up to the last reset */
	struct exemplar_slot exemplars[EXEMPLARS_MAX];
	struct series *along[MEASURE_COUNT];	/* of a duration: same attributes, the exchange's sizes */
	size_t bytes;
	uint32_t n_attrs;
	struct attr attrs[];		/* their strings follow */
};

struct metric {
	struct metric_def def;
	struct binning binning;
	char *names;			/* name, unit, help: copies that def points to, or NULL */
	struct series **series;		/* by service */
	struct series *recent;		/* what series_get() gave last, NULL: none */
	size_t n, cap;
};

enum { READER_PUSH = 1, READER_SCRAPE = 2, READER_ANY = 4 };
struct departure {			/* of a service that is gone */
	uint8_t awaits;			/* readers that have not seen its last values yet */
	uint8_t rounds;			/* removals left; 0: not gone. The second takes what came late */
	uint64_t since_unix_ns;
};

struct metrics {
	struct metrics_options opt;
	size_t room;			/* what is left of memory_max */
	struct hash by_name, by_hash;
	struct metric **metrics;	/* in order of registration */
	size_t n_metrics;
	struct metric *red[INSTRUMENT_COUNT][MEASURE_COUNT];
	size_t n_series;
	uint64_t overflowed;
	uint32_t epoch;			/* of pointers to series: another one when some were removed */
	uint64_t interval_unix_ns;	/* when the current interval of delta temporality began */
	uint8_t readers;		/* that have ever collected */
	struct distribution scratch;	/* for cumulative views with delta temporality */
	size_t scratch_room;
	struct departure gone[SERVICES_MAX];
};

/* The metric of that name, registered if new (def is copied); NULL when out of memory. */
struct metric *metric_get(struct metrics *m, const struct metric_def *def);

/* The series of those attributes, or the service's overflow series, or NULL when not even that fits. */
struct series *series_get(struct metrics *m, struct metric *metric, uint32_t service, const char *scope,
			  const struct attr *attrs, uint32_t n);
/* As it is, or NULL. */
struct series *series_find(struct metrics *m, struct metric *metric, uint32_t service, const char *scope,
			   const struct attr *attrs, uint32_t n);
void series_remove_service(struct metrics *m, uint32_t service);
/* The range [*from, *to) of a metric's series that are that service's. */
void series_range(const struct metric *metric, uint32_t service, size_t *from, size_t *to);

#endif
