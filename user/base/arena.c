/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h: blocks of at least ARENA_BLOCK_BYTES in a list. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#define ROOM (ARENA_BLOCK_BYTES - sizeof(struct arena_block))	/* of an ordinary block */

static bool arena_grow(struct arena *a, size_t n)
{
	size_t size = MAX(n, ROOM);
	struct arena_block *b = a->pool && size == ROOM ? pool_take(a->pool) : malloc(sizeof(*b) + size);

	if (!b)
		return false;
	b->next = a->blocks;
	b->size = size;
	a->blocks = b;
	a->at = b->data;
	a->left = size;
	a->total += sizeof(*b) + size;
	return true;
}

static inline char *arena_take(struct arena *a, size_t n)
{
	size_t need = (n + 7) & ~(size_t)7;
	char *p;

	if (need < n || (a->left < need && !arena_grow(a, need)))
		return NULL;
	p = a->at;
	a->at += need;
	a->left -= need;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	char *p = arena_take(a, n);

	if (p)
		memset(p, 0, n);
	return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p = arena_take(a, s.n + 1);

	if (!p)
		return (struct str){ 0 };
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct str){ p, s.n };
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	char *p = NULL;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n >= 0)
		p = arena_take(a, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	return (struct str){ p, p ? (size_t)n : 0 };
}

void arena_absorb(struct arena *dst, struct arena *src)
{
	struct arena_block **end = &dst->blocks;

	if (!dst->left) {
		dst->at = src->at;
		dst->left = src->left;
	}
	while (*end)
		end = &(*end)->next;
	*end = src->blocks;
	dst->total += src->total;
	*src = (struct arena){ .pool = src->pool };
}

void arena_release(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		if (a->pool && a->blocks->size == ROOM)
			pool_give(a->pool, a->blocks);
		else
			free(a->blocks);
		a->blocks = next;
	}
	a->at = NULL;
	a->left = 0;
	a->total = 0;
}
