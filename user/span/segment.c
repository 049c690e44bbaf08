/* SPDX-License-Identifier: Apache-2.0 */
/* segment.h: counts the kinds of characters once, then a table of shapes. */
#include "span/segment.h"

enum kind { KIND_OTHER, KIND_DIGIT, KIND_LOWER, KIND_UPPER, KIND_SEPARATOR /* - _ : , */, KIND_COUNT };

struct shape {
	size_t n;
	size_t count[KIND_COUNT];
	size_t hex;		/* digits and a..f of either case */
	size_t changes;		/* of kind between neighbours, over separators too */
	bool plain;		/* printable ASCII without escapes */
	bool at;		/* an '@' in the middle */
	bool padded;		/* ends in '=' */
	bool digit_first;
};

static enum kind kind_of(char c)
{
	if (c >= '0' && c <= '9')
		return KIND_DIGIT;
	if (c >= 'a' && c <= 'z')
		return KIND_LOWER;
	if (c >= 'A' && c <= 'Z')
		return KIND_UPPER;
	return c == '-' || c == '_' || c == ':' || c == ',' ? KIND_SEPARATOR : KIND_OTHER;
}

static bool is_hex(char c)
{
	char l = (char)(c | 0x20);

	return (c >= '0' && c <= '9') || (l >= 'a' && l <= 'f');
}

static struct shape shape_of(struct str s)
{
	struct shape x = { .n = s.n, .plain = true, .padded = s.p[s.n - 1] == '=',
			   .digit_first = kind_of(s.p[0]) == KIND_DIGIT };
	enum kind last = KIND_SEPARATOR;

	for (size_t i = 0; i < s.n; i++) {
		enum kind kind = kind_of(s.p[i]);

		x.count[kind]++;
		x.hex += is_hex(s.p[i]);
		if (kind != KIND_SEPARATOR) {
			x.changes += last != KIND_SEPARATOR && kind != last;
			last = kind;
		}
		x.plain &= s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != '%';
		x.at |= s.p[i] == '@' && i > 0 && i + 1 < s.n;
	}
	return x;
}

/* 42, -7, 2026-11-25, 10,20, 12:30; and 2026-11-25T12:30:00Z */
static bool is_number(const struct shape *x)
{
	size_t time_letters = x->count[KIND_UPPER] <= 2 && x->n >= 16 ? x->count[KIND_UPPER] : 0;

	return x->count[KIND_DIGIT] && x->count[KIND_DIGIT] + x->count[KIND_SEPARATOR] + time_letters == x->n;
}

/* 8 hex digits or more, one of them a digit at least: words such as "facade" are none. A UUID is one with
 * four dashes. */
static bool is_hex_id(const struct shape *x)
{
	return x->count[KIND_DIGIT] && ((x->n >= 8 && x->hex == x->n) ||
					(x->n == 36 && x->hex == 32 && x->count[KIND_SEPARATOR] == 4));
}

/* Words change their kind of letter seldom; random ones at every second letter or so. Names with a dot
 * are files rather than ids. */
static bool is_random(const struct shape *x)
{
	return x->n >= 16 && !x->count[KIND_OTHER] && x->count[KIND_DIGIT] >= 2 && x->changes * 4 >= x->n;
}

static bool is_base64(const struct shape *x)
{
	return x->padded && x->n >= 4;
}

/* Letters, dots, dashes and underlines: none of the shapes can be made of them. */
static bool is_word(struct str s)
{
	/* of the characters from 0x40 on, and of those from 0x20 to 0x3f */
	static const uint64_t high = 0x07fffffe87fffffeull;
	static const uint32_t low = 1u << ('-' - 0x20) | 1u << ('.' - 0x20);

	for (size_t i = 0; i < s.n; i++) {
		unsigned c = (unsigned char)s.p[i];

		if (c >= 0x80 || !(c >= 0x40 ? high >> (c - 0x40) & 1 : c >= 0x20 && (low >> (c - 0x20) & 1)))
			return false;
	}
	return true;
}

bool segment_is_id(struct str s)
{
	struct shape x;

	if (s.n == 0)
		return false;
	if (s.n > SEGMENT_MAX)
		return true;
	if (is_word(s))
		return false;
	x = shape_of(s);
	return !x.plain || x.at || is_number(&x) || is_hex_id(&x) || is_random(&x) || is_base64(&x);
}
