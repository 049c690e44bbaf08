/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL, server to client: one response up to its ReadyForQuery, or to the error that closes the
 * connection. Rows are skipped, never kept. */
#include "proto/postgresql.h"

#include "proto/postgresql_frame.h"

#define ANSWER_BYTES 4096	/* what is waited for of a long error or row description */

/* Tags: "SELECT 5", "INSERT 0 1", "CREATE TABLE". The number is of rows returned only where rows came. */
static void read_tag(struct pg *s, struct str body)
{
	struct str tag = pg_take_text(&body), part;
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
	struct str name = pg_take_text(&body);

	if (str_eq(name, STR("standard_conforming_strings")))
		s->backslash = str_eq(pg_take_text(&body), STR("off"));
}

/* True when the response ends with it. */
static bool answer_frame(struct pg *s, const struct pg_frame *f, struct msg *out)
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

static bool answer_is_enough(const struct pg_frame *f, enum pg_class class, bool cut)
{
	return f->whole || cut || class == PG_FRAME_BULK || f->body.n >= ANSWER_BYTES;
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

ssize_t pg_parse_answer(struct pg *s, struct str in, struct msg *out)
{
	size_t used = 0;
	struct pg_frame f;

	while (used < in.n && !out->end) {
		struct str rest = { in.p + used, in.n - used };
		int got = pg_read_frame(rest, &f);
		enum pg_class class = got == 1 ? pg_backend_class(f.type) : PG_FRAME_ANSWER;

		if (got < 0 || class == PG_FRAME_BAD) {
			if (used == 0)
				return -EPROTO;
			break;
		}
		if (got == 0 || !answer_is_enough(&f, class, out->cut))
			break;
		if (!s->in_response && class == PG_FRAME_ASYNC) {
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
