/* SPDX-License-Identifier: Apache-2.0 */
/* number.h: by printf, in the C locale (sonde never sets another). */
#include "export/number.h"

#include <stdio.h>

#define DIGITS_MAX 17	/* enough for every double */

void number_double(struct buf *b, double v)
{
	char text[32];

	for (int digits = 15; digits <= DIGITS_MAX; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_str(b, str_of(text));
}

void number_hex(struct buf *b, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		buf_char(b, digits[p[i] >> 4]);
		buf_char(b, digits[p[i] & 15]);
	}
}
