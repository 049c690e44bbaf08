/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocator for what lives and dies together (one exchange, one span): many small strings, one
 * free. Blocks are malloc'd, or come from a pool of ARENA_BLOCK_BYTES. */
#ifndef SONDE_BASE_ARENA_H
#define SONDE_BASE_ARENA_H

#include "base/pool.h"
#include "base/str.h"

#define ARENA_BLOCK_BYTES 1016	/* of an ordinary block, all in all: with malloc's own words 1 KiB */

struct arena_block {
	struct arena_block *next;
	size_t size;
	char data[];
};

struct arena {
	struct arena_block *blocks;	/* newest first; a lent one is not among them */
	char *at;			/* the free rest of the newest block (or of a lent one) */
	size_t left;
	size_t total;			/* bytes of all blocks: what it costs */
	struct pool *pool;		/* NULL, or where ordinary blocks come from and go to */
};

/* Lends it memory to begin with, aligned to 8, that the owner keeps: one malloc() less. The arena is new. */
static inline void arena_lend(struct arena *a, void *memory, size_t n)
{
	a->at = memory;
	a->left = n;
}

/* n zeroed bytes, aligned to 8; NULL when out of memory. */
void *arena_alloc(struct arena *a, size_t n);

/* A copy of s with a NUL behind it; {NULL, 0} when out of memory. */
struct str arena_dup(struct arena *a, struct str s);

/* printf into the arena; {NULL, 0} when out of memory. */
struct str arena_printf(struct arena *a, const char *format, ...) _printf_(2, 3);

/* Moves all of src's memory into dst; src is empty afterwards. */
void arena_absorb(struct arena *dst, struct arena *src);

/* Frees all blocks; the arena is empty and usable again. */
void arena_release(struct arena *a);

#endif
