/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.h: the callbacks that join the rooms. */
#include "pipeline.h"

#include "base/clock.h"
#include "proto/common.h"
#include "proto/http1.h"
#include "proto/list.h"

#define ROUTE_NODES 20000
#define ROUTE_CHILDREN 50

static bool is_server(const struct exchange *x)
{
	return x->facts->role == ROLE_PASSIVE;
}

static struct evidence evidence_of(const struct exchange *x)
{
	const struct conn_facts *f = x->facts;

	return (struct evidence){
		.exchange = x->key,
		.peer_watched = f->peer_watched,
		.tgid = x->request.tgid,
		.request_tid = x->request.tid,
		.response_tid = x->response.tid,
		.request_task = x->request.task,
		.response_task = x->response.task,
		.connected_ns = x->first_on_conn && !is_server(x) && !f->old ? f->established_ns : 0,
		.request_first_ns = x->request.first_ns,
		.request_last_ns = x->request.last_ns,
		.response_first_ns = x->response.first_ns,
		.response_last_ns = x->response.last_ns,
	};
}

static void on_request(void *ctx, const struct exchange *x)
{
	struct pipeline *p = ctx;
	struct evidence e = evidence_of(x);

	if (p->tracer && x->facts->role != ROLE_UNKNOWN)
		tracer_request(p->tracer, is_server(x), &e);
}

static void add_waits(const struct exchange *x, struct span *sp)
{
	if (x->request.queue_ns != ABSENT_NS && is_server(x))
		span_double(sp, ATTR_SONDE_SOCKET_QUEUE, (double)x->request.queue_ns / 1e9);
	if (x->first_on_conn && is_server(x) && x->facts->accept_wait_ns != ABSENT_NS)
		span_double(sp, ATTR_SONDE_ACCEPT_QUEUE, (double)x->facts->accept_wait_ns / 1e9);
	if (x->response.first_ns && x->request.first_ns && !x->response.repaired && !x->request.repaired)
		span_double(sp, ATTR_SONDE_TIME_TO_FIRST_BYTE,
			    (double)(x->response.first_ns - MIN(x->request.first_ns, x->response.first_ns)) / 1e9);
	if (x->request.cut || x->response.cut)
		span_bool(sp, ATTR_SONDE_HEAD_CUT, true);
}

static void add_route(struct pipeline *p, struct span *sp)
{
	const struct attr *path = sp->instrument == INSTRUMENT_HTTP_SERVER ? span_attr(sp, ATTR_URL_PATH) : NULL;
	char route[256];

	if (path)
		http1_set_route(sp, routes_match(p->routes, sp->service, path->s, route, sizeof(route)));
}

static int span_of(struct pipeline *p, const struct exchange *x, struct span **out)
{
	_cleanup_(span_freep) struct span *sp = NULL;
	uint64_t begin = x->request.first_ns ? x->request.first_ns : x->response.first_ns, end;
	int err = span_new(&sp);

	if (err)
		return err;
	end = x->response.last_ns ? x->response.last_ns : x->response.first_ns ? x->response.first_ns : p->now_ns;
	sp->service = x->facts->service;
	sp->peer_service = x->facts->peer_service;
	sp->protocol = x->proto->name;
	sp->duration_ns = end - MIN(begin, end);
	sp->start_unix_ns = (uint64_t)((int64_t)begin + p->unix_offset_ns);
	sp->end_unix_ns = sp->start_unix_ns + sp->duration_ns;
	sp->evidence = evidence_of(x);
	err = x->proto->describe(x, &p->config->proto, sp);
	if (err)
		return err;
	add_route(p, sp);
	add_waits(x, sp);
	*out = TAKE_PTR(sp);
	return 0;
}

static bool traces_itself(const struct pipeline *p, const struct span *sp)
{
	return p->exports_otlp[sp->service] && !p->config->trace_otlp_exporters;
}

/* A service that sends traces by OTLP itself is told to the loader, once. */
static void note_otlp(struct pipeline *p, const struct span *sp)
{
	const struct attr *url = sp->instrument == INSTRUMENT_HTTP_CLIENT ? span_attr(sp, ATTR_URL_FULL) : NULL;
	const struct str path = STR("/v1/traces");

	if (!url || p->exports_otlp[sp->service] || !str_ends(url->s, path))
		return;
	p->exports_otlp[sp->service] = true;
	p->tell_exports_otlp(p->ctx, sp->service);
}

static void on_exchange(void *ctx, const struct exchange *x)
{
	struct pipeline *p = ctx;
	struct span *sp = NULL;
	bool wanted = p->tracer && x->facts->role != ROLE_UNKNOWN;

	if (x->facts->service < SERVICES_MAX && !span_of(p, x, &sp)) {
		metrics_record(p->metrics, sp);
		note_otlp(p, sp);
		if (p->console)
			console_red(p->console, sp);
		if (wanted && !traces_itself(p, sp)) {
			tracer_span(p->tracer, sp);
			return;
		}
		p->suppressed += wanted;
		span_free(sp);
	}
	if (wanted) {
		struct evidence e = evidence_of(x);

		tracer_forget(p->tracer, is_server(x), &e);
	}
}

/* A final span: to the console, then to the exporter, which takes it over. */
static void on_span(void *ctx, struct span *sp)
{
	struct pipeline *p = ctx;

	if (!(sp->flags & 1)) {
		p->unsampled++;
		span_free(sp);
		return;
	}
	if (p->console)
		console_span(p->console, sp);
	if (!p->exporter || !p->config->export_.targets[SIGNAL_TRACES].enabled) {
		span_free(sp);
		return;
	}
	metrics_exemplar(p->metrics, sp);
	exporter_span(p->exporter, sp);
}

static void on_verdict(void *ctx, const struct verdict *v)
{
	struct pipeline *p = ctx;
	struct verdict *slot;

	if (!p->verdicts)
		return;
	slot = &p->verdicts[verdict_slot(v->conn)];
	/* BPF reads the tag first: it must never see another connection's tag with our flags. */
	__atomic_store_n(&slot->conn, 0, __ATOMIC_RELEASE);
	slot->proto = v->proto;
	slot->flags = v->flags;
	__atomic_store_n(&slot->conn, v->conn, __ATOMIC_RELEASE);
}

static void on_head_cut(void *ctx, uint32_t service, enum dir dir, uint32_t bytes)
{
	struct pipeline *p = ctx;
	struct service_policy *policy;
	uint32_t *budget, wanted;

	if (service >= SERVICES_MAX)
		return;
	policy = &p->policies[service];
	budget = dir == DIR_REQUEST ? &policy->request_budget : &policy->response_budget;
	for (wanted = MAX(*budget, 256u); wanted <= MAX(bytes, *budget) && wanted < CAPTURE_MAX;)
		wanted *= 2;
	if (MIN(wanted, (uint32_t)CAPTURE_MAX) <= *budget)
		return;
	*budget = MIN(wanted, (uint32_t)CAPTURE_MAX);
	p->ask_policy(p->ctx, &(struct ipc_policy){ .service = service, .policy = *policy });
}

static const char *connect_error(int error)
{
	switch (error) {
	case ECONNREFUSED: return "connection_refused";
	case ETIMEDOUT: return "timeout";
	case EHOSTUNREACH: return "host_unreachable";
	case ENETUNREACH: return "network_unreachable";
	case ECONNRESET: return "connection_reset";
	default: return "connect_failed";
	}
}

static void on_connect_failed(void *ctx, const struct rec_conn *rec)
{
	struct pipeline *p = ctx;
	struct arena a = { 0 };
	struct attr attrs[] = {
		{ .key = ATTR_SERVER_ADDRESS, .type = ATTR_STR, .s = proto_address(&a, rec->family, rec->peer_addr, rec->path) },
		{ .key = ATTR_SERVER_PORT, .type = ATTR_INT, .i = rec->peer_port },
		{ .key = ATTR_ERROR_TYPE, .type = ATTR_STR, .s = str_of(connect_error(rec->error)) },
	};

	metrics_add(p->metrics, "sonde.connect.failed", "{connection}", "Connections that could not be opened",
		    rec->h.service, attrs, ARRAY_SIZE(attrs), 1);
	arena_release(&a);
}

int pipeline_init(struct pipeline *p, const struct config *config)
{
	struct stream_sink sink = { p, on_request, on_exchange, on_connect_failed, on_verdict, on_head_cut };
	struct stream_options stream = {
		.memory_max = config->memory_limit / 4,
		.pending_max = 1024,
		.pending_timeout_ns = config->request_timeout_ms * NSEC_PER_MSEC,
		.proto = config->proto,
	};
	struct tracer_options tracer = {
		.window_ns = config->hold_window_ms * NSEC_PER_MSEC,
		.spans_max = config->hold_spans,
		.bytes_max = config->memory_limit / 6,
	};
	struct metrics_options metrics = {
		.series_max = config->series_max,
		.delta = config->temporality != 0,
		.explicit_buckets = config->histogram == 1,
		.memory_max = config->memory_limit / 6,
	};
	int err;

	p->config = config;
	p->unix_offset_ns = clock_unix_offset_ns();
	for (size_t i = 0; i < SERVICES_MAX; i++)
		p->policies[i] = config_service_policy(config);
	err = stream_table_new(&p->stream, &stream, &sink);
	if (!err)
		err = routes_new(&p->routes, ROUTE_NODES, ROUTE_CHILDREN);
	if (!err)
		err = metrics_new(&p->metrics, &metrics);
	if (!err && config->traces)
		err = tracer_new(&p->tracer, &tracer, on_span, p);
	return err;
}

void pipeline_release(struct pipeline *p)
{
	stream_table_free(p->stream);
	tracer_free(p->tracer);
	metrics_free(p->metrics);
	routes_free(p->routes);
}

void pipeline_record(struct pipeline *p, const void *rec, size_t size)
{
	stream_record(p->stream, rec, size);
}

void pipeline_service(struct pipeline *p, const struct service *s)
{
	if (s->number >= SERVICES_MAX)
		return;
	resources_set(p->resources, s);
	p->exports_otlp[s->number] = s->exports_otlp;
	if (p->console)
		console_service(p->console, s);
	if (s->gone) {
		metrics_service_gone(p->metrics, s->number);
		p->policies[s->number] = config_service_policy(p->config);
	} else {
		metrics_service_set(p->metrics, s->number);
	}
}

void pipeline_turns(struct pipeline *p, const struct ipc_turns *t)
{
	metrics_turns(p->metrics, t, proto_name(t->key.proto));
}

void pipeline_tick(struct pipeline *p, uint64_t now_ns)
{
	p->now_ns = now_ns;
	p->unix_offset_ns = clock_unix_offset_ns();
	stream_tick(p->stream, now_ns);
	if (p->tracer)
		tracer_tick(p->tracer, now_ns);
}

void pipeline_flush(struct pipeline *p)
{
	stream_flush(p->stream, p->now_ns);
	if (p->tracer)
		tracer_flush(p->tracer);
}
