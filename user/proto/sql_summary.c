/* SPDX-License-Identifier: Apache-2.0 */
/* sql_summary.h: a table of words and what each does to the reader. */
#include "proto/sql_summary.h"

#include <strings.h>

enum action {
	A_COMMAND,		/* a statement that begins with it is summed up by the word alone */
	A_COMMAND_TABLE,	/* ... and by the table behind it */
	A_CALL,			/* ... and by the procedure behind it */
	A_DEFINE,		/* ... and by the kind of object and its name */
	A_SELECT,
	A_CHANGE,		/* INSERT, MERGE: the table stands behind INTO */
	A_DELETE,		/* the table stands behind FROM */
	A_UPDATE,		/* the table stands behind it */
	A_WITH,
	A_PREFIX,		/* a command that another one follows */
	A_DISTINCT, A_FROM, A_JOIN, A_INTO, A_USING,
	A_LIST_END,		/* no FROM list goes on behind it */
	A_SKIP,			/* stands between a word of the table and the name */
	A_OBJECT, A_OBJECT_TABLE,	/* what CREATE, ALTER and DROP are applied to */
	A_NONE,
};

#define WORD_MAX 12
/* Sorted: word_action() halves. */
static const struct keyword {
	char word[WORD_MAX + 1];
	uint8_t action;
} keywords[] = {
	{ "abort", A_COMMAND }, { "all", A_SKIP }, { "alter", A_DEFINE }, { "analyze", A_PREFIX },
	{ "begin", A_COMMAND }, { "call", A_CALL }, { "checkpoint", A_COMMAND }, { "close", A_COMMAND },
	{ "cluster", A_COMMAND }, { "comment", A_COMMAND }, { "commit", A_COMMAND }, { "concurrently", A_SKIP },
	{ "copy", A_COMMAND_TABLE }, { "create", A_DEFINE }, { "database", A_OBJECT }, { "deallocate", A_COMMAND },
	{ "declare", A_PREFIX }, { "delete", A_DELETE }, { "discard", A_COMMAND }, { "distinct", A_DISTINCT },
	{ "do", A_COMMAND }, { "drop", A_DEFINE }, { "end", A_COMMAND }, { "except", A_LIST_END }, { "execute", A_COMMAND },
	{ "exists", A_SKIP }, { "explain", A_PREFIX }, { "extension", A_OBJECT }, { "fetch", A_COMMAND },
	{ "for", A_LIST_END }, { "foreign", A_SKIP }, { "from", A_FROM }, { "full", A_SKIP }, { "function", A_OBJECT },
	{ "global", A_SKIP }, { "grant", A_COMMAND }, { "group", A_LIST_END }, { "having", A_LIST_END },
	{ "if", A_SKIP }, { "import", A_COMMAND }, { "index", A_OBJECT }, { "insert", A_CHANGE },
	{ "intersect", A_LIST_END }, { "into", A_INTO }, { "join", A_JOIN }, { "lateral", A_SKIP },
	{ "limit", A_LIST_END }, { "listen", A_COMMAND }, { "load", A_COMMAND }, { "local", A_SKIP },
	{ "lock", A_COMMAND_TABLE }, { "materialized", A_SKIP }, { "merge", A_CHANGE }, { "move", A_COMMAND },
	{ "not", A_SKIP }, { "notify", A_COMMAND }, { "offset", A_LIST_END }, { "on", A_SKIP }, { "only", A_SKIP },
	{ "or", A_SKIP }, { "order", A_LIST_END }, { "policy", A_OBJECT }, { "prepare", A_PREFIX },
	{ "procedure", A_OBJECT }, { "publication", A_OBJECT }, { "reassign", A_COMMAND }, { "recursive", A_SKIP },
	{ "refresh", A_COMMAND }, { "reindex", A_COMMAND }, { "release", A_COMMAND }, { "replace", A_SKIP },
	{ "reset", A_COMMAND }, { "returning", A_LIST_END }, { "revoke", A_COMMAND }, { "role", A_OBJECT },
	{ "rollback", A_COMMAND }, { "savepoint", A_COMMAND }, { "schema", A_OBJECT }, { "security", A_COMMAND },
	{ "select", A_SELECT }, { "sequence", A_OBJECT }, { "server", A_OBJECT }, { "set", A_COMMAND },
	{ "show", A_COMMAND }, { "start", A_COMMAND }, { "subscription", A_OBJECT }, { "table", A_OBJECT_TABLE },
	{ "temp", A_SKIP }, { "temporary", A_SKIP }, { "trigger", A_OBJECT }, { "truncate", A_COMMAND_TABLE },
	{ "type", A_OBJECT }, { "union", A_LIST_END }, { "unique", A_SKIP }, { "unlisten", A_COMMAND },
	{ "unlogged", A_SKIP }, { "update", A_UPDATE }, { "user", A_OBJECT }, { "using", A_USING },
	{ "vacuum", A_COMMAND }, { "values", A_COMMAND }, { "view", A_OBJECT_TABLE }, { "where", A_LIST_END },
	{ "window", A_LIST_END }, { "with", A_WITH },
};

static enum action word_action(struct str w)
{
	size_t low = 0, high = ARRAY_SIZE(keywords);

	if (w.n > WORD_MAX)
		return A_NONE;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strncasecmp(w.p, keywords[mid].word, w.n);

		if (order == 0 && keywords[mid].word[w.n] == '\0')
			return keywords[mid].action;
		if (order > 0)
			low = mid + 1;
		else
			high = mid;
	}
	return A_NONE;
}

static uint64_t depth_bit(const struct sql_summary *s)
{
	return 1ull << MIN(s->depth, (unsigned)SQL_DEPTH_MAX);
}

/* Never cut within a name: what does not fit ends the summary. */
static void add_text(struct sql_summary *s, struct str w)
{
	s->full = s->full || s->n + 1 + w.n > sizeof(s->text);
	if (s->full)
		return;
	if (s->n)
		s->text[s->n++] = ' ';
	memcpy(s->text + s->n, w.p, w.n);
	s->n += w.n;
}

/* Appends to one of the fixed strings; false when there is no room. */
static bool add_part(char *to, size_t *n, struct str w)
{
	if (*n + w.n > SQL_NAME_MAX)
		return false;
	memcpy(to + *n, w.p, w.n);
	*n += w.n;
	return true;
}

static void set_part(char *to, size_t *n, struct str w)
{
	*n = 0;
	add_part(to, n, w);
}

static void expect_target(struct sql_summary *s, enum sql_target kind)
{
	s->expect = SQL_TARGET;
	s->target = kind;
}

static void begin_operation(struct sql_summary *s, struct str w)
{
	add_text(s, w);
	if (s->depth || s->begun)
		return;
	s->begun = true;
	s->statements++;
	set_part(s->operation, &s->operation_n, w);
}

static bool is_cte(const struct sql_summary *s, struct str name)
{
	for (size_t i = 0; i < s->n_ctes; i++)
		if (str_eq_nocase(s->ctes[i], name))
			return true;
	return false;
}

static void add_collection(struct sql_summary *s, struct str name)
{
	struct str known = { s->collection, s->collection_n };

	if (s->collections && str_eq(known, name))
		return;
	s->collections++;
	set_part(s->collection, &s->collection_n, name);
}

/* The name is complete; `call`: a parenthesis follows it. */
static void end_name(struct sql_summary *s, bool call)
{
	struct str name = { s->name, s->name_n };

	s->in_name = false;
	if (name.n == 0 || (s->target == SQL_SOURCE && call) || is_cte(s, name))
		return;
	add_text(s, name);
	if (s->target == SQL_PROCEDURE)
		set_part(s->procedure, &s->procedure_n, name);
	else if (s->target != SQL_OTHER)
		add_collection(s, name);
}

static void begin_name(struct sql_summary *s, struct str w)
{
	s->expect = SQL_NOTHING;
	s->in_name = true;
	s->dot = false;
	s->name_n = 0;
	add_part(s->name, &s->name_n, w);
}

/* schema.table: true when the lexeme belongs to the name. */
static bool continue_name(struct sql_summary *s, const struct sql_lexeme *l)
{
	bool dot = l->kind == SQL_PUNCT && l->text.p[0] == '.';
	bool part = l->kind == SQL_WORD || l->kind == SQL_QUOTED;

	if (s->dot ? !part : !dot)
		return false;
	s->dot = dot;
	if (s->name_n && !add_part(s->name, &s->name_n, l->text))
		s->name_n = 0;	/* too long: no name at all */
	return true;
}

static void begin_statement(struct sql_summary *s)
{
	s->expect = SQL_STATEMENT;
	s->depth = s->with_depth = 0;
	s->selects = s->lists = 0;
	s->n_ctes = 0;
	s->begun = s->deaf = s->verb = s->prefixed = s->changes = false;
}

static void feed_punct(struct sql_summary *s, char c)
{
	if (c == ';') {
		begin_statement(s);
		return;
	}
	if (s->expect != SQL_STATEMENT)
		s->expect = SQL_NOTHING;
	if (c == '(') {
		s->depth++;
		s->selects &= ~depth_bit(s);
		s->lists &= ~depth_bit(s);
		s->verb = true;
	} else if (c == ')') {
		s->depth -= s->depth > 0;
		s->verb = true;	/* WITH a AS (...) UPDATE */
	} else if (c == ',' && (s->lists & depth_bit(s))) {
		expect_target(s, SQL_SOURCE);
	} else if (c == ',' && s->with_depth == s->depth + 1) {
		s->expect = SQL_CTE;
	}
}

/* CREATE, ALTER, DROP: the kind of object is part of the operation's name, as in PostgreSQL's command tags
 * ("CREATE TABLE"). */
static void feed_object(struct sql_summary *s, struct str w, enum action a)
{
	if (a == A_SKIP)
		return;
	s->expect = SQL_NOTHING;
	s->deaf = a != A_OBJECT_TABLE;
	if (a != A_OBJECT && a != A_OBJECT_TABLE)
		return;
	add_text(s, w);
	add_part(s->operation, &s->operation_n, STR(" "));
	add_part(s->operation, &s->operation_n, w);
	expect_target(s, a == A_OBJECT_TABLE ? SQL_TABLE : SQL_OTHER);
}

static bool is_verb(const struct sql_summary *s, enum action a)
{
	if (a == A_SELECT)
		return true;
	/* Not in FOR UPDATE, ON DELETE CASCADE, AFTER INSERT. */
	return (a == A_CHANGE || a == A_DELETE || a == A_UPDATE) && (s->verb || s->expect == SQL_STATEMENT);
}

/* Operations that may also stand inside of a statement. */
static void feed_verb(struct sql_summary *s, struct str w, enum action a)
{
	s->expect = SQL_NOTHING;
	begin_operation(s, w);
	s->prefixed = false;
	if (s->with_depth == s->depth + 1)
		s->with_depth = 0;
	s->lists &= ~depth_bit(s);
	s->changes = a == A_DELETE || a == A_CHANGE;
	if (a != A_CHANGE)
		s->selects |= depth_bit(s);
	if (a == A_UPDATE)
		expect_target(s, SQL_TABLE);
}

/* The first word of a statement that is no verb. Behind most of them words mean other things (GRANT SELECT
 * ON t, FETCH FROM cursor): no more is read. */
static void feed_command(struct sql_summary *s, struct str w, enum action a)
{
	s->expect = SQL_NOTHING;
	s->deaf = a == A_COMMAND || a == A_CALL;
	s->prefixed = a == A_PREFIX;
	switch (a) {
	case A_COMMAND:
	case A_PREFIX:
		break;
	case A_COMMAND_TABLE:
	case A_OBJECT_TABLE:	/* TABLE t is short for SELECT * FROM t */
		expect_target(s, SQL_TABLE);
		break;
	case A_CALL:
		expect_target(s, SQL_PROCEDURE);
		break;
	case A_DEFINE:
		s->expect = SQL_OBJECT;
		break;
	default:
		s->deaf = true;	/* not SQL that we know */
		return;
	}
	begin_operation(s, w);
}

static void feed_clause(struct sql_summary *s, enum action a)
{
	bool select = s->selects & depth_bit(s);

	switch (a) {
	case A_FROM:	/* not in EXTRACT(YEAR FROM t), a IS DISTINCT FROM b */
		if (!select || s->last == A_DISTINCT)
			return;
		s->lists |= depth_bit(s);
		expect_target(s, SQL_SOURCE);
		return;
	case A_JOIN:
		if (select)
			expect_target(s, SQL_SOURCE);
		return;
	case A_INTO:
		expect_target(s, SQL_TABLE);
		return;
	case A_USING:	/* DELETE ... USING t, MERGE ... USING t; not JOIN ... USING (column) */
		if (!s->changes)
			return;
		s->lists |= depth_bit(s);
		expect_target(s, SQL_SOURCE);
		return;
	case A_WITH:
		s->with_depth = s->depth + 1;
		s->expect = SQL_CTE;
		return;
	case A_LIST_END:
		s->lists &= ~depth_bit(s);
		return;
	default:
		return;
	}
}

static void feed_cte(struct sql_summary *s, struct str w, enum action a)
{
	if (a == A_SKIP)
		return;		/* RECURSIVE */
	s->expect = SQL_NOTHING;
	if (s->n_ctes < SQL_CTES_MAX)
		s->ctes[s->n_ctes++] = w;
}

static void feed_word(struct sql_summary *s, struct str w)
{
	enum action a = word_action(w);

	if (s->expect == SQL_OBJECT)
		feed_object(s, w, a);
	else if (s->expect == SQL_CTE)
		feed_cte(s, w, a);
	else if (s->expect == SQL_TARGET && (a == A_SKIP || a == A_OBJECT_TABLE))
		;	/* TRUNCATE TABLE ONLY t */
	else if (s->expect == SQL_TARGET)
		begin_name(s, w);
	else if (is_verb(s, a))
		feed_verb(s, w, a);
	else if (s->expect == SQL_STATEMENT && a != A_WITH)
		feed_command(s, w, a);
	else
		feed_clause(s, a);
	s->last = a;
}

void sql_summary_init(struct sql_summary *s)
{
	memset(s, 0, offsetof(struct sql_summary, text));
	s->last = A_NONE;
	begin_statement(s);
}

void sql_summary_feed(struct sql_summary *s, const struct sql_lexeme *l)
{
	bool end = l->kind == SQL_PUNCT && l->text.p[0] == ';';

	if (s->in_name) {
		if (continue_name(s, l))
			return;
		end_name(s, l->kind == SQL_PUNCT && l->text.p[0] == '(');
	}
	if (s->deaf && s->expect != SQL_TARGET && !end)
		return;
	if (l->kind == SQL_WORD) {
		feed_word(s, l->text);
		s->verb = s->prefixed;
		return;
	}
	s->last = A_NONE;
	s->verb = s->prefixed;
	if (l->kind == SQL_PUNCT)
		feed_punct(s, l->text.p[0]);
	else if (l->kind == SQL_QUOTED && s->expect == SQL_TARGET)
		begin_name(s, l->text);
	else if (l->kind == SQL_QUOTED && s->expect == SQL_CTE)
		feed_cte(s, l->text, A_NONE);
	else
		s->expect = SQL_NOTHING;
}

int sql_summary_end(struct sql_summary *s, struct arena *a, struct sql *out)
{
	bool one = s->statements == 1;

	if (s->in_name)
		end_name(s, false);
	out->statements = s->statements;
	out->summary = arena_dup(a, (struct str){ s->text, s->n });
	if (!out->summary.p)
		return -ENOMEM;
	if (one)
		out->operation = arena_dup(a, (struct str){ s->operation, s->operation_n });
	if (one && s->collections == 1)
		out->collection = arena_dup(a, (struct str){ s->collection, s->collection_n });
	if (one && s->procedure_n)
		out->procedure = arena_dup(a, (struct str){ s->procedure, s->procedure_n });
	return one && !out->operation.p ? -ENOMEM : 0;
}
