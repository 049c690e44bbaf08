/* SPDX-License-Identifier: Apache-2.0 */
/* sql_scan.h: one function per kind of lexeme. Each returns the length of the lexeme that `s` starts with. */
#include "proto/sql_scan.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of UTF-8 sequences count as letters, as in PostgreSQL's scan.l. */
static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_word(char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static size_t line_comment(struct str s)
{
	return str_find(s, '\n');
}

/* They nest in SQL. */
static size_t block_comment(struct str s)
{
	size_t i = 2, depth = 1;

	while (i + 1 < s.n && depth) {
		bool open = s.p[i] == '/' && s.p[i + 1] == '*', close = s.p[i] == '*' && s.p[i + 1] == '/';

		depth += open;
		depth -= close;
		i += open || close ? 2 : 1;
	}
	return depth ? s.n : i;
}

static size_t blanks(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		struct str rest = { s.p + i, s.n - i };

		if (is_space(s.p[i]))
			i++;
		else if (str_starts(rest, STR("--")))
			i += line_comment(rest);
		else if (str_starts(rest, STR("/*")))
			i += block_comment(rest);
		else
			break;
	}
	return i;
}

/* `at` is the opening quote's place; a doubled quote stands for itself. */
static size_t quoted(struct str s, size_t at, bool backslash)
{
	char quote = s.p[at];

	for (size_t i = at + 1; i < s.n; i++) {
		if (backslash && s.p[i] == '\\')
			i++;
		else if (s.p[i] == quote && i + 1 < s.n && s.p[i + 1] == quote)
			i++;
		else if (s.p[i] == quote)
			return i + 1;
	}
	return s.n;
}

/* Takes letters behind it too: "10OFFSET" is one piece, which hides more but never less. */
static size_t number(struct str s)
{
	size_t i = 1;

	while (i < s.n) {
		bool exponent = (s.p[i] == '+' || s.p[i] == '-') && (s.p[i - 1] == 'e' || s.p[i - 1] == 'E') &&
				i + 1 < s.n && is_digit(s.p[i + 1]);

		if (!is_word(s.p[i]) && s.p[i] != '.' && !exponent)
			break;
		i++;
	}
	return i;
}

static size_t word(struct str s)
{
	size_t i = 1;

	while (i < s.n && is_word(s.p[i]))
		i++;
	return i;
}

/* $1 */
static size_t param(struct str s)
{
	size_t i = 1;

	while (i < s.n && is_digit(s.p[i]))
		i++;
	return i;
}

/* $$...$$ or $tag$...$tag$; 0 when it is not one. */
static size_t dollar_quoted(struct str s)
{
	size_t tag = 1;
	const char *close;

	while (tag < s.n && s.p[tag] != '$' && is_word(s.p[tag]))
		tag++;
	if (tag == s.n || s.p[tag] != '$')
		return 0;
	tag++;
	close = memmem(s.p + tag, s.n - tag, s.p, tag);
	return close ? (size_t)(close - s.p) + tag : s.n;
}

/* A word, unless it is the prefix of a string (E'', B'', X'', N'', U&''), a quoted name (U&"") or a truth. */
static size_t word_like(struct str s, bool backslash, enum sql_kind *kind)
{
	size_t n = word(s);
	char first = (char)(s.p[0] | 0x20);
	size_t quote = first == 'u' && n == 1 && s.n > 2 && s.p[1] == '&' ? 2 : n;
	struct str w = { s.p, n };

	*kind = SQL_WORD;
	if (quote < s.n && s.p[quote] == '\'' && n == 1 && memchr("ebxnu", first, 5)) {
		*kind = SQL_LITERAL;
		return quoted(s, quote, backslash || first == 'e');
	}
	if (quote == 2 && s.n > 2 && s.p[2] == '"' && s.p[1] == '&') {
		*kind = SQL_QUOTED;
		return quoted(s, 2, false);
	}
	if (str_eq_nocase(w, STR("true")) || str_eq_nocase(w, STR("false")))
		*kind = SQL_LITERAL;
	return n;
}

static size_t dollar(struct str s, enum sql_kind *kind)
{
	size_t n;

	if (s.n > 1 && is_digit(s.p[1])) {
		*kind = SQL_PARAM;
		return param(s);
	}
	n = dollar_quoted(s);
	*kind = n ? SQL_LITERAL : SQL_PUNCT;
	return n ? n : 1;
}

static size_t lexeme(struct str s, bool backslash, enum sql_kind *kind)
{
	char c = s.p[0];

	if (is_word_start(c))
		return word_like(s, backslash, kind);
	if (c == '$')
		return dollar(s, kind);
	*kind = SQL_LITERAL;
	if (is_digit(c) || (c == '.' && s.n > 1 && is_digit(s.p[1])))
		return number(s);
	if (c == '\'')
		return quoted(s, 0, backslash);
	*kind = c == '"' ? SQL_QUOTED : SQL_PUNCT;
	return c == '"' ? quoted(s, 0, false) : 1;
}

bool sql_scan(struct str *in, bool backslash, struct sql_lexeme *out)
{
	size_t skipped = blanks(*in);

	str_skip(in, skipped);
	if (in->n == 0)
		return false;
	out->blank = skipped > 0;
	return take_bytes(in, lexeme(*in, backslash, &out->kind), &out->text);
}
