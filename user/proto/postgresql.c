/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's protocol 3.0 and 3.2 (manual, "Frontend/Backend Protocol").
 *
 * In:  bytes of either direction. Out: one request per Query, per extended batch up to its Sync, and per
 * startup; one response up to ReadyForQuery. Passwords, parameters and rows are skipped, never kept. */
#include "proto/postgresql.h"

#include "proto/postgresql_statements.h"

#define FRAME_MAX (1u << 30)	/* larger lengths are no messages (MaxAllocSize) */
#define STARTUP_MAX 10000	/* MAX_STARTUP_PACKET_LENGTH */
#define HEAD_BYTES 256		/* names in Bind, Describe, Execute */
#define ANSWER_BYTES 4096	/* what is waited for of a long error or row description */

struct pg {
	struct pg_statements *statements;	/* NULL until the first Parse or Bind */
	size_t database_n;
	char database[PG_DATABASE_MAX];
	bool asked_encryption;		/* SSLRequest, GSSENCRequest: one byte answers it */
	bool backslash;			/* standard_conforming_strings is off */
	bool copying;			/* the client sends data of a COPY */
	/* the batch being read */
	bool in_batch;
	struct pg_request batch;
	struct arena arena;		/* of batch */
	uint64_t parsed, bound;		/* serials of what was prepared last, bound last; 0 unknown */
	/* the response being read */
	bool in_response;
	bool rows_seen;			/* since the last CommandComplete */
	struct pg_response response;
};

/* ---- frames --------------------------------------------------------------------------------- */

struct frame {
	char type;
	size_t size;			/* with type and length: may end beyond the input */
	struct str body;		/* what there is of it */
	bool whole;
};

/* 1, 0 when the head is not there yet, -EPROTO. The length counts itself but not the type byte. */
static int read_frame(struct str in, struct frame *f)
{
	uint8_t type;
	uint32_t len;

	if (!take_u8(&in, &type) || !take_u32be(&in, &len))
		return 0;
	if (len < 4 || len > FRAME_MAX)
		return -EPROTO;
	f->type = (char)type;
	f->size = 1 + (size_t)len;
	f->whole = in.n >= len - 4;
	f->body = (struct str){ in.p, MIN(in.n, (size_t)len - 4) };
	return 1;
}

/* The string ends at its NUL or where the capture does. */
static struct str take_text(struct str *body)
{
	struct str s;

	if (take_cstr(body, &s))
		return s;
	s = *body;
	body->n = 0;
	return s;
}

enum frame_class {
	FRAME_BAD,
	FRAME_QUERY, FRAME_BATCH, FRAME_SYNC, FRAME_FUNCTION, FRAME_COPY, FRAME_QUIET,
	FRAME_ANSWER,			/* belongs to a response */
	FRAME_BULK,			/* so does this, and its content is not looked at */
	FRAME_ASYNC,			/* may come at any time */
};

static enum frame_class frontend_class(char type)
{
	static const uint8_t classes[128] = {
		['Q'] = FRAME_QUERY, ['F'] = FRAME_FUNCTION, ['S'] = FRAME_SYNC,
		['P'] = FRAME_BATCH, ['B'] = FRAME_BATCH, ['D'] = FRAME_BATCH, ['E'] = FRAME_BATCH,
		['C'] = FRAME_BATCH, ['H'] = FRAME_BATCH,
		['d'] = FRAME_COPY, ['c'] = FRAME_COPY, ['f'] = FRAME_COPY,
		['p'] = FRAME_QUIET,	/* passwords */
		['X'] = FRAME_QUIET,
	};

	return type & 0x80 ? FRAME_BAD : classes[(uint8_t)type];
}

static enum frame_class backend_class(char type)
{
	static const uint8_t classes[128] = {
		['R'] = FRAME_ANSWER, ['K'] = FRAME_ANSWER, ['v'] = FRAME_ANSWER, ['Z'] = FRAME_ANSWER,
		['T'] = FRAME_ANSWER, ['C'] = FRAME_ANSWER, ['I'] = FRAME_ANSWER, ['E'] = FRAME_ANSWER,
		['1'] = FRAME_ANSWER, ['2'] = FRAME_ANSWER, ['3'] = FRAME_ANSWER, ['n'] = FRAME_ANSWER,
		['t'] = FRAME_ANSWER, ['s'] = FRAME_ANSWER, ['G'] = FRAME_ANSWER, ['H'] = FRAME_ANSWER,
		['W'] = FRAME_ANSWER, ['c'] = FRAME_ANSWER,
		['D'] = FRAME_BULK, ['d'] = FRAME_BULK, ['V'] = FRAME_BULK,
		['N'] = FRAME_ASYNC, ['S'] = FRAME_ASYNC, ['A'] = FRAME_ASYNC,
	};

	return type & 0x80 ? FRAME_BAD : classes[(uint8_t)type];
}

/* ---- client to server ----------------------------------------------------------------------- */

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

#define CODE_CANCEL 80877102u
#define CODE_SSL 80877103u
#define CODE_GSSENC 80877104u

static bool is_startup(uint32_t code)
{
	return code >> 16 == 3 && (code & 0xffff) <= 9999;
}

/* Messages without a type byte: they begin a connection. */
static ssize_t parse_untyped(struct pg *s, struct str in, struct msg *out)
{
	uint32_t len, code;
	struct str body = in;

	if (!take_u32be(&body, &len) || !take_u32be(&body, &code))
		return out->cut ? -EPROTO : 0;
	if (len < 8 || len > STARTUP_MAX)
		return -EPROTO;
	if (code == CODE_SSL || code == CODE_GSSENC) {
		s->asked_encryption = true;
		return len == 8 ? 8 : -EPROTO;
	}
	if (code == CODE_CANCEL) {
		whole_request(out, new_request(s, PG_CANCEL, out->arena));
		return len;
	}
	if (!is_startup(code))
		return -EPROTO;
	if (in.n < len && !out->cut)
		return 0;
	body.n = MIN(body.n, (size_t)len - 8);
	read_startup(s, body);
	out->partial = in.n < len;
	whole_request(out, new_request(s, PG_STARTUP, out->arena));
	return len;
}

static ssize_t parse_query(struct pg *s, const struct frame *f, struct msg *out)
{
	struct str body = f->body;
	struct pg_request *q;

	if (!f->whole && !out->cut && body.n < PG_TEXT_MAX)
		return 0;
	q = new_request(s, f->type == 'Q' ? PG_QUERY : PG_FUNCTION, out->arena);
	if (q && f->type == 'Q') {
		struct str text = take_text(&body);

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
static void batch_frame(struct pg *s, const struct frame *f)
{
	struct str body = f->body, name;

	s->copying = f->type == 'd' || f->type == 'c' || f->type == 'f';
	if (s->copying || f->type == 'H' || f->type == 'S' || !need_statements(s))
		return;
	name = take_text(&body);
	switch (f->type) {
	case 'P':
		s->parsed = pg_prepare(s->statements, name, take_text(&body));
		break;
	case 'B':
		s->bound = pg_bind(s->statements, name, take_text(&body));
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
static bool frame_is_enough(const struct frame *f)
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

static void drop_batch(struct pg *s)
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
	drop_batch(s);
}

static ssize_t parse_batch(struct pg *s, struct str in, struct msg *out)
{
	size_t used = 0;
	struct frame f;

	out->kind = MSG_REQUEST;
	out->begin = !s->in_batch;
	while (used < in.n && !out->end) {
		struct str rest = { in.p + used, in.n - used };
		int got = read_frame(rest, &f);
		enum frame_class class = got == 1 ? frontend_class(f.type) : FRAME_BATCH;

		if (got < 0 || (class != FRAME_BATCH && class != FRAME_SYNC && class != FRAME_COPY)) {
			if (used == 0)
				return -EPROTO;
			break;		/* the next step looks at it */
		}
		if (got == 0 || (!f.whole && !out->cut && !frame_is_enough(&f)))
			break;
		batch_frame(s, &f);
		used += f.size;
		out->end = class == FRAME_SYNC;
	}
	out->partial = out->cut && !out->end;
	s->in_batch = used || out->partial || !out->begin;
	if (out->end || out->partial)
		finish_batch(s, out);
	return (ssize_t)(out->partial ? in.n : used);
}

static ssize_t parse_request(struct pg *s, struct str in, struct msg *out)
{
	struct frame f;
	int got;

	if (in.p[0] == '\0' && !s->in_batch)
		return parse_untyped(s, in, out);
	got = read_frame(in, &f);
	if (got < 0 || (got == 0 && !out->cut))
		return got;
	if (got == 0)
		return s->in_batch ? parse_batch(s, in, out) : -EPROTO;
	switch (frontend_class(f.type)) {
	case FRAME_QUERY:
	case FRAME_FUNCTION:
		drop_batch(s);
		return parse_query(s, &f, out);
	case FRAME_SYNC:
		/* While a COPY runs the first Sync is ignored; libpq sends another one behind the data. */
		if (s->copying && !s->in_batch) {
			s->copying = false;
			return (ssize_t)f.size;
		}
		return parse_batch(s, in, out);
	case FRAME_BATCH:
		/* libpq sends a Flush behind a Sync: it asks for nothing. */
		return f.type == 'H' && !s->in_batch ? (ssize_t)f.size : parse_batch(s, in, out);
	case FRAME_COPY:
		if (s->in_batch)
			return parse_batch(s, in, out);
		s->copying = true;
		return (ssize_t)f.size;
	case FRAME_QUIET:
		return (ssize_t)f.size;
	default:
		return -EPROTO;
	}
}

/* ---- server to client ----------------------------------------------------------------------- */

/* Tags: "SELECT 5", "INSERT 0 1", "CREATE TABLE". The number is of rows returned only where rows came. */
static void read_tag(struct pg *s, struct str body)
{
	struct str tag = take_text(&body), part;
	bool select = str_starts(tag, STR("SELECT")) || str_starts(tag, STR("FETCH"));
	uint64_t n;

	while (str_cut(&tag, ' ', &part))
		;
	if ((s->rows_seen || select) && str_to_u64(tag, &n) && n < INT64_MAX / 2)
		s->response.rows = MAX(s->response.rows, 0) + (s->rows_seen ? (int64_t)n : 0);
	s->rows_seen = false;
}

/* Fields of a code byte and a string each; true when the server closes the connection behind it. */
static bool read_error(struct pg *s, struct str body)
{
	bool fatal = false;
	uint8_t code;
	struct str value;

	while (take_u8(&body, &code) && code && take_cstr(&body, &value)) {
		if (code == 'C' && value.n < sizeof(s->response.sqlstate) && !s->response.failed)
			memcpy(s->response.sqlstate, value.p, value.n);
		if (code == 'V')
			fatal = str_eq(value, STR("FATAL")) || str_eq(value, STR("PANIC"));
	}
	s->response.failed = true;
	return fatal;
}

static void read_parameter(struct pg *s, struct str body)
{
	struct str name = take_text(&body);

	if (str_eq(name, STR("standard_conforming_strings")))
		s->backslash = str_eq(take_text(&body), STR("off"));
}

/* True when the response ends with it. */
static bool answer_frame(struct pg *s, const struct frame *f, struct msg *out)
{
	switch (f->type) {
	case 'C':
		read_tag(s, f->body);
		return false;
	case 'D':
		s->rows_seen = true;
		return false;
	case 'E':
		return read_error(s, f->body);
	case 'S':
		read_parameter(s, f->body);
		return false;
	case 'W':	/* CopyBothResponse: a stream of replication follows */
		out->handoff = true;
		return true;
	case 'Z':
		return true;
	default:
		return false;
	}
}

static void begin_response(struct pg *s, struct msg *out)
{
	s->in_response = out->begin = true;
	s->rows_seen = false;
	s->response = (struct pg_response){ .rows = -1 };
}

static bool answer_is_enough(const struct frame *f, enum frame_class class, bool cut)
{
	return f->whole || cut || class == FRAME_BULK || f->body.n >= ANSWER_BYTES;
}

static void give_response(struct pg *s, struct msg *out)
{
	out->kind = MSG_RESPONSE;
	out->data = arena_alloc(out->arena, sizeof(s->response));
	if (out->data)
		memcpy(out->data, &s->response, sizeof(s->response));
	if (out->end)
		s->in_response = false;
}

static ssize_t parse_answer(struct pg *s, struct str in, struct msg *out)
{
	size_t used = 0;
	struct frame f;

	while (used < in.n && !out->end) {
		struct str rest = { in.p + used, in.n - used };
		int got = read_frame(rest, &f);
		enum frame_class class = got == 1 ? backend_class(f.type) : FRAME_ANSWER;

		if (got < 0 || class == FRAME_BAD) {
			if (used == 0)
				return -EPROTO;
			break;
		}
		if (got == 0 || !answer_is_enough(&f, class, out->cut))
			break;
		if (!s->in_response && class == FRAME_ASYNC) {
			answer_frame(s, &f, out);
			return (ssize_t)f.size;
		}
		if (!s->in_response)
			begin_response(s, out);
		out->end = answer_frame(s, &f, out);
		used += f.size;
	}
	if (used || (out->cut && s->in_response))
		give_response(s, out);
	return (ssize_t)(out->cut && !out->end ? in.n : used);
}

/* SSLRequest and GSSENCRequest are answered by one byte. */
static ssize_t parse_encryption(struct pg *s, char answer, struct msg *out)
{
	s->asked_encryption = false;
	out->handoff = answer != 'N';
	return 1;
}

static ssize_t pg_parse(void *state, const struct proto_options *opt, enum dir dir, struct str in, struct msg *out)
{
	struct pg *s = state;

	(void)opt;
	if (in.n == 0)
		return 0;
	if (dir == DIR_REQUEST)
		return parse_request(s, in, out);
	if (s->asked_encryption && memchr("SGN", in.p[0], 3))
		return parse_encryption(s, in.p[0], out);
	return parse_answer(s, in, out);
}

static void pg_resync(void *state, enum dir dir)
{
	struct pg *s = state;

	if (dir == DIR_REQUEST) {
		s->copying = false;
		drop_batch(s);
		return;
	}
	s->asked_encryption = s->in_response = false;
}

static void pg_done(void *state)
{
	struct pg *s = state;

	arena_release(&s->arena);
	if (s->statements)
		pg_statements_release(s->statements);
	free(s->statements);
}

/* ---- sniffing ------------------------------------------------------------------------------- */

/* Does the body look like what the type says? Only what cannot be otherwise is checked. */
static bool frontend_plausible(const struct frame *f)
{
	struct str body = f->body;
	bool text = body.n == 0 || (body.p[0] & 0x80) || (uint8_t)body.p[0] >= '\t';

	switch (f->type) {
	case 'Q':
		return f->size > 5 && f->whole && body.n ? body.p[body.n - 1] == '\0' && (body.n == 1 || text) : text;
	case 'S': case 'H': case 'X': case 'c':
		return f->size == 5;
	case 'D': case 'C':
		return body.n == 0 || body.p[0] == 'S' || body.p[0] == 'P';
	case 'P':
		return f->size >= 9;
	case 'B':
		return f->size >= 13;
	case 'E':
		return f->size >= 10 && f->size < 300;
	default:
		return true;
	}
}

static bool backend_plausible(const struct frame *f)
{
	switch (f->type) {
	case 'Z':
		return f->size == 6 && (f->body.n == 0 || memchr("ITE", f->body.p[0], 3));
	case '1': case '2': case '3': case 'n': case 'I': case 's': case 'c':
		return f->size == 5;
	case 'E': case 'N':
		return f->body.n == 0 || f->body.p[0] == 'S';	/* the severity comes first */
	case 'C':
		return f->size < 80 && (f->body.n == 0 || (f->body.p[0] >= 'A' && f->body.p[0] <= 'Z'));
	case 'K':
		return f->size >= 13;
	default:
		return f->size > 5;
	}
}

/* Walks the messages that are there. Two that fit are sure, one is likely. */
static int sniff_frames(struct str head, enum dir dir)
{
	int whole = 0;
	struct frame f;

	while (head.n) {
		enum frame_class class;
		int got = read_frame(head, &f);

		if (got < 0)
			return 0;
		class = dir == DIR_REQUEST ? frontend_class(head.p[0]) : backend_class(head.p[0]);
		if (class == FRAME_BAD || (got == 1 && !(dir == DIR_REQUEST ? frontend_plausible(&f) : backend_plausible(&f))))
			return 0;
		if (got == 0)
			break;
		if (!f.whole)
			return whole ? 85 : f.type == 'Q' || f.type == 'P' || f.type == 'T' ? 60 : 30;
		whole++;
		str_skip(&head, f.size);
		if (dir == DIR_RESPONSE && f.type == 'Z')
			return 95;
	}
	if (whole == 0)
		return -EAGAIN;
	return whole > 1 || f.type == 'Q' ? 90 : 45;
}

static int sniff_untyped(struct str head)
{
	uint32_t len, code;

	if (head.n < 8)
		return -EAGAIN;
	take_u32be(&head, &len);
	take_u32be(&head, &code);
	if (len < 8 || len > STARTUP_MAX)
		return 0;
	if (code == CODE_SSL || code == CODE_GSSENC)
		return len == 8 ? 100 : 0;
	if (code == CODE_CANCEL)
		return 100;
	return is_startup(code) && len > 8 ? 95 : 0;
}

static int pg_sniff(struct str head, enum dir dir)
{
	if (head.n == 0)
		return -EAGAIN;
	if (dir == DIR_REQUEST && head.p[0] == '\0')
		return sniff_untyped(head);
	return sniff_frames(head, dir);
}

const struct proto proto_postgresql = {
	.name = "postgresql",
	.ports = { 5432 },
	.state_size = sizeof(struct pg),
	.sniff = pg_sniff,
	.parse = pg_parse,
	.resync = pg_resync,
	.describe = pg_describe,
	.done = pg_done,
};
