/* SPDX-License-Identifier: Apache-2.0 */
/* prometheus_name.h: character by character; every run of other bytes becomes one underscore. */
#include "export/prometheus_name.h"

const char *prometheus_unit(const char *ucum, bool gauge)
{
	static const struct { const char *ucum, *word; } units[] = {
		{ "s", "seconds" }, { "ms", "milliseconds" }, { "us", "microseconds" }, { "ns", "nanoseconds" },
		{ "min", "minutes" }, { "h", "hours" }, { "d", "days" },
		{ "By", "bytes" }, { "KiBy", "kibibytes" }, { "MiBy", "mebibytes" },
		{ "By/s", "bytes_per_second" }, { "%", "percent" },
	};

	if (!ucum)
		return "";
	if (strcmp(ucum, "1") == 0)
		return gauge ? "ratio" : "";
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(units[i].ucum, ucum) == 0)
			return units[i].word;
	return "";
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

/* The next character of a key's label; *key moves behind what it stands for. */
static char label_next(const char **key)
{
	char c = *(*key)++;

	if (is_word(c))
		return c;
	while (**key && !is_word(**key))
		(*key)++;
	return '_';
}

void prometheus_label(struct buf *b, const char *key)
{
	if (is_digit(*key))
		buf_char(b, '_');
	while (*key)
		buf_char(b, label_next(&key));
}

bool prometheus_label_eq(const char *a, const char *b)
{
	if (is_digit(*a) != is_digit(*b)) {	/* one of them gets an underscore in front */
		const char **other = is_digit(*a) ? &b : &a;

		if (!**other || label_next(other) != '_')
			return false;
	}
	while (*a && *b)
		if (label_next(&a) != label_next(&b))
			return false;
	return !*a && !*b;
}

static bool ends_with(struct str s, const char *word)
{
	size_t n = strlen(word);

	return s.n > n && memcmp(s.p + s.n - n, word, n) == 0 && s.p[s.n - n - 1] == '_';
}

void prometheus_name(struct buf *b, const char *name, const char *unit)
{
	size_t start = b->n;

	prometheus_label(b, name);
	if (*unit && !b->failed && !ends_with((struct str){ b->p + start, b->n - start }, unit))
		buf_printf(b, "_%s", unit);
}
