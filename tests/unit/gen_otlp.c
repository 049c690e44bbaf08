/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what the encoders make of a fixed set of spans and measurements into the directory it is given;
 * check_otlp.py reads it with OpenTelemetry's and Prometheus' own classes. */
#include <stdio.h>
#include <stdlib.h>

#include "bpf/turn.h"
#include "export/export.h"

#define T0 1790000000000000000ull	/* Unix ns of the first span */
#define NOW (T0 + 60 * NSEC_PER_SEC)

struct output {
	const char *directory, *stem;
	int n;
};

static void write_file(const char *directory, const char *name, const struct buf *b)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	if (!f || fwrite(b->p, 1, b->n, f) != b->n || fclose(f))
		abort();
}

static void write_request(void *ctx, const struct buf *request, uint32_t points)
{
	struct output *o = ctx;
	char name[64];

	snprintf(name, sizeof(name), "%s.%d.%u.pb", o->stem, o->n++, points);
	write_file(o->directory, name, request);
}

static struct span *make_span(uint32_t service, const char *protocol, enum span_kind kind,
			      enum instrument instrument, uint8_t id)
{
	struct span *sp;

	if (span_new(&sp))
		abort();
	sp->service = service;
	sp->protocol = protocol;
	sp->kind = kind;
	sp->instrument = instrument;
	memset(&sp->trace, 0xa0 | id, sizeof(sp->trace));
	memset(&sp->id, 0xb0 | id, sizeof(sp->id));
	sp->start_unix_ns = T0 + id * NSEC_PER_SEC;
	sp->duration_ns = id * 20 * NSEC_PER_MSEC;
	sp->end_unix_ns = sp->start_unix_ns + sp->duration_ns;
	return sp;
}

static struct span *server_span(void)
{
	struct span *sp = make_span(1, "http", SPAN_SERVER, INSTRUMENT_HTTP_SERVER, 1);

	memset(&sp->parent, 0xc1, sizeof(sp->parent));
	sp->wire.present = true;
	sp->wire.trace = sp->trace;
	sp->wire.tracestate = STR("ot=th:8,vendor=x");
	sp->flags = 1;
	sp->link_method = "wire";
	sp->link_confidence = 0.5f;
	sp->status = STATUS_ERROR;
	sp->status_message = STR("bad \xff message");
	sp->name = STR("GET /caf\xc3\xa9/\xe9");
	sp->request_size = 0;
	sp->response_size = 1000;
	sp->dropped_attrs = 3;
	span_str(sp, ATTR_HTTP_REQUEST_METHOD, STR("GET"), true);
	span_str(sp, ATTR_HTTP_ROUTE, STR("/a\"b\\c\nd/\xff\xe2\x82"), true);
	span_int(sp, ATTR_HTTP_RESPONSE_STATUS_CODE, 500, true);
	span_int(sp, "negative", -5, false);
	span_double(sp, ATTR_SONDE_TIME_TO_FIRST_BYTE, 0.1);
	span_bool(sp, ATTR_SONDE_HEAD_CUT, true);
	sp->n_links = 1;
	memset(&sp->links[0].trace, 0xd1, sizeof(sp->links[0].trace));
	memset(&sp->links[0].span, 0xe1, sizeof(sp->links[0].span));
	sp->links[0].method = "first_send";
	sp->links[0].confidence = 0.25f;
	return sp;
}

static struct span *client_span(void)
{
	struct span *sp = make_span(1, "postgresql", SPAN_CLIENT, INSTRUMENT_DB_CLIENT, 2);

	memset(&sp->parent, 0xb1, sizeof(sp->parent));
	sp->wire.present = true;	/* of another trace: its state is not this span's */
	sp->wire.tracestate = STR("not=mine");
	sp->name = STR("SELECT orders");
	span_str(sp, ATTR_DB_SYSTEM_NAME, STR("postgresql"), true);
	return sp;
}

static struct span *root_span(void)
{
	struct span *sp = make_span(2, "http", SPAN_SERVER, INSTRUMENT_HTTP_SERVER, 3);

	sp->name = STR("GET");
	sp->request_size = 0;
	sp->response_size = 100;
	span_str(sp, ATTR_HTTP_REQUEST_METHOD, STR("GET"), true);
	return sp;
}

static void set_services(struct resources *r)
{
	struct service full = {
		.number = 1, .pid = 4242, .parent_pid = 1, .name = "orders", .namespace_ = "shop",
		.version = "1.2.3", .instance_id = "orders-1", .exe = "/usr/bin/python3.11",
		.runtime = "cpython", .owner = "www-data", .container_id = "0123abcd",
		.attributes = "service.name=ignored,deployment.environment.name=prod%2Ceu,a.b=1,a-b=2,host.name=mine,"
			      "bad,empty=,half=50%",
	};
	struct service bare = { .number = 2, .name = "web \xff", .instance_id = "web-1" };

	resources_set(r, &full);
	resources_set(r, &bare);
}

static void record(struct metrics *m, struct span *const *spans, size_t n)
{
	struct ipc_turns turns = { .key = { .service = 1, .role = ROLE_PASSIVE }, .value = {
		.count = 4, .repaired = 1, .request_bytes = 400, .response_bytes = 4000,
		.first_sum_ns = 3000000, .last_sum_ns = 6000000,
	} };
	const struct attr cause = { .key = "cause", .type = ATTR_STR, .s = STR("head_cut") };

	turns.value.first[turn_bucket(1000000)] = 3;
	turns.value.last[turn_bucket(2000000)] = 3;
	for (size_t i = 0; i < n; i++) {
		metrics_record(m, spans[i]);
		metrics_exemplar(m, spans[i]);
	}
	metrics_turns(m, &turns, "http");
	metrics_set(m, METRIC_GAUGE, "sonde.memory", "By", "Memory in use.", 0, NULL, 0, 12345);
	metrics_set(m, METRIC_COUNTER, "sonde.drops", "{record}", "Drops\nby \\cause.", 0, &cause, 1, 7);
	metrics_set(m, METRIC_GAUGE, "sonde.coverage", "1", "Coverage.", 1, NULL, 0, 0.5);
}

static void write_metrics(struct output o, struct resources *r, struct span *const *spans, size_t n,
			  struct metrics_options opt, size_t max_bytes)
{
	_cleanup_(buf_release) struct buf b = { 0 };
	char name[64];
	struct metrics *m;

	if (metrics_new(&m, &opt))
		abort();
	record(m, spans, n);
	snprintf(name, sizeof(name), "%s.json", o.stem);
	if (otlp_json_metrics(&b, m, opt.delta, false, NOW, r))
		abort();
	write_file(o.directory, name, &b);
	for (int openmetrics = 0; openmetrics < 2; openmetrics++) {
		buf_clear(&b);
		if (prometheus_encode(&b, m, r, openmetrics, NOW))
			abort();
		snprintf(name, sizeof(name), "%s.%s", o.stem, openmetrics ? "openmetrics" : "prometheus");
		write_file(o.directory, name, &b);
	}
	if (otlp_encode_metrics(m, opt.delta, true, NOW, r, max_bytes, write_request, &o))
		abort();
	metrics_free(m);
}

int main(int argc, char **argv)
{
	const struct metrics_options exponential = { .series_max = 100, .memory_max = 1 << 20 };
	struct metrics_options explicit = exponential, delta = exponential;
	struct span *spans[] = { server_span(), client_span(), root_span() };
	_cleanup_(buf_release) struct buf b = { 0 };
	const size_t n = ARRAY_SIZE(spans);
	struct resources *r;

	if (argc != 2 || resources_new(&r))
		return 1;
	set_services(r);
	if (otlp_encode_spans(&b, spans, n, r))
		return 1;
	write_file(argv[1], "spans.pb", &b);
	buf_clear(&b);
	if (otlp_json_spans(&b, spans, n, r))
		return 1;
	write_file(argv[1], "spans.json", &b);
	explicit.explicit_buckets = true;
	delta.delta = true;
	write_metrics((struct output){ argv[1], "exponential", 0 }, r, spans, n, exponential, 1 << 20);
	write_metrics((struct output){ argv[1], "explicit", 0 }, r, spans, n, explicit, 1 << 20);
	write_metrics((struct output){ argv[1], "delta", 0 }, r, spans, n, delta, 1 << 20);
	write_metrics((struct output){ argv[1], "split", 0 }, r, spans, n, exponential, 1);
	for (size_t i = 0; i < n; i++)
		span_free(spans[i]);
	resources_free(r);
	return 0;
}
