/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h: doubling growth, JSON escapes. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

static bool buf_reserve(struct buf *b, size_t n)
{
	size_t size = MAX(b->size, (size_t)256);
	char *p;

	if (b->failed)
		return false;
	if (b->size - b->n >= n)
		return true;
	while (size - b->n < n)
		size *= 2;
	p = realloc(b->p, size);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->size = size;
	return true;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (!n || !buf_reserve(b, n))
		return;
	memcpy(b->p + b->n, bytes, n);
	b->n += n;
}

void buf_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 || !buf_reserve(b, (size_t)n + 1))
		return;
	va_start(args, format);
	vsnprintf(b->p + b->n, (size_t)n + 1, format, args);
	va_end(args);
	b->n += (size_t)n;
}

size_t utf8_length(struct str s)
{
	const unsigned char *u = (const unsigned char *)s.p;
	size_t n = u[0] < 0x80 ? 1 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : (u[0] & 0xf0) == 0xe0 ? 3 :
		   u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : 0;

	if (n == 0 || n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return n;
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
}

void buf_json(struct buf *b, struct str s)
{
	while (s.n) {
		size_t run = 0, n;

		while (run < s.n && is_plain(s.p[run]))
			run++;
		buf_add(b, s.p, run);
		str_skip(&s, run);
		if (!s.n)
			break;
		n = utf8_length(s);
		if (n > 1)
			buf_add(b, s.p, n);
		else if (n == 0)
			buf_add(b, "\xef\xbf\xbd", 3);
		else if (s.p[0] == '"' || s.p[0] == '\\')
			buf_printf(b, "\\%c", s.p[0]);
		else
			buf_printf(b, "\\u%04x", (unsigned char)s.p[0]);
		str_skip(&s, n ? n : 1);
	}
}

void buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}
