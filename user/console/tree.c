/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h: children are found by their parent's id each time; a trace here is small. */
#include "console/tree.h"

#include <stdio.h>

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
		snprintf(buf, size, "%.*s", (int)a->s.n, a->s.p);
}

/* Terminals obey control bytes, and names come from strangers. */
static void copy_plain(char *to, size_t size, struct str from)
{
	size_t n = MIN(from.n, size - 1);

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)from.p[i] < 0x20 || from.p[i] == 0x7f ? '.' : from.p[i];
	to[n] = '\0';
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
	copy_plain(s->name, sizeof(s->name), sp->name);
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

static void draw(struct pen *p, const struct tree_span *s, int depth)
{
	if (p->drawn[s - p->t->spans] || depth > 16)
		return;
	p->drawn[s - p->t->spans] = true;
	draw_line(p, s, depth);
	for (;;) {	/* children in the order of their start */
		const struct tree_span *next = NULL;

		for (uint32_t i = 0; i < p->t->n; i++) {
			const struct tree_span *c = &p->t->spans[i];

			if (!p->drawn[i] && !memcmp(&c->parent, &s->id, sizeof(s->id)) &&
			    (!next || c->start_unix_ns < next->start_unix_ns))
				next = c;
		}
		if (!next)
			return;
		draw(p, next, depth + 1);
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
	for (uint32_t i = 0; i < t->n; i++)
		if (!has_parent(t, &t->spans[i]))
			draw(&p, &t->spans[i], 0);
	if (t->more)
		buf_printf(out, "  ... %u more spans\n", t->more);
}
