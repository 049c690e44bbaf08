/* SPDX-License-Identifier: Apache-2.0 */
/* sql.h: one pass over the lexemes writes the sanitised text and feeds the summary. */
#include "proto/sql.h"

#include "proto/sql_scan.h"
#include "proto/sql_summary.h"

struct text {
	char *p;
	size_t n, size;
	bool full;
};

static char text_last(const struct text *t)
{
	return t->n ? t->p[t->n - 1] : '\0';
}

static void text_add(struct text *t, struct str s, bool blank)
{
	blank = blank && t->n;
	t->full = t->full || t->n + blank + s.n > t->size;
	if (t->full)
		return;
	if (blank)
		t->p[t->n++] = ' ';
	memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

/* In "= -5" and "(-5" the sign belongs to the literal; in "a - 5" it does not. */
static void text_drop_sign(struct text *t)
{
	size_t n = t->n;

	if (t->full || (text_last(t) != '-' && text_last(t) != '+'))
		return;
	for (n--; n && t->p[n - 1] == ' '; n--)
		;
	if (n == 0 || memchr("(,=<>[", t->p[n - 1], 6))
		t->n--;
}

static bool is_list_byte(char c)
{
	return c == '?' || c == ',' || c == ' ' || c == '$' || (c >= '0' && c <= '9');
}

static bool ends_with_in(const struct text *t, size_t n)
{
	while (n && t->p[n - 1] == ' ')
		n--;
	return n > 2 && str_eq_nocase((struct str){ t->p + n - 2, 2 }, STR("in")) && t->p[n - 3] <= ' ';
}

/* Behind a list of nothing but literals and parameters: IN (?, ?, ?) becomes IN (?), ARRAY[?, ?] becomes
 * ARRAY[?], so that their length makes no new text. */
static void text_collapse(struct text *t, char open)
{
	size_t at = t->n;
	bool several = false;

	while (at && is_list_byte(t->p[at - 1]))
		several |= t->p[--at] == ',';
	if (!several || at == 0 || t->p[at - 1] != open || (open == '(' && !ends_with_in(t, at - 1)))
		return;
	t->p[at] = '?';
	t->n = at + 1;
}

static void text_lexeme(struct text *t, const struct sql_lexeme *l)
{
	if (l->kind == SQL_LITERAL) {
		text_drop_sign(t);
		text_add(t, STR("?"), l->blank && text_last(t) != ' ');
		return;
	}
	if (l->kind == SQL_PUNCT && !t->full) {
		if (l->text.p[0] == ')')
			text_collapse(t, '(');
		else if (l->text.p[0] == ']')
			text_collapse(t, '[');
	}
	text_add(t, l->text, l->blank);
}

int sql_read(struct str query, bool backslash, struct arena *a, struct sql *out)
{
	/* No lexeme grows, and where a comment joined two words there is now a blank. */
	struct text t = { .size = MIN(query.n, (size_t)SQL_TEXT_MAX) };
	struct sql_summary s;
	struct sql_lexeme l;

	t.p = arena_alloc(a, t.size + 1);
	if (!t.p)
		return -ENOMEM;
	sql_summary_init(&s);
	while (sql_scan(&query, backslash, &l)) {
		text_lexeme(&t, &l);
		sql_summary_feed(&s, &l);
	}
	*out = (struct sql){ .text = { t.p, t.n } };
	return sql_summary_end(&s, a, out);
}
