/* SPDX-License-Identifier: Apache-2.0 */
/* All options, from one table (options.c): key, type, default, environment name, flag, help. YAML file <
 * environment < flags. Errors name file:line:column, or the variable or flag, and what was expected. */
#ifndef SONDE_CONFIG_CONFIG_H
#define SONDE_CONFIG_CONFIG_H

#include "base/buf.h"
#include "export/export.h"
#include "proto/proto.h"

struct strings {		/* a list option */
	char **v;
	size_t n;
};

enum print_mode { PRINT_OFF, PRINT_TEXT, PRINT_JSON };

struct settings;
struct config {
	struct settings *settings;	/* texts and where each came from, for config_dump() */
	struct strings select, exclude;
	struct strings services;	/* "SELECTOR -> NAME" texts */
	char *listen;			/* "127.0.0.1:9464"; "off" */
	uint32_t print;			/* enum print_mode */
	char *capture_tier;		/* auto, socket, fexit, syscall */
	uint64_t ring_bytes;		/* 4 MiB */
	uint64_t request_budget, response_budget;
	struct strings headers;		/* capture.headers */
	struct proto_options proto;	/* the same as the parsers want it */
	bool trace_otlp_exporters;
	uint64_t memory_limit;		/* bytes, of all sonde processes */
	uint32_t series_max;		/* metrics.series_max */
	uint32_t hold_window_ms, hold_spans;
	uint32_t request_timeout_ms;	/* a request without an answer */
	uint32_t metric_interval_ms;	/* OTEL_METRIC_EXPORT_INTERVAL */
	bool traces;			/* spans are wanted: OTEL_TRACES_EXPORTER is not none, or printed */
	uint32_t temporality;		/* 0 cumulative, 1 delta, 2 lowmemory */
	uint32_t histogram;		/* 0 exponential, 1 explicit */
	bool sdk_disabled;		/* OTEL_SDK_DISABLED: nothing is exported by OTLP */
	uint32_t log_level;		/* enum log_level */
	struct export_options export_;
};

/* Reads file (NULL: --config, else SONDE_CONFIG, else none), environment and flags. argv without the sub-command. Returns
 * 0, or -EINVAL with *why = what is wrong, one line per error (owned by the caller). */
int config_new(struct config **out, int argc, char **argv, char **const env, char **why);
void config_free(struct config *c);

/* What a service's capture begins with; budgets grow where its heads are larger. */
struct service_policy config_service_policy(const struct config *c);

/* The halves of an item of `services`; false when it is not "SELECTOR -> NAME". */
bool config_service_split(const char *text, struct str *selector, struct str *name);

/* `sonde config`: effective values and where each came from ("default", "file:3:5", "SONDE_X", "--x"). */
int config_dump(const struct config *c, struct buf *out);
/* --help text that fits 80x24, and the man page (roff), both from the table. */
void config_help(struct buf *out);
void config_man(struct buf *out);

#endif
