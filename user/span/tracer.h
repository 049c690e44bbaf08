/* SPDX-License-Identifier: Apache-2.0 */
/* From spans to traces: gives ids, finds parents by evidence, holds spans until they are final.
 *
 * In:  requests under way and finished spans, any order. Out: final spans by the sink. The methods are
 * rows of a table (link.h); each says who the parent is and how sure it is. */
#ifndef SONDE_SPAN_TRACER_H
#define SONDE_SPAN_TRACER_H

#include "span/span.h"

struct tracer;

struct tracer_options {
	uint64_t window_ns;		/* how long a span waits for its parent, default 2 s */
	uint32_t spans_max;		/* held at most; the oldest leave as they are when it is passed */
	size_t bytes_max;
	uint64_t seed;			/* of the id generator; 0: from getrandom(2) */
};

struct tracer_stats {
	uint64_t held, held_bytes;	/* now */
	uint64_t window_closed;		/* left without the parent they waited for */
	uint64_t overflowed;		/* left early because of spans_max or bytes_max */
	uint64_t late_parents;		/* the parent came after its child had left: span link */
	uint64_t linked[8];		/* by method, order of link_methods[] */
	uint64_t roots;
};

/* sink takes the span over. */
int tracer_new(struct tracer **out, const struct tracer_options *opt, void (*sink)(void *ctx, struct span *sp),
	       void *ctx);
void tracer_free(struct tracer *t);	/* frees held spans */

/* A request is under way: `server` says which end this is, the evidence has what is known by now. */
void tracer_request(struct tracer *t, bool server, const struct evidence *e);
/* The exchange of that request ended without a span (or never will have one). */
void tracer_forget(struct tracer *t, bool server, const struct evidence *e);
/* A finished span; takes it over. */
void tracer_span(struct tracer *t, struct span *sp);

void tracer_tick(struct tracer *t, uint64_t now_ns);
void tracer_flush(struct tracer *t);	/* everything leaves now */
const struct tracer_stats *tracer_stats(const struct tracer *t);

#endif
