/* SPDX-License-Identifier: Apache-2.0 */
/* What a person in a terminal sees: who is watched, a RED table per service, the newest traces as trees;
 * or OTLP/JSON lines for programs.
 *
 * In:  described exchanges (RED), final spans, services, coverage. Out: text on a file descriptor. Owns the
 * last minute of RED figures and the newest traces. Single-threaded. */
#ifndef SONDE_CONSOLE_CONSOLE_H
#define SONDE_CONSOLE_CONSOLE_H

#include "base/service.h"
#include "export/export.h"
#include "span/span.h"

struct console;

struct console_options {
	int fd;				/* where it writes; a terminal is redrawn in place */
	bool json;			/* OTLP/JSON lines instead of text */
	const char *scrape;		/* "http://127.0.0.1:9464/metrics", or NULL */
	struct resources *resources;
};

struct console_coverage {	/* cumulative */
	uint64_t turns, understood;
};

int console_new(struct console **out, const struct console_options *opt);
void console_free(struct console *c);

void console_service(struct console *c, const struct service *s);
/* A described exchange: counted in its service's RED row. */
void console_red(struct console *c, const struct span *sp);
/* A final span; stays the caller's. */
void console_span(struct console *c, const struct span *sp);
void console_coverage(struct console *c, uint32_t service, const struct console_coverage *v);
/* tier's name and drops so far, for the head line. */
void console_status(struct console *c, const char *tier, uint64_t dropped);
/* Writes what is due: JSON lines at once, text every second (terminal) or ten (not one). */
void console_tick(struct console *c, uint64_t now_ns);
/* JSON: one line with all metrics. */
void console_metrics(struct console *c, struct metrics *m);
/* Everything that is still due, and the last table. */
void console_flush(struct console *c, uint64_t now_ns);

#endif
