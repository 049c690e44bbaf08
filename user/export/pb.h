/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf, written from the end to the beginning: the length of a message is known when its head is
 * written, so nothing is measured twice. Fields of a message are therefore written last one first.
 * Source: protobuf.dev, "Encoding". */
#ifndef SONDE_EXPORT_PB_H
#define SONDE_EXPORT_PB_H

#include "base/buf.h"

/* Writes into the unused end of a buffer; pb_end() moves the result to where the buffer's content ends. */
struct pb {
	struct buf *out;
	uint8_t *p;		/* the first byte written so far */
	uint8_t *low, *end;	/* the room */
};

void pb_begin(struct pb *w, struct buf *out);
void pb_end(struct pb *w);
void pb_grow(struct pb *w, size_t n);

/* Bytes written so far: the mark that a message's length is counted from. */
static inline size_t pb_mark(const struct pb *w)
{
	return (size_t)(w->end - w->p);
}

/* n bytes in front, to be filled; NULL after a failed allocation. */
static inline uint8_t *pb_take(struct pb *w, size_t n)
{
	if ((size_t)(w->p - w->low) < n) {
		pb_grow(w, n);
		if (w->out->failed)
			return NULL;
	}
	return w->p -= n;
}

void pb_long_varint(struct pb *w, uint64_t v);

/* Most lengths and all tags are one byte. */
static inline void pb_varint(struct pb *w, uint64_t v)
{
	if (v < 128 && w->p > w->low)
		*--w->p = (uint8_t)v;
	else
		pb_long_varint(w, v);
}

static inline void pb_raw(struct pb *w, const void *bytes, size_t n)
{
	uint8_t *p = n ? pb_take(w, n) : NULL;

	if (p)
		memcpy(p, bytes, n);
}

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

static inline void pb_tag(struct pb *w, uint32_t field, enum pb_wire wire)
{
	pb_varint(w, field << 3 | wire);
}

static inline void pb_uint(struct pb *w, uint32_t field, uint64_t v)
{
	pb_varint(w, v);
	pb_tag(w, field, PB_VARINT);
}

/* sint32: zigzag. */
static inline void pb_sint(struct pb *w, uint32_t field, int32_t v)
{
	pb_uint(w, field, (uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

static inline void pb_fixed64(struct pb *w, uint32_t field, uint64_t v)
{
	pb_raw(w, &v, sizeof(v));	/* both architectures are little-endian, as the format is */
	pb_tag(w, field, PB_FIXED64);
}

static inline void pb_fixed32(struct pb *w, uint32_t field, uint32_t v)
{
	pb_raw(w, &v, sizeof(v));
	pb_tag(w, field, PB_FIXED32);
}

static inline void pb_double(struct pb *w, uint32_t field, double v)
{
	pb_raw(w, &v, sizeof(v));
	pb_tag(w, field, PB_FIXED64);
}

/* Ends (begins, for the reader) what was written since the mark as one embedded message or packed field. */
static inline void pb_message(struct pb *w, uint32_t field, size_t mark)
{
	pb_varint(w, pb_mark(w) - mark);
	pb_tag(w, field, PB_BYTES);
}

static inline void pb_bytes(struct pb *w, uint32_t field, const void *bytes, size_t n)
{
	pb_raw(w, bytes, n);
	pb_varint(w, n);
	pb_tag(w, field, PB_BYTES);
}

/* Copies n bytes; false (whatever was copied) when they are not all ASCII. In words, the last of which may
 * overlap the one before: a call of memcpy() and a second look cost three times as much for short strings. */
static inline bool pb_copy_ascii(uint8_t *to, const char *from, size_t n)
{
	const uint64_t high = 0x8080808080808080ull;
	uint64_t word, any = 0;

	if (n < 8) {
		for (size_t i = 0; i < n; i++)
			any |= to[i] = (uint8_t)from[i];
		return !(any & high);
	}
	for (size_t i = 0; i + 8 < n; i += 8) {
		memcpy(&word, from + i, 8);
		memcpy(to + i, &word, 8);
		any |= word;
	}
	memcpy(&word, from + n - 8, 8);
	memcpy(to + n - 8, &word, 8);
	return !((any | word) & high);
}

/* A string field must be UTF-8, else receivers refuse the whole request: other bytes become U+FFFD. */
void pb_string(struct pb *w, uint32_t field, struct str s);

#endif
