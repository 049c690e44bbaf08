/* SPDX-License-Identifier: Apache-2.0 */
/* proto/http1*.c: what real and hostile peers say, cut at every place, and what it is described as. */
#include "unit.h"

#include <arpa/inet.h>
#include <glob.h>
#include <sys/socket.h>

#include "fixture.h"
#include "proto/http1.h"
#include "proto/list.h"
#include "span/span.h"

#define MESSAGES_MAX 64

/* A small stand-in for the stream: feeds both directions by position and keeps the messages. */
struct peer {
	char *bytes;		/* not consumed yet */
	size_t n;
	uint64_t pos;		/* of bytes[0] */
	uint64_t skip;		/* bytes to pass over before the next one counts */
	struct side *open;
};
struct talk {
	struct http1_state state;
	struct proto_options opt;
	struct peer peers[DIR_COUNT];
	struct side messages[DIR_COUNT][MESSAGES_MAX];
	size_t n[DIR_COUNT];
	bool until_close, handoff;
	ssize_t error;		/* of the last parse that failed */
};

static void talk_end(struct talk *t)
{
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		free(t->peers[dir].bytes);
		for (size_t i = 0; i < t->n[dir]; i++)
			arena_release(&t->messages[dir][i].arena);
	}
}

static void keep_step(struct talk *t, enum dir dir, struct msg *m, struct arena *a, size_t used)
{
	struct peer *p = &t->peers[dir];

	if (m->begin) {
		assert_null(p->open);
		assert_true(t->n[dir] < MESSAGES_MAX);
		p->open = &t->messages[dir][t->n[dir]++];
		*p->open = (struct side){ .pos = p->pos, .seen = true };
	}
	if (p->open && m->kind != MSG_NONE) {
		if (m->data)
			p->open->data = m->data;
		p->open->end = p->pos + used;
		p->open->cut |= m->partial;
		arena_absorb(&p->open->arena, a);
	}
	if (m->end) {
		assert_non_null(p->open);
		p->open->complete = true;
		p->open = NULL;
	}
	t->until_close |= m->until_close;
	t->handoff |= m->handoff;
}

/* One step; false when there is nothing more to do with the bytes there are. */
static bool step(struct talk *t, enum dir dir, bool cut)
{
	struct peer *p = &t->peers[dir];
	struct arena a = { 0 };
	struct msg m = { .arena = &a, .cut = cut, .data = p->open ? p->open->data : NULL };
	struct str in = guarded(p->bytes, p->n);
	ssize_t used = p->n ? proto_http1.parse(&t->state, &t->opt, dir, in, &m) : 0;

	munmap((void *)((uintptr_t)in.p & ~4095ul), ((in.n + 4095) & ~4095ul) + 4096);
	if (used > 0)
		keep_step(t, dir, &m, &a, (size_t)used);
	arena_release(&a);
	if (used < 0)
		t->error = used;
	if (used <= 0)
		return false;
	p->skip = (size_t)used > p->n ? (size_t)used - p->n : 0;
	p->n -= MIN((size_t)used, p->n);
	memmove(p->bytes, p->bytes + used - p->skip, p->n);
	p->pos += (size_t)used - p->skip;
	return p->n > 0;
}

static void say_not_captured(struct talk *t, enum dir dir, uint64_t n)
{
	struct peer *p = &t->peers[dir];

	p->skip -= MIN(n, p->skip);
	p->pos += n;
}

static void say_bytes(struct talk *t, enum dir dir, struct str s, bool cut)
{
	struct peer *p = &t->peers[dir];
	uint64_t skip = MIN(p->skip, s.n);

	say_not_captured(t, dir, skip);
	str_skip(&s, skip);
	p->bytes = realloc(p->bytes, p->n + s.n + 1);
	if (s.n)
		memcpy(p->bytes + p->n, s.p, s.n);
	p->n += s.n;
	while (step(t, dir, cut))
		;
}

static void client(struct talk *t, const char *z)
{
	say_bytes(t, DIR_REQUEST, str_of(z), false);
}

static void server(struct talk *t, const char *z)
{
	say_bytes(t, DIR_RESPONSE, str_of(z), false);
}

static const struct http1_message *message(const struct talk *t, enum dir dir, size_t i)
{
	assert_true(i < t->n[dir]);
	return t->messages[dir][i].data;
}

static void assert_str(struct str s, const char *expected)
{
	if (!str_eq(s, str_of(expected)))
		fail_msg("'%.*s' is not '%s'", (int)s.n, s.p, expected);
}

static void assert_messages(const struct talk *t, size_t requests, size_t responses)
{
	assert_int_equal(t->error, 0);
	assert_int_equal(t->n[DIR_REQUEST], requests);
	assert_int_equal(t->n[DIR_RESPONSE], responses);
}

/* ---- sniffing ---- */

TEST(sniffing_knows_http_by_its_first_line)
{
	static const struct {
		const char *head;
		int request, response;
	} t[] = {
		{ "GET / HTTP/1.1\r\n", 100, 0 },
		{ "GET / HTTP/1.0\n", 100, 0 },
		{ "\r\nPOST /x HTTP/1.1\r\nHost", 100, 0 },
		{ "PURGE /x HTTP/1.1\r\n", 100, 0 },
		{ "G", -EAGAIN, 0 },
		{ "GET", -EAGAIN, 0 },
		{ "GET /abc", -EAGAIN, 0 },
		{ "GET /abc HTTP/1.1\r", -EAGAIN, 0 },
		{ "GET /abc\r\n", 0, 0 },
		{ "GET /abc HTTP/2.0\r\n", 0, 0 },
		{ "OPTIONS rtsp://h/ RTSP/1.0\r\n", 0, 0 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 0 },
		{ "get / HTTP/1.1\r\n", 0, 0 },
		{ "*1\r\n$4\r\nPING\r\n", 0, 0 },
		{ "\x16\x03\x01", 0, 0 },
		{ "GET \x01\x02", 0, 0 },
		{ "H", -EAGAIN, -EAGAIN },	/* HEAD */
		{ "HTTP/1", 0, -EAGAIN },
		{ "HTTP/1.1", 0, 100 },
		{ "HTTP/1.1 200 OK\r\n", 0, 100 },
		{ "HTTP/2 200\r\n", 0, 0 },
		{ "", -EAGAIN, -EAGAIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct str head = guarded(t[i].head, strlen(t[i].head));

		assert_int_equal(proto_http1.sniff(head, DIR_REQUEST), t[i].request);
		assert_int_equal(proto_http1.sniff(head, DIR_RESPONSE), t[i].response);
	}
}

TEST(a_target_longer_than_the_capture_is_still_http)
{
	char head[4096] = "GET /";

	memset(head + 5, 'a', sizeof(head) - 5);
	assert_int_equal(proto_http1.sniff(guarded(head, sizeof(head)), DIR_REQUEST), 90);
}

/* ---- framing ---- */

TEST(keep_alive_exchanges_follow_each_other)
{
	struct talk t = { 0 };

	for (int i = 0; i < 3; i++) {
		client(&t, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
		server(&t, "HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok");
	}
	assert_messages(&t, 3, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(message(&t, DIR_REQUEST, i)->body_bytes, 5);
		assert_int_equal(message(&t, DIR_RESPONSE, i)->body_bytes, 2);
	}
	talk_end(&t);
}

TEST(pipelined_requests_are_as_many_as_were_sent)
{
	struct talk t = { 0 };

	client(&t, "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
		   "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\n3");
	assert_messages(&t, 3, 3);
	assert_int_equal(message(&t, DIR_RESPONSE, 1)->body_bytes, 0);
	assert_int_equal(message(&t, DIR_RESPONSE, 2)->status, 404);
	assert_str(message(&t, DIR_REQUEST, 2)->url.path, "/3");
	talk_end(&t);
}

TEST(too_deep_a_pipeline_is_given_up)
{
	struct talk t = { 0 };
	char in[] = "X / HTTP/1.1\r\n\r\n";
	struct arena a = { 0 };

	for (int i = 0; i < HTTP1_PENDING_MAX; i++) {
		struct msg m = { .arena = &a };

		assert_true(proto_http1.parse(&t.state, &t.opt, DIR_REQUEST, STR("X / HTTP/1.1\r\n\r\n"), &m) > 0);
	}
	arena_release(&a);
	client(&t, in);
	assert_int_equal(t.error, -EPROTO);
	talk_end(&t);
}

TEST(chunks_end_where_the_last_one_and_its_trailers_end)
{
	struct talk t = { 0 };

	client(&t, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 3\r\n\r\n"
		   "5;name=\"v\"\r\nhello\r\nA \r\n0123456789\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n"
		   "GET / HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 204 No\r\n\r\n");
	assert_messages(&t, 2, 2);
	assert_int_equal(message(&t, DIR_REQUEST, 0)->body_bytes, 15);
	assert_int_equal(message(&t, DIR_RESPONSE, 0)->body_bytes, 0);
	assert_int_equal(message(&t, DIR_RESPONSE, 1)->status, 204);
	talk_end(&t);
}

TEST(bodies_are_passed_over_by_position)
{
	struct talk t = { 0 };

	client(&t, "PUT /big HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nfirst bytes");
	say_not_captured(&t, DIR_REQUEST, 1000000 - 11);
	client(&t, "PUT /chunked HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\nfirst bytes");
	say_not_captured(&t, DIR_REQUEST, 0x10000 - 11);
	client(&t, "\r\n0\r\n\r\n");
	assert_messages(&t, 2, 0);
	assert_int_equal(message(&t, DIR_REQUEST, 0)->body_bytes, 1000000);
	assert_int_equal(message(&t, DIR_REQUEST, 1)->body_bytes, 0x10000);
	talk_end(&t);
}

TEST(responses_without_a_body_have_none_whatever_they_claim)
{
	struct talk t = { 0 };

	client(&t, "HEAD / HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	client(&t, "GET / HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
	client(&t, "GET / HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 204 No Content\r\n\r\n");
	client(&t, "GET /last HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n");
	assert_messages(&t, 4, 4);
	assert_false(t.until_close);
	talk_end(&t);
}

TEST(interim_responses_are_not_the_answer)
{
	struct talk t = { 0 };

	client(&t, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	server(&t, "HTTP/1.1 100 Continue\r\n\r\n");
	client(&t, "ok");
	server(&t, "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
	assert_messages(&t, 1, 1);
	assert_int_equal(message(&t, DIR_RESPONSE, 0)->status, 201);
	talk_end(&t);
}

TEST(only_a_response_may_last_until_close)
{
	struct talk t = { 0 };

	client(&t, "GET / HTTP/1.0\r\n\r\n");
	server(&t, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 200 is text here");
	server(&t, " and goes on");
	assert_messages(&t, 1, 1);
	assert_true(t.until_close);
	assert_false(t.messages[DIR_RESPONSE][0].complete);
	talk_end(&t);
}

TEST(an_upgraded_connection_is_never_http_again)
{
	struct talk t = { 0 };

	client(&t, "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	server(&t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
	client(&t, "GET / HTTP/1.1\r\n\r\n");
	proto_http1.resync(&t.state, DIR_REQUEST);
	client(&t, "GET / HTTP/1.1\r\n\r\n");
	assert_messages(&t, 1, 1);
	assert_true(t.handoff);
	talk_end(&t);
}

TEST(a_refused_upgrade_leaves_http)
{
	struct talk t = { 0 };

	client(&t, "GET /ws HTTP/1.1\r\nUpgrade: h2c\r\n\r\n");
	server(&t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	client(&t, "GET / HTTP/1.1\r\n\r\n");
	assert_messages(&t, 2, 1);
	assert_false(t.handoff);
	talk_end(&t);
}

TEST(connect_hands_off_only_when_it_succeeds)
{
	struct talk t = { 0 };

	client(&t, "CONNECT h:443 HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno");
	assert_false(t.handoff);
	client(&t, "CONNECT h:443 HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\n");
	client(&t, "\x16\x03\x01 hello");
	assert_messages(&t, 2, 2);
	assert_true(t.handoff);
	talk_end(&t);
}

TEST(oddities_that_servers_tolerate_are_tolerated)
{
	struct talk t = { 0 };

	client(&t, "\r\n\nGET /lf HTTP/1.1\nHost: h\nX: 1\n\n");
	client(&t, "GET /fold HTTP/1.1\r\nUser-Agent: a\r\n\tb\r\nhOsT : h2 \r\nno colon\r\n\r\n");
	client(&t, "POST /len HTTP/1.1\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok\r\n");
	client(&t, "GET /a b HTTP/1.1\r\n\r\n");
	assert_messages(&t, 4, 0);
	assert_str(message(&t, DIR_REQUEST, 0)->url.host, "h");
	assert_str(message(&t, DIR_REQUEST, 1)->user_agent, "a  \tb");
	assert_str(message(&t, DIR_REQUEST, 1)->url.host, "h2");
	assert_int_equal(message(&t, DIR_REQUEST, 2)->body_bytes, 2);
	assert_str(message(&t, DIR_REQUEST, 3)->url.path, "/a b");
	talk_end(&t);
}

TEST(what_cannot_be_framed_is_refused)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
		"GET /\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"GET  HTTP/1.1\r\n\r\n",
		"G(T / HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02",
	};
	static const char *const responses[] = {
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1\r\n\r\n",
		"HTTPS",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(requests) + ARRAY_SIZE(responses); i++) {
		struct talk t = { 0 };

		if (i < ARRAY_SIZE(requests))
			client(&t, requests[i]);
		else
			server(&t, responses[i - ARRAY_SIZE(requests)]);
		assert_int_equal(t.error, -EPROTO);
		talk_end(&t);
	}
}

TEST(every_split_gives_the_same_messages)
{
	static const char *const said[DIR_COUNT] = {
		"\r\nPOST /a?b=c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n"
		"HEAD / HTTP/1.1\r\nUser-Agent: x\r\n y\r\n\r\nPUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;e\r\nx\r\n0\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 500 E\r\nContent-Length: 3\r\n\r\nerr",
	};

	for (size_t size = 1; size < strlen(said[DIR_RESPONSE]); size++) {
		struct talk t = { 0 };

		for (int dir = 0; dir < DIR_COUNT; dir++)
			for (struct str s = str_of(said[dir]); s.n; str_skip(&s, size))
				say_bytes(&t, (enum dir)dir, (struct str){ s.p, MIN(size, s.n) }, false);
		assert_messages(&t, 3, 3);
		assert_int_equal(message(&t, DIR_REQUEST, 0)->body_bytes, 3);
		assert_str(message(&t, DIR_REQUEST, 1)->user_agent, "x   y");
		assert_int_equal(message(&t, DIR_RESPONSE, 0)->body_bytes, 1);
		assert_int_equal(message(&t, DIR_RESPONSE, 2)->status, 500);
		assert_int_equal(message(&t, DIR_RESPONSE, 2)->body_bytes, 3);
		talk_end(&t);
	}
}

TEST(a_header_line_may_have_64_kib)
{
	struct talk t = { 0 };
	char *cookie = malloc(65537);

	memset(cookie, 'c', 65536);
	cookie[65536] = '\0';
	client(&t, "GET /x HTTP/1.1\r\nCookie: ");
	client(&t, cookie);
	client(&t, "\r\nContent-Length: 1\r\n\r\nxGET /y HTTP/1.1\r\n\r\n");
	assert_messages(&t, 2, 0);
	free(cookie);
	talk_end(&t);
}

/* ---- cut and lost ---- */

TEST(a_cut_head_keeps_what_was_seen)
{
	struct talk t = { 0 };
	const struct http1_message *m;

	say_bytes(&t, DIR_REQUEST, STR("GET /p?q=1 HTTP/1.1\r\nHost: h\r\nCookie: abcd"), true);
	assert_messages(&t, 1, 0);
	assert_true(t.messages[DIR_REQUEST][0].cut);
	m = message(&t, DIR_REQUEST, 0);
	assert_str(m->method, "GET");
	assert_str(m->url.path, "/p");
	assert_str(m->url.host, "h");
	assert_int_equal(m->body_bytes, -1);
	proto_http1.resync(&t.state, DIR_REQUEST);
	server(&t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	client(&t, "GET /next HTTP/1.1\r\n\r\n");
	assert_messages(&t, 2, 1);
	talk_end(&t);
}

TEST(a_cut_target_is_not_a_path)
{
	static const struct {
		const char *seen, *method, *path;
	} c[] = {
		{ "GE", "", "" },	     { "GET ", "GET", "" },	  { "GET /lo", "GET", "" },
		{ "GET /lo?a", "GET", "/lo" }, { "GET /lo HTTP/1.", "GET", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct talk t = { 0 };

		say_bytes(&t, DIR_REQUEST, str_of(c[i].seen), true);
		assert_messages(&t, 1, 0);
		assert_str(message(&t, DIR_REQUEST, 0)->method, c[i].method);
		assert_str(message(&t, DIR_REQUEST, 0)->url.path, c[i].path);
		assert_int_equal(message(&t, DIR_REQUEST, 0)->url.query.n, 0);
		talk_end(&t);
	}
}

TEST(a_cut_response_keeps_its_status)
{
	struct talk t = { 0 };

	client(&t, "GET / HTTP/1.1\r\n\r\n");
	say_bytes(&t, DIR_RESPONSE, STR("HTTP/1.1 503 Serv"), true);
	assert_messages(&t, 1, 1);
	assert_int_equal(message(&t, DIR_RESPONSE, 0)->status, 503);
	talk_end(&t);
}

TEST(chunks_that_were_not_captured_leave_the_size_unknown)
{
	struct talk t = { 0 };

	client(&t, "GET / HTTP/1.1\r\n\r\n");
	say_bytes(&t, DIR_RESPONSE, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10"), true);
	proto_http1.resync(&t.state, DIR_RESPONSE);
	client(&t, "HEAD /next HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
	assert_messages(&t, 2, 2);
	assert_int_equal(message(&t, DIR_RESPONSE, 0)->body_bytes, -1);
	assert_int_equal(message(&t, DIR_RESPONSE, 1)->body_bytes, 0);
	talk_end(&t);
}

TEST(a_lost_response_does_not_shift_the_ones_after_it)
{
	struct talk t = { 0 };

	client(&t, "HEAD / HTTP/1.1\r\n\r\n");
	client(&t, "GET / HTTP/1.1\r\n\r\n");
	proto_http1.resync(&t.state, DIR_RESPONSE);
	server(&t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	client(&t, "GET / HTTP/1.1\r\n\r\n");
	server(&t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	assert_messages(&t, 3, 2);
	talk_end(&t);
}

/* ---- describing ---- */

struct described {
	struct talk t;
	struct exchange x;
	struct conn_facts facts;
	struct span *sp;
};

static void describe(struct described *d, enum role role, const char *request, const char *response)
{
	d->facts = (struct conn_facts){ .family = AF_INET, .role = role, .local_port = 8080, .peer_port = 40000 };
	inet_pton(AF_INET, "10.0.0.1", d->facts.local_addr);
	inet_pton(AF_INET, "10.0.0.2", d->facts.peer_addr);
	client(&d->t, request);
	if (response)
		server(&d->t, response);
	d->x.proto = &proto_http1;
	d->x.facts = &d->facts;
	d->x.request = d->t.messages[DIR_REQUEST][0];
	d->x.response = d->t.messages[DIR_RESPONSE][0];
	assert_int_equal(span_new(&d->sp), 0);
	assert_int_equal(proto_http1.describe(&d->x, &d->t.opt, d->sp), 0);
	talk_end(&d->t);	/* the span must not need the messages any more */
}

/* NULL: there is no such attribute. */
static void assert_attr(const struct span *sp, const char *key, const char *value)
{
	const struct attr *a = span_attr(sp, key);
	char text[24];

	if (!value) {
		assert_null(a);
		return;
	}
	if (!a)
		fail_msg("no %s", key);
	snprintf(text, sizeof(text), "%lld", (long long)a->i);
	assert_str(a->type == ATTR_INT ? str_of(text) : a->s, value);
}

static void assert_dimensions(const struct span *sp, const char *const *keys, size_t n)
{
	size_t dimensions = 0;

	for (uint32_t i = 0; i < sp->n_attrs; i++)
		dimensions += sp->attrs[i].dimension;
	assert_int_equal(dimensions, n);
	for (size_t i = 0; i < n; i++)
		assert_true(span_attr(sp, keys[i]) && span_attr(sp, keys[i])->dimension);
}

#define EXAMPLE_TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

TEST(a_served_request_is_a_server_span)
{
	static const char *const dimensions[] = { "http.request.method", "url.scheme", "http.route",
						  "http.response.status_code", "network.protocol.version" };
	struct described d = { 0 };

	describe(&d, ROLE_PASSIVE,
		 "POST /users/42?token=secret HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: curl/8\r\n"
		 "Cookie: id=1\r\nAuthorization: Bearer x\r\ntraceparent: " EXAMPLE_TRACE "\r\ntracestate: a=1\r\n"
		 "tracestate: b=2\r\nContent-Length: 3\r\n\r\nabc",
		 "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found");
	http1_set_route(d.sp, STR("/users/{id}"));
	assert_int_equal(d.sp->kind, SPAN_SERVER);
	assert_int_equal(d.sp->instrument, INSTRUMENT_HTTP_SERVER);
	assert_int_equal(d.sp->status, STATUS_UNSET);
	assert_str(d.sp->name, "POST /users/{id}");
	assert_attr(d.sp, "url.path", "/users/42");
	assert_attr(d.sp, "url.query", "token=?");
	assert_attr(d.sp, "url.scheme", "http");
	assert_attr(d.sp, "server.address", "api.example.com");
	assert_attr(d.sp, "server.port", "8080");
	assert_attr(d.sp, "client.address", "10.0.0.2");
	assert_attr(d.sp, "network.peer.address", "10.0.0.2");
	assert_attr(d.sp, "network.peer.port", "40000");
	assert_attr(d.sp, "user_agent.original", "curl/8");
	assert_attr(d.sp, "http.response.status_code", "404");
	assert_attr(d.sp, "network.protocol.version", "1.1");
	assert_attr(d.sp, "error.type", NULL);
	assert_attr(d.sp, "url.full", NULL);
	assert_dimensions(d.sp, dimensions, ARRAY_SIZE(dimensions));
	assert_int_equal(d.sp->request_size, 3);
	assert_int_equal(d.sp->response_size, 9);
	assert_true(d.sp->wire.present);
	assert_str(d.sp->wire.tracestate, "a=1,b=2");
	span_free(d.sp);
}

TEST(a_call_is_a_client_span)
{
	static const char *const dimensions[] = { "http.request.method", "server.address", "server.port",
						  "http.response.status_code", "error.type",
						  "network.protocol.version" };
	struct described d = { 0 };

	describe(&d, ROLE_ACTIVE, "GET /a?k=v HTTP/1.1\r\nHost: backend\r\n\r\n",
		 "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	http1_set_route(d.sp, STR("/a"));
	assert_int_equal(d.sp->kind, SPAN_CLIENT);
	assert_int_equal(d.sp->instrument, INSTRUMENT_HTTP_CLIENT);
	assert_int_equal(d.sp->status, STATUS_ERROR);
	assert_str(d.sp->name, "GET");
	assert_attr(d.sp, "url.full", "http://backend:40000/a?k=?");
	assert_attr(d.sp, "error.type", "404");
	assert_attr(d.sp, "http.route", NULL);
	assert_attr(d.sp, "client.address", NULL);
	assert_dimensions(d.sp, dimensions, ARRAY_SIZE(dimensions));
	span_free(d.sp);
}

TEST(server_errors_are_errors_on_both_sides)
{
	for (int role = ROLE_ACTIVE; role <= ROLE_PASSIVE; role++) {
		struct described d = { 0 };

		describe(&d, (enum role)role, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n");
		assert_int_equal(d.sp->status, STATUS_ERROR);
		assert_attr(d.sp, "error.type", "503");
		span_free(d.sp);
	}
}

TEST(an_answer_that_was_not_seen_has_no_status)
{
	static const struct {
		enum exchange_end end;
		const char *error;
	} t[] = {
		{ END_RESET, "reset" }, { END_TIMEOUT, "timeout" }, { END_CLOSED, "closed" }, { END_LOST, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct described d = { .x.end = t[i].end };

		describe(&d, ROLE_PASSIVE, "GET / HTTP/1.1\r\n\r\n", NULL);
		assert_attr(d.sp, "http.response.status_code", NULL);
		assert_attr(d.sp, "error.type", t[i].error);
		assert_int_equal(d.sp->response_size, -1);
		span_free(d.sp);
	}
}

TEST(unknown_methods_are_other)
{
	struct described d = { 0 };

	describe(&d, ROLE_PASSIVE, "BREW /pot HTTP/1.1\r\n\r\n", "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n");
	http1_set_route(d.sp, STR("/pot"));
	assert_str(d.sp->name, "HTTP /pot");
	assert_attr(d.sp, "http.request.method", "_OTHER");
	assert_attr(d.sp, "http.request.method_original", "BREW");
	span_free(d.sp);
}

TEST(proxies_say_who_is_behind_them)
{
	struct described d = { 0 }, f = { 0 };

	describe(&d, ROLE_PASSIVE,
		 "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 192.0.2.1, 10.1.1.1\r\nX-Forwarded-Proto: https\r\n"
		 "X-Forwarded-Host: www.example.com:8443\r\n\r\n", NULL);
	assert_attr(d.sp, "client.address", "192.0.2.1");
	assert_attr(d.sp, "url.scheme", "https");
	assert_attr(d.sp, "server.address", "www.example.com");
	assert_attr(d.sp, "server.port", "8443");
	span_free(d.sp);
	describe(&f, ROLE_PASSIVE,
		 "GET / HTTP/1.1\r\nHost: inner\r\n"
		 "Forwarded: For=\"[2001:db8::1]:4711\";proto=gopher;host=outer, for=10.0.0.1\r\n\r\n", NULL);
	assert_attr(f.sp, "client.address", "2001:db8::1");
	assert_attr(f.sp, "url.scheme", "http");
	assert_attr(f.sp, "server.address", "outer");
	span_free(f.sp);
}

TEST(credentials_in_urls_do_not_pass)
{
	struct described d = { 0 };

	describe(&d, ROLE_ACTIVE, "GET http://me:pw@origin/x HTTP/1.1\r\nHost: proxy\r\n\r\n", NULL);
	assert_attr(d.sp, "url.full", "http://REDACTED:REDACTED@origin/x");
	assert_attr(d.sp, "server.address", "origin");
	assert_attr(d.sp, "server.port", "80");
	span_free(d.sp);
}

TEST(configured_headers_are_exported_and_no_others)
{
	static const char *const names[] = { "x-user-id", "content-type" };
	struct described d = { .t.opt = { names, 2 } };

	describe(&d, ROLE_PASSIVE, "GET / HTTP/1.1\r\nX-User-ID: 7\r\nx-other: 1\r\nx-user-id: 8\r\n\r\n",
		 "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n");
	assert_attr(d.sp, "http.request.header.x-user-id", "7, 8");
	assert_attr(d.sp, "http.response.header.content-type", "text/html");
	for (uint32_t i = 0; i < d.sp->n_attrs; i++)
		assert_null(strstr(d.sp->attrs[i].key, "cookie"));
	span_free(d.sp);
}

TEST(a_body_until_close_is_as_long_as_the_connection)
{
	struct http1_message req = { .method = STR("GET") };
	struct http1_message res = { .status = 200, .until_close = true, .head_bytes = 19, .body_bytes = -1 };
	struct conn_facts facts = { .family = AF_INET, .role = ROLE_ACTIVE };
	struct exchange x = { .proto = &proto_http1, .facts = &facts, .request.data = &req, .response.data = &res };
	struct proto_options none = { 0 };

	x.response.pos = 100;
	x.response.end = 100 + 19 + 5;
	for (int complete = 0; complete < 2; complete++) {
		_cleanup_(span_freep) struct span *sp = NULL;

		x.response.complete = complete;
		assert_int_equal(span_new(&sp), 0);
		assert_int_equal(proto_http1.describe(&x, &none, sp), 0);
		assert_int_equal(sp->response_size, complete ? 5 : -1);
	}
}

TEST(unix_peers_have_a_path_and_no_port)
{
	struct exchange x = { .proto = &proto_http1 };
	struct conn_facts facts = { .family = AF_UNIX, .transport = TRANSPORT_UNIX, .role = ROLE_ACTIVE,
				    .path = "/run/app.sock" };
	struct http1_message req = { .method = STR("GET"), .url.path = STR("/"), .body_bytes = 0 };
	struct proto_options none = { 0 };
	_cleanup_(span_freep) struct span *sp = NULL;

	x.facts = &facts;
	x.request.data = &req;
	assert_int_equal(span_new(&sp), 0);
	assert_int_equal(proto_http1.describe(&x, &none, sp), 0);
	assert_attr(sp, "server.address", "/run/app.sock");
	assert_attr(sp, "server.port", NULL);
	assert_attr(sp, "network.transport", "unix");
	assert_attr(sp, "url.full", NULL);
}

TEST(half_of_an_exchange_is_not_guessed)
{
	struct exchange x = { .proto = &proto_http1 };
	struct conn_facts facts = { .family = AF_INET, .role = ROLE_PASSIVE };
	struct http1_message res = { .status = 200 };
	struct proto_options none = { 0 };
	_cleanup_(span_freep) struct span *sp = NULL;

	x.facts = &facts;
	x.response.data = &res;
	assert_int_equal(span_new(&sp), 0);
	assert_int_equal(proto_http1.describe(&x, &none, sp), -ENOENT);
}

/* ---- recordings ---- */

/* "METHOD path status request-bytes response-bytes", as scripts/record/http1 writes them. */
static void describe_line(const struct talk *t, size_t i, FILE *out)
{
	struct conn_facts facts = { .family = AF_INET, .role = ROLE_PASSIVE };
	struct exchange x = { .proto = &proto_http1, .facts = &facts,
			      .request = t->messages[DIR_REQUEST][i], .response = t->messages[DIR_RESPONSE][i] };
	_cleanup_(span_freep) struct span *sp = NULL;
	const struct attr *path, *status;

	assert_int_equal(span_new(&sp), 0);
	assert_int_equal(proto_http1.describe(&x, &t->opt, sp), 0);
	path = span_attr(sp, ATTR_URL_PATH);
	status = span_attr(sp, ATTR_HTTP_RESPONSE_STATUS_CODE);
	assert_non_null(status);
	fprintf(out, "%.*s %.*s %lld %lld %lld\n", (int)sp->name.n, sp->name.p, path ? (int)path->s.n : 1,
		path ? path->s.p : "-", (long long)status->i, (long long)sp->request_size, (long long)sp->response_size);
}

static void connection_over(struct talk *t, FILE *out)
{
	struct side *last = t->n[DIR_RESPONSE] ? &t->messages[DIR_RESPONSE][t->n[DIR_RESPONSE] - 1] : NULL;

	assert_int_equal(t->error, 0);
	assert_int_equal(t->n[DIR_REQUEST], t->n[DIR_RESPONSE]);
	if (last && t->until_close)
		last->complete = true;
	for (size_t i = 0; i < t->n[DIR_REQUEST]; i++)
		describe_line(t, i, out);
	talk_end(t);
	*t = (struct talk){ 0 };
}

/* Replays with at most `size` bytes at a time. The text is the caller's to free. */
static char *replay(const char *path, size_t size)
{
	struct talk t = { 0 };
	struct fixture x;
	enum fixture_event event;
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	fixture_open(&x, path);
	do {
		enum dir dir;

		event = fixture_next(&x);
		dir = x.response ? DIR_RESPONSE : DIR_REQUEST;
		if (event == FIXTURE_CONNECTION || event == FIXTURE_END)
			connection_over(&t, out);
		else if (event == FIXTURE_NOT_KEPT)
			say_not_captured(&t, dir, x.n);
		else if (event == FIXTURE_BYTES)
			for (struct str s = x.bytes; s.n; str_skip(&s, size))
				say_bytes(&t, dir, (struct str){ s.p, MIN(size, s.n) }, false);
	} while (event != FIXTURE_END);
	fixture_close(&x);
	fclose(out);
	return text;
}

static char *expected_of(const char *path)
{
	char *text = NULL, name[256];
	size_t size = 0;
	FILE *f;

	snprintf(name, sizeof(name), "%.*s.expect", (int)(strlen(path) - strlen(".txt")), path);
	f = fopen(name, "r");
	assert_non_null(f);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	return text;
}

TEST(real_traffic_is_understood_exchange_by_exchange)
{
	static const size_t sizes[] = { 65536, 100, 7, 1 };
	glob_t found;

	assert_int_equal(glob("tests/fixtures/http1/*.txt", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *expected = expected_of(found.gl_pathv[i]);

		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
			char *text = replay(found.gl_pathv[i], sizes[k]);

			if (strcmp(text, expected))
				print_message("%s, %zu bytes at a time\n", found.gl_pathv[i], sizes[k]);
			assert_string_equal(text, expected);
			free(text);
		}
		free(expected);
	}
	globfree(&found);
}

RUN_TESTS
