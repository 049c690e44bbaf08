/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's protocol 3.0 and 3.2 (manual, "Frontend/Backend Protocol").
 *
 * In:  bytes of either direction. Out: one request per Query, per extended batch up to its Sync, and per
 * startup; one response up to ReadyForQuery. */
#include "proto/postgresql.h"

#include "proto/postgresql_frame.h"

/* SSLRequest and GSSENCRequest are answered by one byte. */
static ssize_t parse_encryption(struct pg *s, char answer, struct msg *out)
{
	s->asked_encryption = false;
	out->handoff = answer != 'N';
	return 1;
}

static ssize_t pg_parse(void *state, const struct proto_options *opt, enum dir dir, struct str in,
			struct msg *out)
{
	struct pg *s = state;

	(void)opt;
	if (in.n == 0)
		return 0;
	if (dir == DIR_REQUEST)
		return pg_parse_request(s, in, out);
	if (s->asked_encryption && memchr("SGN", in.p[0], 3))
		return parse_encryption(s, in.p[0], out);
	return pg_parse_answer(s, in, out);
}

static void pg_resync(void *state, enum dir dir)
{
	struct pg *s = state;

	if (dir == DIR_REQUEST) {
		s->copying = false;
		pg_drop_batch(s);
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
