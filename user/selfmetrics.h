/* SPDX-License-Identifier: Apache-2.0 */
/* What sonde says about itself, as metrics: each figure a row. Names are OpenTelemetry's (otel.sdk.*,
 * process.*) where they exist, ours (sonde.*) where not. */
#ifndef SONDE_SELFMETRICS_H
#define SONDE_SELFMETRICS_H

#include "base/ipc.h"
#include "pipeline.h"

#define PROGRAMS_MAX 32

struct self {
	struct ipc_self loader;		/* as it last told us */
	struct ipc_program programs[PROGRAMS_MAX];
	size_t n_programs;
	const struct service_counters *counters;	/* the shared array, SERVICES_MAX; NULL until it came */
	uint64_t ring_fill, ring_size;
};

/* Keeps the program's newest figures. */
void self_program(struct self *s, const struct ipc_program *p);
/* Writes all rows into p->metrics, coverage and drops into p->console. */
void self_export(const struct self *s, struct pipeline *p);
/* Sum of all services' failed reserves. */
uint64_t self_dropped_records(const struct self *s);

#endif
