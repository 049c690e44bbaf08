/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer for what we write (exposition text, JSON, request bodies). After a failed
 * allocation `failed` is set and later calls do nothing: check once, at the end. */
#ifndef SONDE_BASE_BUF_H
#define SONDE_BASE_BUF_H

#include "base/str.h"

struct buf {
	char *p;
	size_t n, size;
	bool failed;
};

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);

/* s as the inside of a JSON string (quotes not included); bytes that are not UTF-8 become U+FFFD. */
void buf_json(struct buf *b, struct str s);

/* Length of the UTF-8 sequence that s (not empty) begins with, 0 when it is not one (RFC 3629: no overlong
 * forms, no surrogates, at most U+10FFFF). */
size_t utf8_length(struct str s);
#define UTF8_REPLACEMENT STR("\xef\xbf\xbd")	/* U+FFFD: what stands for a byte that is not UTF-8 */

static inline void buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}
void buf_release(struct buf *b);

#endif
