/* SPDX-License-Identifier: Apache-2.0 */
/* What a database message costs in user space: prints "<ns> ns per ..." lines, the best of several rounds. */
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "proto/list.h"
#include "proto/sql.h"

#define ROUNDS 9
#define LOOPS 50000

#define BYTES(literal) { literal, sizeof(literal) - 1 }
static const struct str pg_extended = BYTES(
	"P\0\0\0\x66\0SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = $1 AND u.a = 1\0\0\0"
	"B\0\0\0\x11\0\0\0\0\0\x01\0\0\0\x01" "5\0\0D\0\0\0\x06P\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04");
static const struct str pg_simple = BYTES("Q\0\0\0\x31SELECT name FROM users WHERE id IN (1, 2, 3)\0");
static const struct str pg_rows = BYTES(
	"T\0\0\0\x1d\0\x01name\0\0\0\x40\x02\0\x02\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
	"D\0\0\0\x0d\0\x01\0\0\0\x03" "annD\0\0\0\x0d\0\x01\0\0\0\x03" "bobC\0\0\0\x0dSELECT 2\0Z\0\0\0\x05I");
static const struct str redis_set = BYTES("*5\r\n$3\r\nSET\r\n$9\r\nuser:1234\r\n$5\r\nhello\r\n$2\r\nEX\r\n$3\r\n100\r\n");
static const struct str redis_ok = BYTES("+OK\r\n");
static const struct str query = BYTES(
	"SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = 17 AND u.a = 'x' LIMIT 10");

struct bench {
	const struct proto *proto;
	void *state;
	enum dir dir;
	struct str in;
	struct conn_facts facts;
	struct exchange x;
};

static void parse(struct bench *b, struct side *side)
{
	struct msg m = { .arena = &side->arena };

	if (b->proto->parse(b->state, &(struct proto_options){ 0 }, b->dir, b->in, &m) != (ssize_t)b->in.n || !m.end)
		abort();
	side->data = m.data;
}

static void bench_parse(struct bench *b)
{
	struct side side = { 0 };

	parse(b, &side);
	arena_release(&side.arena);
}

static void bench_describe(struct bench *b)
{
	struct span *sp;

	if (span_new(&sp) || b->proto->describe(&b->x, &(struct proto_options){ 0 }, sp))
		abort();
	span_free(sp);
}

static void bench_sql(struct bench *b)
{
	struct arena a = { 0 };
	struct sql sql;

	(void)b;
	if (sql_read(query, false, &a, &sql))
		abort();
	arena_release(&a);
}

static void run(const char *what, void (*f)(struct bench *b), struct bench *b)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begin = monotonic_ns();

		for (int i = 0; i < LOOPS; i++)
			f(b);
		best = MIN(best, monotonic_ns() - begin);
	}
	printf("%8.0f ns per %s\n", (double)best / LOOPS, what);
}

static void bench_message(struct bench *b, enum dir dir, struct str in, const char *what)
{
	b->dir = dir;
	b->in = in;
	run(what, bench_parse, b);
}

static void bench_span(struct bench *b, struct str request, struct str response, const char *what)
{
	b->x = (struct exchange){ .proto = b->proto, .facts = &b->facts };
	b->dir = DIR_REQUEST;
	b->in = request;
	parse(b, &b->x.request);
	b->dir = DIR_RESPONSE;
	b->in = response;
	parse(b, &b->x.response);
	run(what, bench_describe, b);
	arena_release(&b->x.request.arena);
	arena_release(&b->x.response.arena);
}

int main(void)
{
	struct bench b = { .facts = { .family = AF_INET, .role = ROLE_ACTIVE, .peer_port = 5432 } };

	b.proto = &proto_postgresql;
	b.state = calloc(1, b.proto->state_size);
	bench_message(&b, DIR_REQUEST, pg_simple, "PostgreSQL message parsed (Query)");
	bench_message(&b, DIR_REQUEST, pg_extended, "PostgreSQL message parsed (Parse to Sync)");
	bench_message(&b, DIR_RESPONSE, pg_rows, "PostgreSQL message parsed (response, 2 rows)");
	bench_span(&b, pg_extended, pg_rows, "PostgreSQL span described");
	b.proto->done(b.state);
	free(b.state);
	b.proto = &proto_redis;
	b.state = calloc(1, b.proto->state_size);
	bench_message(&b, DIR_REQUEST, redis_set, "Redis message parsed (SET)");
	bench_message(&b, DIR_RESPONSE, redis_ok, "Redis message parsed (+OK)");
	bench_span(&b, redis_set, redis_ok, "Redis span described");
	free(b.state);
	run("SQL text of 103 bytes sanitised and summarised", bench_sql, &b);
	return 0;
}
