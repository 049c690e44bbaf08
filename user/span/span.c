/* SPDX-License-Identifier: Apache-2.0 */
/* span.h: the span and its attributes. */
#include "span/span.h"

#define STRINGS_BYTES 320	/* enough for what a plain request says */

int span_new(struct span **out)
{
	struct span *sp = malloc(sizeof(*sp) + STRINGS_BYTES);

	if (!sp)
		return -ENOMEM;
	/* Attributes and links, two thirds of it, are written before they are counted. */
	memset(sp, 0, offsetof(struct span, attrs));
	arena_lend(&sp->arena, sp + 1, STRINGS_BYTES);
	sp->arena.total = STRINGS_BYTES;
	sp->weight = 1;
	sp->request_size = -1;
	sp->response_size = -1;
	*out = sp;
	return 0;
}

void span_free(struct span *sp)
{
	if (!sp)
		return;
	arena_release(&sp->arena);
	free(sp);
}

void span_freep(struct span **sp)
{
	span_free(*sp);
}

static struct attr *attr_add(struct span *sp, const char *key, enum attr_type type, bool dimension)
{
	struct attr *a;

	if (sp->n_attrs == SPAN_ATTRS_MAX) {
		sp->dropped_attrs++;
		return NULL;
	}
	a = &sp->attrs[sp->n_attrs++];
	*a = (struct attr){ .key = key, .type = type, .dimension = dimension };
	return a;
}

void span_str(struct span *sp, const char *key, struct str v, bool dimension)
{
	struct attr *a = v.n ? attr_add(sp, key, ATTR_STR, dimension) : NULL;

	if (a)
		a->s = v;
}

void span_str_dup(struct span *sp, const char *key, struct str v, bool dimension)
{
	/* An attribute that has no room (or no memory) is dropped, and counted as such. */
	struct str copy = v.n && sp->n_attrs < SPAN_ATTRS_MAX ? arena_dup(&sp->arena, v) : (struct str){ 0 };

	if (copy.n)
		span_str(sp, key, copy, dimension);
	else if (v.n)
		sp->dropped_attrs++;
}

void span_int(struct span *sp, const char *key, int64_t v, bool dimension)
{
	struct attr *a = attr_add(sp, key, ATTR_INT, dimension);

	if (a)
		a->i = v;
}

void span_double(struct span *sp, const char *key, double v)
{
	struct attr *a = attr_add(sp, key, ATTR_DOUBLE, false);

	if (a)
		a->d = v;
}

void span_bool(struct span *sp, const char *key, bool v)
{
	struct attr *a = attr_add(sp, key, ATTR_BOOL, false);

	if (a)
		a->b = v;
}

const struct attr *span_attr(const struct span *sp, const char *key)
{
	for (uint32_t i = 0; i < sp->n_attrs; i++)
		if (sp->attrs[i].key == key || strcmp(sp->attrs[i].key, key) == 0)
			return &sp->attrs[i];
	return NULL;
}
