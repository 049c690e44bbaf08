/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: RESP2 and RESP3.
 *
 * In:  bytes of either direction. Out: one message per command and per reply, pipelined or not; commands with
 * their keys and without their values. */
#include "proto/db.h"
#include "proto/redis.h"

static ssize_t redis_parse(void *state, const struct proto_options *opt, enum dir dir, struct str in,
			   struct msg *out)
{
	struct redis *s = state;

	(void)opt;
	if (in.n == 0)
		return 0;
	return dir == DIR_REQUEST ? redis_parse_request(s, in, out) : redis_parse_reply(s, in, out);
}

static void redis_resync(void *state, enum dir dir)
{
	struct redis *s = state;

	s->select_at = 0;
	s->quiet_next = false;
	if (dir == DIR_REQUEST) {
		s->in_command = false;
		return;
	}
	s->in_reply = false;
	s->confirms = 0;
}

static int redis_sniff(struct str head, enum dir dir)
{
	if (head.n == 0)
		return -EAGAIN;
	return dir == DIR_REQUEST ? redis_sniff_request(head) : redis_sniff_reply(head);
}

static int redis_describe(const struct exchange *x, const struct proto_options *opt, struct span *sp)
{
	const struct redis_request *q = x->request.data;
	const struct redis_reply *r = x->response.data;
	struct db_call call = { .system = "redis", .returned_rows = -1, .batch_size = -1, .cut = x->request.cut };

	(void)opt;
	sp->protocol = "redis";
	if (q) {
		call.operation = arena_dup(&sp->arena, q->operation);
		call.text = arena_dup(&sp->arena, q->text);
		if (q->db)
			call.namespace = arena_printf(&sp->arena, "%d", q->db - 1);
	}
	if (r && r->failed) {
		call.status_code = arena_dup(&sp->arena, (struct str){ r->error, r->error_n });
		call.error = r->error_n ? call.status_code : STR("_OTHER");
	}
	return db_describe(x, &call, sp);
}

const struct proto proto_redis = {
	.name = "redis",
	.ports = { 6379 },
	.state_size = sizeof(struct redis),
	.sniff = redis_sniff,
	.parse = redis_parse,
	.resync = redis_resync,
	.describe = redis_describe,
};
