/* SPDX-License-Identifier: Apache-2.0 */
/* Data points on their way from metrics_collect(), which goes metric by metric, into OTLP, which goes
 * resource by resource: each is encoded as it comes, then they are put in OTLP's order. */
#ifndef SONDE_EXPORT_POINTS_H
#define SONDE_EXPORT_POINTS_H

#include "export/export.h"

struct point {
	uint32_t service;
	const char *scope;
	const char *name, *unit, *help;	/* of the metric */
	enum metric_type type;
	bool delta, exponential;
	uint32_t order;			/* of arrival: metric by metric */
	size_t offset, n;		/* of its encoded data point in bytes */
};

struct points {
	struct point *points;
	size_t n, cap;
	struct buf bytes;
	void (*encode)(struct buf *out, const struct metric_point *p);
	bool failed;
};

/* Collects and sorts by service, scope, metric. Strings are the registry's: valid until it is next used. */
int points_collect(struct points *ps, struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns,
		   void (*encode)(struct buf *out, const struct metric_point *p));
void points_release(struct points *ps);

/* Where the run of points that share a's service, scope or metric ends: in [a, end). */
size_t points_same_service(const struct points *ps, size_t a, size_t end);
size_t points_same_scope(const struct points *ps, size_t a, size_t end);
size_t points_same_metric(const struct points *ps, size_t a, size_t end);

#endif
