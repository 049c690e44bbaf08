/* SPDX-License-Identifier: Apache-2.0 */
/* pb.h: growth, and strings that are no UTF-8. */
#include "export/pb.h"

#define PB_ROOM_FIRST 4096

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fixed fields are written as they lie in memory");

static void pb_place(struct pb *w, size_t written)
{
	w->low = (uint8_t *)w->out->p + w->out->n;
	w->end = (uint8_t *)w->out->p + w->out->size;
	w->p = w->end - written;
}

void pb_begin(struct pb *w, struct buf *out)
{
	w->out = out;
	w->p = w->low = w->end = NULL;
	if (out->p)
		pb_place(w, 0);
}

void pb_grow(struct pb *w, size_t n)
{
	size_t written = pb_mark(w), old_size = w->out->size;
	size_t size = MAX(old_size * 2, w->out->n + written + n + PB_ROOM_FIRST);
	char *p = w->out->failed ? NULL : realloc(w->out->p, size);

	if (!p) {
		w->out->failed = true;
		return;
	}
	w->out->p = p;
	w->out->size = size;
	pb_place(w, written);
	memmove(w->p, p + old_size - written, written);
}

void pb_end(struct pb *w)
{
	size_t written = pb_mark(w);

	if (w->out->failed || !written)
		return;
	memmove(w->low, w->p, written);
	w->out->n += written;
}

void pb_long_varint(struct pb *w, uint64_t v)
{
	size_t n = v < 128 ? 1 : (size_t)(70 - __builtin_clzll(v)) / 7;
	uint8_t *p = pb_take(w, n);

	if (!p)
		return;
	for (; v >= 128; v >>= 7)
		*p++ = (uint8_t)(v | 128);
	*p = (uint8_t)v;
}

/* How much of s, from its beginning, is UTF-8. */
static size_t utf8_valid(struct str s)
{
	const size_t all = s.n;

	while (s.n) {
		size_t n = utf8_length(s);

		if (!n)
			break;
		str_skip(&s, n);
	}
	return all - s.n;
}

/* The replacements are few and rare: written in reading order into a buffer, then taken as a whole. */
static void pb_string_repaired(struct pb *w, uint32_t field, struct str s)
{
	_cleanup_(buf_release) struct buf b = { 0 };

	while (s.n) {
		size_t n = utf8_valid(s);

		buf_add(&b, s.p, n);
		str_skip(&s, n);
		if (s.n) {
			buf_str(&b, UTF8_REPLACEMENT);
			str_skip(&s, 1);
		}
	}
	if (b.failed)
		w->out->failed = true;
	else
		pb_bytes(w, field, b.p, b.n);
}

void pb_string(struct pb *w, uint32_t field, struct str s)
{
	uint8_t *p = pb_take(w, s.n);

	if (!p && s.n)
		return;
	if (!pb_copy_ascii(p, s.p, s.n) && utf8_valid(s) != s.n) {
		w->p += s.n;
		pb_string_repaired(w, field, s);
		return;
	}
	pb_varint(w, s.n);
	pb_tag(w, field, PB_BYTES);
}
