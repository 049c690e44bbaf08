/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's data path on one page: records -> exchanges -> spans -> metrics, traces, console.
 *
 * In:  records of the ring and the loader's messages. Out: metrics, spans to the exporter and the console,
 * verdicts and budgets for the kernel half. Single-threaded; the worker's lock is held by the caller. */
#ifndef SONDE_PIPELINE_H
#define SONDE_PIPELINE_H

#include "config/config.h"
#include "console/console.h"
#include "export/export.h"
#include "metrics/metrics.h"
#include "span/route.h"
#include "span/tracer.h"
#include "stream/stream.h"

struct pipeline {
	const struct config *config;
	struct stream_table *stream;
	struct routes *routes;
	struct tracer *tracer;		/* NULL: no spans are wanted */
	struct metrics *metrics;
	struct resources *resources;
	struct exporter *exporter;	/* NULL: no endpoint */
	struct console *console;	/* NULL: nothing is printed */
	struct verdict *verdicts;	/* the shared array, NULL until the loader sent it */
	int64_t unix_offset_ns;
	uint64_t now_ns;
	uint8_t exports_otlp[SERVICES_MAX];	/* services that trace themselves */
	struct service_policy policies[SERVICES_MAX];	/* as last asked for */
	uint64_t unsampled;		/* spans not exported because their parent was not sampled */
	uint64_t suppressed;		/* spans of services that export their own */
	int (*ask_policy)(void *ctx, const struct ipc_policy *p);
	int (*tell_exports_otlp)(void *ctx, uint32_t service);
	void *ctx;
};

/* Fills in all that `config` asks for; console, exporter and resources are set by the caller before. */
int pipeline_init(struct pipeline *p, const struct config *config);
void pipeline_release(struct pipeline *p);

void pipeline_record(struct pipeline *p, const void *rec, size_t size);
void pipeline_service(struct pipeline *p, const struct service *s);
void pipeline_turns(struct pipeline *p, const struct ipc_turns *t);
void pipeline_tick(struct pipeline *p, uint64_t now_ns);
/* Shutdown: what is under way ends, what is held leaves. */
void pipeline_flush(struct pipeline *p);

#endif
