/* SPDX-License-Identifier: Apache-2.0 */
/* What a message costs in user space: prints "<ns> ns per ..." lines, the best of several rounds. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "proto/http1.h"
#include "proto/list.h"
#include "span/route.h"

#define ROUNDS 9
#define LOOPS 50000

static const char request[] =
	"GET /api/v1/users/42/orders?limit=20&cursor=abcdef HTTP/1.1\r\nHost: shop.example.com:8080\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
	"Connection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n"
	"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
static const char response[] =
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 10:00:00 GMT\r\n"
	"Content-Type: application/json\r\nContent-Length: 200\r\nConnection: keep-alive\r\n\r\n";

struct bench {
	struct http1_state state;
	struct proto_options opt;
	struct conn_facts facts;
	struct exchange x;
	struct routes *routes;
};

static void parse(struct bench *b, enum dir dir, struct str in, struct side *side)
{
	struct msg m = { .arena = &side->arena };

	if (proto_http1.parse(&b->state, &b->opt, dir, in, &m) <= 0 || !m.data)
		abort();
	side->data = m.data;
}

static void bench_request(struct bench *b)
{
	struct side side = { 0 };

	parse(b, DIR_REQUEST, (struct str){ request, sizeof(request) - 1 }, &side);
	arena_release(&side.arena);
	b->state.responses = b->state.requests;
}

static void bench_response(struct bench *b)
{
	struct side side = { 0 };

	parse(b, DIR_RESPONSE, (struct str){ response, sizeof(response) - 1 }, &side);
	arena_release(&side.arena);
}

static void bench_describe(struct bench *b)
{
	struct span *sp;

	if (span_new(&sp) || proto_http1.describe(&b->x, &b->opt, sp))
		abort();
	span_free(sp);
}

static void bench_route(struct bench *b)
{
	char buf[128];

	routes_match(b->routes, 1, STR("/api/v1/users/42/orders"), buf, sizeof(buf));
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

int main(void)
{
	struct bench b = { .facts = { .family = AF_INET, .role = ROLE_PASSIVE, .local_port = 8080, .peer_port = 40000 } };
	char what[64];

	inet_pton(AF_INET, "10.0.0.1", b.facts.local_addr);
	inet_pton(AF_INET, "10.0.0.2", b.facts.peer_addr);
	b.x = (struct exchange){ .proto = &proto_http1, .facts = &b.facts };
	if (routes_new(&b.routes, 1000, 20))
		return 1;
	snprintf(what, sizeof(what), "HTTP message parsed (request, %zu bytes)", sizeof(request) - 1);
	run(what, bench_request, &b);
	snprintf(what, sizeof(what), "HTTP message parsed (response, %zu bytes)", sizeof(response) - 1);
	run(what, bench_response, &b);
	parse(&b, DIR_REQUEST, (struct str){ request, sizeof(request) - 1 }, &b.x.request);
	parse(&b, DIR_RESPONSE, (struct str){ response, sizeof(response) - 1 }, &b.x.response);
	run("HTTP server span described", bench_describe, &b);
	b.facts.role = ROLE_ACTIVE;
	run("HTTP client span described", bench_describe, &b);
	run("route matched", bench_route, &b);
	arena_release(&b.x.request.arena);
	arena_release(&b.x.response.arena);
	routes_free(b.routes);
	return 0;
}
