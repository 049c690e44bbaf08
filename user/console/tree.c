/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h: children are found by their parent's id each time; a trace here is small. */
#include "console/tree.h"

#include <stdio.h>

#include "console/plain.h"

#define DEPTH_MAX 16	/* what is deeper is drawn there */

static struct tree *tree_of(struct forest *f, const struct trace_id *trace)
{
	struct tree *oldest = &f->trees[0];

	for (int i = 0; i < TREE_TRACES; i++) {
		struct tree *t = &f->trees[i];

		if (t->touched && !memcmp(&t->trace, trace, sizeof(*trace)))
			return t;
		if (t->touched < oldest->touched)
			oldest = t;
	}
	*oldest = (struct tree){ .trace = *trace };
	return oldest;
}

static void outcome_of(const struct span *sp, char *buf, size_t size)
{
	static const char *const keys[] = { ATTR_HTTP_RESPONSE_STATUS_CODE, ATTR_DB_RESPONSE_STATUS_CODE, ATTR_ERROR_TYPE };
	const struct attr *a = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && !a; i++)
		a = span_attr(sp, keys[i]);
	buf[0] = '\0';
	if (a && a->type == ATTR_INT)
		snprintf(buf, size, "%lld", (long long)a->i);
	else if (a && a->type == ATTR_STR)
		plain_copy(buf, size, a->s);
}

void forest_add(struct forest *f, const struct span *sp)
{
	struct tree *t = tree_of(f, &sp->trace);
	bool new_service = true;
	struct tree_span *s;

	t->touched = ++f->clock;
	if (t->n == TREE_SPANS) {
		t->more++;
		return;
	}
	for (uint32_t i = 0; i < t->n; i++)
		new_service &= t->spans[i].service != sp->service;
	t->services += new_service;
	s = &t->spans[t->n++];
	*s = (struct tree_span){ .id = sp->id, .parent = sp->parent, .service = sp->service, .kind = sp->kind,
				 .error = sp->status == STATUS_ERROR, .start_unix_ns = sp->start_unix_ns,
				 .duration_ns = sp->duration_ns, .method = sp->link_method };
	plain_copy(s->name, sizeof(s->name), sp->name);
	outcome_of(sp, s->outcome, sizeof(s->outcome));
}

const struct tree *forest_pick(const struct forest *f)
{
	const struct tree *best = NULL;

	for (int i = 0; i < TREE_TRACES; i++) {
		const struct tree *t = &f->trees[i];

		if (t->touched && (!best || t->services > best->services ||
				   (t->services == best->services && t->touched > best->touched)))
			best = t;
	}
	return best;
}

static bool has_parent(const struct tree *t, const struct tree_span *s)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!memcmp(&t->spans[i].id, &s->parent, sizeof(s->parent)))
			return true;
	return false;
}

struct pen {
	const struct tree *t;
	struct buf *out;
	const char *(*name)(void *ctx, uint32_t service);
	void *ctx;
	uint64_t start_ns;
	bool drawn[TREE_SPANS];
};

static void draw_line(struct pen *p, const struct tree_span *s, int depth)
{
	static const char *const kinds[] = { [SPAN_SERVER] = "server", [SPAN_CLIENT] = "client",
					     [SPAN_PRODUCER] = "producer", [SPAN_CONSUMER] = "consumer",
					     [SPAN_INTERNAL] = "internal" };
	int width = 64 - 2 * depth, used;
	char left[160];

	used = snprintf(left, sizeof(left), "%s %s %s", p->name(p->ctx, s->service), kinds[s->kind], s->name);
	buf_printf(p->out, "  %*s%-*.*s %9.3f ms  +%.3f ms  %s%s%s%s\n", 2 * depth, "", width, MIN(used, width), left,
		   (double)s->duration_ns / 1e6, (double)(int64_t)(s->start_unix_ns - p->start_ns) / 1e6, s->outcome,
		   s->error ? " ERROR" : "", s->method ? "  by " : "", s->method ? s->method : "");
}

/* A root's parent is not among the spans of its trace. */
static bool is_child(const struct tree *t, const struct tree_span *s, const struct tree_span *parent)
{
	return parent ? !memcmp(&s->parent, &parent->id, sizeof(s->parent)) : !has_parent(t, s);
}

/* Children of a span (NULL: the roots) in the order of their start. */
static void draw_below(struct pen *p, const struct tree_span *parent, int depth)
{
	for (;;) {
		const struct tree_span *next = NULL;

		for (uint32_t i = 0; i < p->t->n; i++) {
			const struct tree_span *c = &p->t->spans[i];

			if (!p->drawn[i] && (!next || c->start_unix_ns < next->start_unix_ns) && is_child(p->t, c, parent))
				next = c;
		}
		if (!next)
			return;
		p->drawn[next - p->t->spans] = true;
		draw_line(p, next, MIN(depth, DEPTH_MAX));
		draw_below(p, next, depth + 1);
	}
}

void tree_draw(const struct tree *t, struct buf *out, const char *(*name)(void *ctx, uint32_t service), void *ctx)
{
	struct pen p = { .t = t, .out = out, .name = name, .ctx = ctx, .start_ns = UINT64_MAX };

	buf_str(out, STR("trace "));
	for (size_t i = 0; i < sizeof(t->trace.b); i++)
		buf_printf(out, "%02x", t->trace.b[i]);
	buf_printf(out, "  %u spans, %u services\n", t->n + t->more, t->services);
	for (uint32_t i = 0; i < t->n; i++)
		p.start_ns = MIN(p.start_ns, t->spans[i].start_unix_ns);
	draw_below(&p, NULL, 0);
	if (t->more)
		buf_printf(out, "  ... %u more spans\n", t->more);
}
