/* SPDX-License-Identifier: Apache-2.0 */
/* Views on bytes we do not own. Input is hostile: only take_*() and str_skip() move a cursor, and
 * they never read past the end. */
#ifndef SONDE_BASE_STR_H
#define SONDE_BASE_STR_H

#include <string.h>

#include "base/common.h"

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

static inline struct str str_of(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline void str_skip(struct str *in, size_t n)
{
	n = MIN(n, in->n);
	if (n)		/* an empty view may be NULL, to which C lets nobody add */
		in->p += n;
	in->n -= n;
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

/* ASCII case-insensitive (header names, SQL keywords). */
bool str_eq_nocase(struct str a, struct str b);

/* Position of c in s, or s.n when it is not there. */
static inline size_t str_find(struct str s, char c)
{
	const char *q = s.n ? memchr(s.p, c, s.n) : NULL;

	return q ? (size_t)(q - s.p) : s.n;
}

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The view without leading and trailing blanks and tabs. */
static inline struct str str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0]))
		str_skip(&s, 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Cuts *in at the first c: the part before it goes to *part, *in becomes what follows it. False when
 * there is no c (nothing moves). */
static inline bool str_cut(struct str *in, char c, struct str *part)
{
	size_t at = str_find(*in, c);

	if (at == in->n)
		return false;
	*part = (struct str){ in->p, at };
	str_skip(in, at + 1);
	return true;
}

/* Whole view as unsigned decimal; false on empty, other bytes or overflow (*v untouched). */
bool str_to_u64(struct str s, uint64_t *v);

static inline bool take_u8(struct str *in, uint8_t *v)
{
	if (in->n < 1)
		return false;
	*v = (uint8_t)in->p[0];
	str_skip(in, 1);
	return true;
}

static inline bool take_u16be(struct str *in, uint16_t *v)
{
	if (in->n < 2)
		return false;
	*v = (uint16_t)((uint8_t)in->p[0] << 8 | (uint8_t)in->p[1]);
	str_skip(in, 2);
	return true;
}

static inline bool take_u32be(struct str *in, uint32_t *v)
{
	uint16_t hi, lo;

	if (in->n < 4)
		return false;
	take_u16be(in, &hi);
	take_u16be(in, &lo);
	*v = (uint32_t)hi << 16 | lo;
	return true;
}

static inline bool take_bytes(struct str *in, size_t n, struct str *v)
{
	if (in->n < n)
		return false;
	*v = (struct str){ in->p, n };
	str_skip(in, n);
	return true;
}

/* A NUL-terminated string without its NUL; false when there is no NUL. */
static inline bool take_cstr(struct str *in, struct str *v)
{
	return str_cut(in, '\0', v);
}

#endif
