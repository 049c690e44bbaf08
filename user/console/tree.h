/* SPDX-License-Identifier: Apache-2.0 */
/* The newest traces, and how one is drawn. A trace is kept while it is among the last TREE_TRACES that
 * got a span; spans over TREE_SPANS are counted only. Private to console/. */
#ifndef SONDE_CONSOLE_TREE_H
#define SONDE_CONSOLE_TREE_H

#include "base/buf.h"
#include "span/span.h"

#define TREE_TRACES 16
#define TREE_SPANS 48

struct tree_span {
	struct span_id id, parent;
	uint32_t service;
	enum span_kind kind;
	bool error;
	uint64_t start_unix_ns, duration_ns;
	const char *method;		/* how the parent was found */
	char name[72], outcome[24];
};

struct tree {
	struct trace_id trace;
	uint64_t touched;		/* order of last use; 0: free */
	uint32_t n, services, more;
	struct tree_span spans[TREE_SPANS];
};

struct forest {
	uint64_t clock;
	struct tree trees[TREE_TRACES];
};

void forest_add(struct forest *f, const struct span *sp);
/* The trace with the most services, the newer of equals; NULL when there is none. */
const struct tree *forest_pick(const struct forest *f);
/* Draws it; name(ctx, service) gives a service's name. */
void tree_draw(const struct tree *t, struct buf *out, const char *(*name)(void *ctx, uint32_t service), void *ctx);

#endif
