/* SPDX-License-Identifier: Apache-2.0 */
/* What one HTTP exchange costs in user space, from the ring's records to an encoded span: the records of
 * keep-alive connections of a web server, as the kernel half emits them, go through pipeline.c.
 *
 * Without arguments: ns per exchange and per stage. `bench_pipeline STAGE ENDS EXCHANGES` runs one of them
 * once: under `valgrind --tool=callgrind --toggle-collect=feed` the total is instructions. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "export/export.h"
#include "pipeline.h"

#define CONNECTIONS 32
#define PER_TICK 50		/* exchanges: 5,000 a second, looked at every 10 ms */
#define BATCH 512
#define ROUNDS 7
#define EXCHANGES 40000

static const char request[] =
	"GET /small.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
static const char response[] =
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 10:00:00 GMT\r\nContent-Type: text/html\r\n"
	"Content-Length: 60\r\nLast-Modified: Wed, 25 Nov 2026 09:00:00 GMT\r\nConnection: keep-alive\r\n"
	"ETag: \"6742f3a0-3c\"\r\nAccept-Ranges: bytes\r\n\r\n"
	"------------------------------------------------------------";

enum stage { STAGE_STREAM, STAGE_METRICS, STAGE_TRACES, STAGE_ENCODE, STAGE_COUNT };
static const char *const stage_names[] = { "stream", "metrics", "traces", "encode" };
static const char *const stage_texts[] = {
	"records to exchanges", "describe, route, metrics", "ids, links, hold", "OTLP encoding",
};

/* One end of a connection, and the records it makes again and again. */
struct end {
	uint32_t service;
	uint64_t cookie;
	uint8_t role;
	uint64_t pos[2];	/* sent, received */
};

/* Stands for the sending half: encodes batches and drops them. */
struct exporter {
	struct span *spans[BATCH];
	size_t n;
	struct buf out;
	struct resources *resources;
	bool encodes;
	uint64_t encoded;
};

struct bench {
	struct config config;
	struct pipeline pipeline;
	struct exporter exporter;
	struct end ends[CONNECTIONS][2];	/* server, client */
	unsigned n_ends;
	uint64_t now_ns;
	uint64_t records[512];			/* room for one, aligned */
};

void exporter_span(struct exporter *e, struct span *sp)
{
	e->spans[e->n++] = sp;
	if (e->n < BATCH)
		return;
	buf_clear(&e->out);
	if (e->encodes && otlp_encode_spans(&e->out, e->spans, e->n, e->resources))
		abort();
	for (size_t i = 0; i < e->n; i++)
		span_free(e->spans[i]);
	e->encoded += e->n;
	e->n = 0;
}

static void open_end(struct bench *b, struct end *e, unsigned i, bool server)
{
	struct rec_conn r = {
		.h = { .kind = REC_OPEN, .transport = TRANSPORT_TCP, .ts_ns = b->now_ns, .tgid = server ? 100 : 200 },
		.family = AF_INET, .netns = 1, .accept_wait_ns = ABSENT_NS, .established_ns = b->now_ns,
		.local_addr = { 127, 0, 0, 1 }, .peer_addr = { 127, 0, 0, 1 },
	};

	*e = (struct end){ .service = server ? 1 : 2, .cookie = 1000 + i * 2 + server,
			   .role = server ? ROLE_PASSIVE : ROLE_ACTIVE };
	r.h.service = e->service;
	r.h.conn = e->cookie;
	r.role = e->role;
	r.own_isn = server ? i : i + 7000;
	r.peer_isn = server ? i + 7000 : i;
	r.local_port = (uint16_t)(server ? 8080 : 40000 + i);
	r.peer_port = (uint16_t)(server ? 40000 + i : 8080);
	r.peer_service = b->n_ends == 2 ? server ? 2 : 1 : 0;
	pipeline_record(&b->pipeline, &r, sizeof(r));
}

static void move(struct bench *b, struct end *e, enum io_dir dir, struct str bytes)
{
	struct rec_data *r = (struct rec_data *)b->records;
	uint64_t *pos = &e->pos[dir == IO_RECV];

	b->now_ns += 20000;
	*r = (struct rec_data){
		.h = { .kind = REC_DATA, .service = e->service, .ts_ns = b->now_ns, .conn = e->cookie,
		       .tgid = e->service * 100, .tid = e->service * 100 },
		.pos = *pos, .len = (uint32_t)bytes.n, .cap = (uint16_t)bytes.n, .dir = dir, .role = e->role,
		.queue_ns = dir == IO_RECV ? 5000 : ~0u,
	};
	memcpy(r->data, bytes.p, bytes.n);
	*pos += bytes.n;
	pipeline_record(&b->pipeline, r, sizeof(*r) + bytes.n);
}

/* Kept apart from main() so that a profiler can count this function alone. */
__attribute__((noinline)) static void feed(struct bench *b, unsigned exchanges)
{
	const struct str req = { request, sizeof(request) - 1 }, res = { response, sizeof(response) - 1 };

	for (unsigned i = 0; i < exchanges; i++) {
		struct end *server = &b->ends[i % CONNECTIONS][0], *client = &b->ends[i % CONNECTIONS][1];

		if (b->n_ends == 2)
			move(b, client, IO_SEND, req);
		move(b, server, IO_RECV, req);
		move(b, server, IO_SEND, res);
		if (b->n_ends == 2)
			move(b, client, IO_RECV, res);
		if (i % PER_TICK == 0)
			pipeline_tick(&b->pipeline, b->now_ns);
	}
}

static void announce(struct bench *b, uint32_t number, const char *name)
{
	struct service s = { .number = number, .pid = number * 100 };

	snprintf(s.name, sizeof(s.name), "%s", name);
	pipeline_service(&b->pipeline, &s);
}

static struct bench *bench_new(enum stage stage, unsigned ends)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct pipeline *p;

	if (!b || resources_new(&b->exporter.resources))
		abort();
	p = &b->pipeline;
	b->now_ns = monotonic_ns();
	b->n_ends = ends;
	b->config = (struct config){
		.memory_limit = 64 << 20, .request_timeout_ms = 60000, .hold_window_ms = 2000, .hold_spans = 4096,
		.series_max = 2000, .request_budget = REQUEST_BUDGET, .response_budget = RESPONSE_BUDGET,
		.traces = stage >= STAGE_TRACES,
	};
	b->config.export_.targets[SIGNAL_TRACES].enabled = true;
	b->exporter.encodes = stage == STAGE_ENCODE;
	p->resources = b->exporter.resources;
	p->exporter = &b->exporter;
	if (pipeline_init(p, &b->config))
		abort();
	if (stage == STAGE_STREAM) {	/* nobody listens */
		struct stream_options opt = { .memory_max = 16 << 20, .pending_max = 1024 };

		stream_table_free(p->stream);
		if (stream_table_new(&p->stream, &opt, &(struct stream_sink){ 0 }))
			abort();
	}
	announce(b, 1, "nginx");
	announce(b, 2, "client");
	for (unsigned i = 0; i < CONNECTIONS; i++)
		for (unsigned k = 0; k < ends; k++)
			open_end(b, &b->ends[i][k], i, k == 0);
	feed(b, 1000);		/* what is allocated once */
	return b;
}

static void bench_free(struct bench *b)
{
	pipeline_flush(&b->pipeline);
	pipeline_release(&b->pipeline);
	for (size_t i = 0; i < b->exporter.n; i++)
		span_free(b->exporter.spans[i]);
	buf_release(&b->exporter.out);
	resources_free(b->exporter.resources);
	free(b);
}

static double best_ns(enum stage stage, unsigned ends)
{
	struct bench *b = bench_new(stage, ends);
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = monotonic_ns();

		feed(b, EXCHANGES);
		best = MIN(best, monotonic_ns() - start);
	}
	if (stage == STAGE_ENCODE && b->exporter.encoded + BATCH < (uint64_t)ROUNDS * EXCHANGES * ends)
		abort();
	bench_free(b);
	return (double)best / EXCHANGES;
}

static void print_stages(unsigned ends)
{
	double before = 0;

	printf("one exchange seen at %s:\n", ends == 2 ? "both ends" : "its server");
	for (enum stage s = 0; s < STAGE_COUNT; s++) {
		double ns = best_ns(s, ends);

		printf("%8.0f ns per %s\n", ns - before, stage_texts[s]);
		before = ns;
	}
	printf("%8.0f ns per exchange in all\n", before);
}

int main(int argc, char **argv)
{
	if (argc == 4) {
		enum stage stage = 0;
		struct bench *b;

		while (stage < STAGE_COUNT && strcmp(argv[1], stage_names[stage]) != 0)
			stage++;
		if (stage == STAGE_COUNT)
			return 2;
		b = bench_new(stage, atoi(argv[2]) == 2 ? 2 : 1);
		feed(b, (unsigned)atoi(argv[3]));
		bench_free(b);
		return 0;
	}
	/* A batch's spans lie at the end of this heap, which would be given back to the kernel each time. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	print_stages(1);
	print_stages(2);
	return 0;
}
