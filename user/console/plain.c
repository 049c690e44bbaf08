/* SPDX-License-Identifier: Apache-2.0 */
/* plain.h. C1 controls (U+0080..U+009F) are C2 80..C2 9F in UTF-8; U+009B begins a sequence as ESC [ does. */
#include "console/plain.h"

#include "base/buf.h"

static bool is_control(struct str c)
{
	unsigned char first = (unsigned char)c.p[0];

	return first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)c.p[1] < 0xa0);
}

void plain_copy(char *to, size_t size, struct str from)
{
	size_t used = 0;

	while (from.n) {
		size_t n = utf8_length(from);
		bool shown = n && !is_control(from);
		size_t room = shown ? n : 1;

		if (used + room >= size)
			break;
		if (shown)
			memcpy(to + used, from.p, n);
		else
			to[used] = '.';
		used += room;
		str_skip(&from, n ? n : 1);
	}
	to[used] = '\0';
}
