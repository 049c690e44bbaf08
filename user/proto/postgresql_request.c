/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL, client to server: one request per Query, per extended batch up to its Sync, and per startup.
 * Passwords and parameters are skipped, never kept. */
#include "proto/postgresql.h"

#include "proto/postgresql_frame.h"

#define HEAD_BYTES 256		/* names in Bind, Describe, Execute */

static struct pg_request *new_request(const struct pg *s, enum pg_call call, struct arena *a)
{
	struct pg_request *q = arena_alloc(a, sizeof(*q));

	if (!q)
		return NULL;
	q->call = call;
	q->backslash = s->backslash;
	q->database = arena_dup(a, (struct str){ s->database, s->database_n });
	return q;
}

static void whole_request(struct msg *out, struct pg_request *q)
{
	out->kind = q && q->call == PG_CANCEL ? MSG_ONEWAY : MSG_REQUEST;
	out->begin = out->end = true;
	out->data = q;
}

static void set_database(struct pg *s, struct str name)
{
	s->database_n = MIN(name.n, sizeof(s->database));
	memcpy(s->database, name.p, s->database_n);
}

/* Pairs of strings; the database's name is the user's unless it is given (StartupMessage). */
static void read_startup(struct pg *s, struct str body)
{
	struct str key, value, user = { 0 }, database = { 0 };

	while (take_cstr(&body, &key) && key.n && take_cstr(&body, &value)) {
		if (str_eq(key, STR("user")))
			user = value;
		else if (str_eq(key, STR("database")))
			database = value;
	}
	if (database.n || user.n)
		set_database(s, database.n ? database : user);
}

/* Messages without a type byte: they begin a connection. */
static ssize_t parse_untyped(struct pg *s, struct str in, struct msg *out)
{
	uint32_t len, code;
	struct str body = in;

	if (!take_u32be(&body, &len) || !take_u32be(&body, &code))
		return out->cut ? -EPROTO : 0;
	if (len < 8 || len > PG_STARTUP_MAX)
		return -EPROTO;
	if (code == PG_CODE_SSL || code == PG_CODE_GSSENC) {
		s->asked_encryption = true;
		return len == 8 ? 8 : -EPROTO;
	}
	if (code == PG_CODE_CANCEL) {
		whole_request(out, new_request(s, PG_CANCEL, out->arena));
		return len;
	}
	if (!pg_is_startup(code))
		return -EPROTO;
	if (in.n < len && !out->cut)
		return 0;
	body.n = MIN(body.n, (size_t)len - 8);
	read_startup(s, body);
	out->partial = in.n < len;
	whole_request(out, new_request(s, PG_STARTUP, out->arena));
	return len;
}

static ssize_t parse_query(struct pg *s, const struct pg_frame *f, struct msg *out)
{
	struct str body = f->body;
	struct pg_request *q;

	if (!f->whole && !out->cut && body.n < PG_TEXT_MAX)
		return 0;
	q = new_request(s, f->type == 'Q' ? PG_QUERY : PG_FUNCTION, out->arena);
	if (q && f->type == 'Q') {
		struct str text = pg_take_text(&body);

		text.n = MIN(text.n, (size_t)PG_TEXT_MAX);
		q->texts[0].text = arena_dup(out->arena, text);
		q->texts[0].executed = q->executed = q->n_texts = 1;
	}
	out->partial = !f->whole && body.n < PG_TEXT_MAX && out->cut;
	whole_request(out, q);
	s->copying = false;
	return (ssize_t)f->size;
}

static bool need_statements(struct pg *s)
{
	if (!s->statements)
		s->statements = calloc(1, sizeof(*s->statements));
	return s->statements;
}

/* A text once, however often it is executed. */
static void add_text(struct pg *s, struct str text, uint32_t executed)
{
	struct pg_request *b = &s->batch;
	uint32_t i = 0;

	while (i < b->n_texts && !str_eq(b->texts[i].text, text))
		i++;
	if (text.n == 0 || i == PG_TEXTS_MAX)
		return;
	if (i == b->n_texts) {
		text = arena_dup(&s->arena, text);
		if (!text.p)
			return;
		b->texts[b->n_texts++].text = text;
	}
	b->texts[i].executed += executed;
}

/* One message of a batch. Bodies: manual, "Message Formats". */
static void batch_frame(struct pg *s, const struct pg_frame *f)
{
	struct str body = f->body, name;

	s->copying = f->type == 'd' || f->type == 'c' || f->type == 'f';
	if (s->copying || f->type == 'H' || f->type == 'S' || !need_statements(s))
		return;
	name = pg_take_text(&body);
	switch (f->type) {
	case 'P':
		s->parsed = pg_prepare(s->statements, name, pg_take_text(&body));
		break;
	case 'B':
		s->bound = pg_bind(s->statements, name, pg_take_text(&body));
		break;
	case 'E':
		s->batch.executed++;
		add_text(s, pg_portal_text(s->statements, name), 1);
		break;
	case 'C':
		if (name.n && name.p[0] == 'S')
			pg_forget(s->statements, (struct str){ name.p + 1, name.n - 1 });
		break;
	}
}

/* How much of an incomplete message is worth waiting for. */
static bool frame_is_enough(const struct pg_frame *f)
{
	switch (f->type) {
	case 'P':
		return f->body.n >= PG_TEXT_MAX + HEAD_BYTES;
	case 'd':
		return true;
	default:
		return f->body.n >= HEAD_BYTES;
	}
}

void pg_drop_batch(struct pg *s)
{
	s->in_batch = false;
	s->batch = (struct pg_request){ 0 };
	s->parsed = s->bound = 0;
	arena_release(&s->arena);
}

/* Hands over what the batch is known to do. */
static void finish_batch(struct pg *s, struct msg *out)
{
	struct pg_request *q;

	if (s->batch.executed == 0 && out->partial && s->bound) {
		s->batch.executed = 1;	/* what is bound will be executed: only the end was not captured */
		add_text(s, pg_text(s->statements, s->bound), 1);
	} else if (s->batch.executed == 0 && s->parsed) {
		add_text(s, pg_text(s->statements, s->parsed), 0);
	}
	q = new_request(s, PG_BATCH, out->arena);
	if (q) {
		s->batch.call = PG_BATCH;
		s->batch.backslash = q->backslash;
		s->batch.database = q->database;
		*q = s->batch;
		arena_absorb(out->arena, &s->arena);
	}
	out->data = q;
	pg_drop_batch(s);
}

static ssize_t parse_batch(struct pg *s, struct str in, struct msg *out)
{
	size_t used = 0;
	struct pg_frame f;

	out->kind = MSG_REQUEST;
	out->begin = !s->in_batch;
	while (used < in.n && !out->end) {
		struct str rest = { in.p + used, in.n - used };
		int got = pg_read_frame(rest, &f);
		enum pg_class class = got == 1 ? pg_frontend_class(f.type) : PG_FRAME_BATCH;

		if (got < 0 || (class != PG_FRAME_BATCH && class != PG_FRAME_SYNC && class != PG_FRAME_COPY)) {
			if (used == 0)
				return -EPROTO;
			break;		/* the next step looks at it */
		}
		if (got == 0 || (!f.whole && !out->cut && !frame_is_enough(&f)))
			break;
		batch_frame(s, &f);
		used += f.size;
		out->end = class == PG_FRAME_SYNC;
	}
	out->partial = out->cut && !out->end;
	s->in_batch = used || out->partial || !out->begin;
	if (out->end || out->partial)
		finish_batch(s, out);
	return (ssize_t)(out->partial ? in.n : used);
}

ssize_t pg_parse_request(struct pg *s, struct str in, struct msg *out)
{
	struct pg_frame f;
	int got;

	if (in.p[0] == '\0' && !s->in_batch)
		return parse_untyped(s, in, out);
	got = pg_read_frame(in, &f);
	if (got < 0 || (got == 0 && !out->cut))
		return got;
	if (got == 0)
		return s->in_batch ? parse_batch(s, in, out) : -EPROTO;
	switch (pg_frontend_class(f.type)) {
	case PG_FRAME_QUERY:
	case PG_FRAME_FUNCTION:
		pg_drop_batch(s);
		return parse_query(s, &f, out);
	case PG_FRAME_SYNC:
		/* While a COPY runs the first Sync is ignored; libpq sends another one behind the data. */
		if (s->copying && !s->in_batch) {
			s->copying = false;
			return (ssize_t)f.size;
		}
		return parse_batch(s, in, out);
	case PG_FRAME_BATCH:
		/* libpq sends a Flush behind a Sync: it asks for nothing. */
		return f.type == 'H' && !s->in_batch ? (ssize_t)f.size : parse_batch(s, in, out);
	case PG_FRAME_COPY:
		if (s->in_batch)
			return parse_batch(s, in, out);
		s->copying = true;
		return (ssize_t)f.size;
	case PG_FRAME_QUIET:
		return (ssize_t)f.size;
	default:
		return -EPROTO;
	}
}
