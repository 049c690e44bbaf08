/* SPDX-License-Identifier: Apache-2.0 */
/* A protocol for the tests of stream/: lines "Q<id> <body bytes> <tag>\n" answered by "R<id> <body bytes>
 * <tag>\n", each followed by its body; "P..." is a one-way request, "U..." a response after which the
 * protocol is left, "C..." a response that ends with the connection. And makers of records. */
#ifndef SONDE_TESTS_STREAM_LINE_H
#define SONDE_TESTS_STREAM_LINE_H

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>

#include "stream/stream.h"

struct line { char tag[40]; };

static int line_sniff(struct str head, enum dir dir)
{
	if (!head.n)
		return -EAGAIN;
	return strchr(dir == DIR_REQUEST ? "QP" : "RUC", head.p[0]) ? 80 : 0;
}

static ssize_t line_parse(void *state, const struct proto_options *opt, enum dir dir, struct str in, struct msg *out)
{
	size_t n = str_find(in, '\n'), id, body;
	struct line *l;
	char kind, text[128], tag[40] = "";

	(void)state;
	(void)opt;
	if (n >= sizeof(text))
		return -EPROTO;
	memcpy(text, in.p, n);
	text[n] = '\0';
	if (n == in.n && !out->cut)
		return 0;
	if (sscanf(text, "%c%zu %zu %39s", &kind, &id, &body, tag) < 4 && !out->cut)
		return -EPROTO;
	if (!strchr(dir == DIR_REQUEST ? "QP" : "RUC", kind))
		return -EPROTO;
	l = arena_alloc(out->arena, sizeof(*l));
	if (!l)
		return 0;
	memcpy(l->tag, tag, sizeof(l->tag));
	out->kind = kind == 'P' ? MSG_ONEWAY : dir == DIR_REQUEST ? MSG_REQUEST : MSG_RESPONSE;
	out->begin = true;
	out->data = l;
	out->partial = out->cut;
	out->until_close = kind == 'C';
	out->handoff = kind == 'U';
	if (out->cut)
		return (ssize_t)in.n;
	out->end = kind != 'C';
	out->id = id;
	return (ssize_t)(n + 1 + body);
}

static const struct proto line_proto = {
	.name = "line", .ports = { 7 }, .state_size = 8, .sniff = line_sniff, .parse = line_parse,
};
static const struct proto *const line_protos[] = { &line_proto, NULL };

/* What the sink heard. */
struct heard {
	char request[40], response[40];
	uint64_t key, conn;
	bool peer_watched;
	enum exchange_end end;
	struct side req, res;
};
struct ear {
	struct heard x[4096];
	size_t n, begun;
	struct verdict verdict;
	uint32_t cut_bytes;
	size_t failed;
};

static void hear_request(void *ctx, const struct exchange *x)
{
	(void)x;
	((struct ear *)ctx)->begun++;
}

static void hear_exchange(void *ctx, const struct exchange *x)
{
	struct ear *e = ctx;
	struct heard *h = &e->x[e->n++ % ARRAY_SIZE(e->x)];
	const struct line *q = x->request.data, *r = x->response.data;

	*h = (struct heard){ .key = x->key, .conn = x->facts->conn,
			     .peer_watched = x->facts->peer_watched, .end = x->end, .req = x->request, .res = x->response };
	if (q)
		memcpy(h->request, q->tag, sizeof(q->tag));
	if (r)
		memcpy(h->response, r->tag, sizeof(r->tag));
}

static void hear_verdict(void *ctx, const struct verdict *v)
{
	((struct ear *)ctx)->verdict = *v;
}

static void hear_cut(void *ctx, uint32_t service, enum dir dir, uint32_t bytes)
{
	(void)service;
	(void)dir;
	((struct ear *)ctx)->cut_bytes = bytes;
}

static void hear_failed(void *ctx, const struct rec_conn *r)
{
	(void)r;
	((struct ear *)ctx)->failed++;
}

static inline struct stream_table *line_table(struct ear *e, size_t memory_max)
{
	struct stream_options opt = { .memory_max = memory_max, .pending_max = 64,
				      .pending_timeout_ns = 300 * NSEC_PER_SEC, .protos = line_protos };
	struct stream_sink sink = { e, hear_request, hear_exchange, hear_failed, hear_verdict, hear_cut };
	struct stream_table *t = NULL;

	if (stream_table_new(&t, &opt, &sink))
		abort();
	return t;
}

#define LINE_CONN 77
#define LINE_SERVICE 3

static inline void open_conn(struct stream_table *t, uint64_t cookie, enum role role, uint64_t sent, uint64_t received)
{
	struct rec_conn r = { .h = { .kind = REC_OPEN, .conn = cookie, .service = LINE_SERVICE, .ts_ns = 1 },
			      .family = AF_INET, .role = (uint8_t)role, .old = sent || received, .own_isn = 5, .peer_isn = 6,
			      .sent_pos = sent, .recv_pos = received, .accept_wait_ns = ABSENT_NS };

	stream_record(t, &r, sizeof(r));
}

/* A record of `len` bytes of which `cap` are in it. */
struct cut { enum io_dir io; uint64_t pos, ts_ns; uint32_t len, cap; uint8_t flags; };
static inline void data_record(struct stream_table *t, uint64_t cookie, enum role role, struct cut c, const char *bytes)
{
	union { struct rec_data r; char room[sizeof(struct rec_data) + CAPTURE_MAX]; } u = {
		.r = { .h = { .kind = REC_DATA, .conn = cookie, .service = LINE_SERVICE, .ts_ns = c.ts_ns, .flags = c.flags,
			      .tgid = 10, .tid = 11 },
		       .pos = c.pos, .len = c.len, .cap = (uint16_t)c.cap, .queue_ns = ~0u, .dir = (uint8_t)c.io,
		       .role = (uint8_t)role } };

	if (c.cap)
		memcpy(u.r.data, bytes, c.cap);
	stream_record(t, &u, sizeof(u.r) + c.cap);
}

static inline void close_conn(struct stream_table *t, uint64_t cookie, enum close_how how, uint64_t sent, uint64_t received)
{
	struct rec_close r = { .h = { .kind = REC_CLOSE, .conn = cookie, .service = LINE_SERVICE, .ts_ns = 1 },
			       .sent_pos = sent, .recv_pos = received, .how = how };

	stream_record(t, &r, sizeof(r));
}

#endif
