/* SPDX-License-Identifier: Apache-2.0 */
/* selfmetrics.h. A drop has a cause; where it belongs to a service it is one of that service's series. */
#include "selfmetrics.h"

#include "base/usage.h"
#include "proto/list.h"

static struct attr attr_str(const char *key, const char *v)
{
	return (struct attr){ .key = key, .type = ATTR_STR, .s = str_of(v) };
}

static void counter(struct pipeline *p, const char *name, const char *unit, const char *help, double v)
{
	metrics_set(p->metrics, METRIC_COUNTER, name, unit, help, 0, NULL, 0, v);
}

static void gauge(struct pipeline *p, const char *name, const char *unit, const char *help, double v)
{
	metrics_set(p->metrics, METRIC_GAUGE, name, unit, help, 0, NULL, 0, v);
}

static void dropped(struct pipeline *p, uint32_t service, const char *cause, uint64_t n)
{
	struct attr a = attr_str("cause", cause);

	if (n || !service)
		metrics_set(p->metrics, METRIC_COUNTER, "sonde.dropped", "{item}", "What was lost or shed, by cause", service,
			    &a, 1, (double)n);
}

void self_program(struct self *s, const struct ipc_program *p)
{
	size_t i = 0;

	while (i < s->n_programs && strcmp(s->programs[i].name, p->name))
		i++;
	if (i == PROGRAMS_MAX)
		return;
	s->programs[i] = *p;
	s->n_programs = MAX(s->n_programs, i + 1);
}

uint64_t self_dropped_records(const struct self *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; s->counters && i < SERVICES_MAX; i++)
		sum += s->counters[i].dropped_records;
	return sum;
}

static void export_programs(const struct self *s, struct pipeline *p)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		const struct ipc_program *g = &s->programs[i];
		struct attr a[] = { attr_str("sonde.bpf.program", g->name), attr_str("sonde.bpf.hook", g->hook) };

		metrics_set(p->metrics, METRIC_COUNTER, "sonde.bpf.firings", "{firing}", "Times a program ran", 0, a, 2,
			    (double)g->fired);
		metrics_set(p->metrics, METRIC_COUNTER, "sonde.bpf.time", "s", "Estimated run time (firings x calibrated time)",
			    0, a, 2, (double)g->run_ns / 1e9);
		metrics_set(p->metrics, METRIC_COUNTER, "sonde.bpf.recursion_misses", "{firing}",
			    "Firings that the kernel skipped", 0, a, 2, (double)g->recursion_misses);
	}
}

static void export_service(const struct self *s, struct pipeline *p, uint32_t i)
{
	const struct stream_service_stats *v = stream_service_stats(p->stream, i);
	const struct service_counters *c = s->counters ? &s->counters[i] : &(struct service_counters){ 0 };
	const struct {
		const char *name, *unit, *help;
		uint64_t value;
	} rows[] = {
		{ "sonde.turns", "{turn}", "Request/response turns seen in positions", v->turns },
		{ "sonde.turns.understood", "{turn}", "Turns all of whose bytes belong to understood messages",
		  v->turns_understood },
		{ "sonde.exchanges", "{exchange}", "Exchanges reported", v->exchanges },
		{ "sonde.capture.records", "{record}", "Records written by the kernel half", c->records },
		{ "sonde.capture.payload", "By", "Payload bytes captured", c->captured_bytes },
		{ "sonde.network.sent", "By", "Bytes that the service sent", c->bytes_sent },
		{ "sonde.network.received", "By", "Bytes that the service received", c->bytes_received },
		{ "sonde.turns.repaired", "{turn}", "Turns of which one side was found by position only", c->repaired_turns },
		{ "sonde.stream.gaps", "{gap}", "Stretches of a stream that no record showed", v->gaps },
		{ "sonde.stream.unanswered", "{request}", "Requests whose answer was never seen", v->unanswered },
	};

	if (!v->turns && !c->records && !v->exchanges)
		return;
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
		metrics_set(p->metrics, METRIC_COUNTER, rows[k].name, rows[k].unit, rows[k].help, i, NULL, 0,
			    (double)rows[k].value);
	if (v->turns)
		metrics_set(p->metrics, METRIC_GAUGE, "sonde.coverage", "1", "Understood turns / turns", i, NULL, 0,
			    (double)v->turns_understood / (double)v->turns);
	dropped(p, i, "ring_full", c->dropped_records);
	dropped(p, i, "head_cut", v->head_cut);
	dropped(p, i, "no_socket_storage", c->storage_failed);
	if (p->console)
		console_coverage(p->console, i, &(struct console_coverage){ v->turns, v->turns_understood });
}

static void export_stream(struct pipeline *p)
{
	const struct stream_stats *v = stream_stats(p->stream);

	gauge(p, "sonde.stream.connections", "{connection}", "Connections followed now", (double)v->connections);
	gauge(p, "sonde.stream.memory", "By", "Memory of connection states and buffers", (double)v->memory);
	dropped(p, 0, "memory_payload", v->shed_payload);
	dropped(p, 0, "memory_exchange", v->shed_exchanges);
	dropped(p, 0, "unknown_connection", v->unknown_records);
	for (unsigned i = 1; proto_name(i)[0]; i++) {
		struct attr a = attr_str(ATTR_NETWORK_PROTOCOL_NAME, proto_name(i));

		metrics_set(p->metrics, METRIC_COUNTER, "sonde.parse.failures", "{failure}", "Times a parser lost sync", 0, &a, 1,
			    (double)v->parse_failures[i]);
	}
}

static void export_tracer(struct pipeline *p)
{
	const struct tracer_stats *v = tracer_stats(p->tracer);

	gauge(p, "sonde.hold.spans", "{span}", "Spans that wait for their parent", (double)v->held);
	gauge(p, "sonde.hold.memory", "By", "Memory of these", (double)v->held_bytes);
	counter(p, "sonde.hold.window_closed", "{span}", "Spans that left before their parent was known",
		(double)v->window_closed);
	counter(p, "sonde.hold.overflowed", "{span}", "Spans that left early for want of room", (double)v->overflowed);
	counter(p, "sonde.hold.late_parents", "{span}", "Parents found after their child had left", (double)v->late_parents);
	counter(p, "sonde.spans.unsampled", "{span}", "Spans not exported as their parent was not sampled",
		(double)p->unsampled);
	counter(p, "sonde.spans.suppressed", "{span}", "Spans of services that export their own", (double)p->suppressed);
}

static void export_exporter(struct pipeline *p)
{
	static const char *const signals[SIGNAL_COUNT] = { "traces", "metrics" };
	static const char *const sent[SIGNAL_COUNT] = { "otel.sdk.exporter.span.exported",
							"otel.sdk.exporter.metric_data_point.exported" };
	static const char *const causes[] = { "", "export_queue_full", "export_rejected", "export_failed" };
	struct export_stats v;

	exporter_stats(p->exporter, &v);
	for (int i = 0; i < SIGNAL_COUNT; i++) {
		struct attr a[] = { attr_str("signal", signals[i]), attr_str("cause", "") };
		const uint64_t drops[] = { 0, v.dropped_queue_full[i], v.dropped_rejected[i], v.dropped_failed[i] };

		if (!p->config->export_.targets[i].enabled)
			continue;
		counter(p, sent[i], "{item}", "Accepted by the endpoint", (double)v.sent[i]);
		for (size_t k = 1; k < ARRAY_SIZE(causes); k++) {
			a[1] = attr_str("cause", causes[k]);
			metrics_set(p->metrics, METRIC_COUNTER, "sonde.export.dropped", "{item}", "Not exported, by cause", 0, a, 2,
				    (double)drops[k]);
		}
		metrics_set(p->metrics, METRIC_COUNTER, "sonde.export.requests", "{request}", "Sent, retries included", 0, a, 1,
			    (double)v.requests[i]);
		metrics_set(p->metrics, METRIC_COUNTER, "sonde.export.retries", "{request}", "Sent again", 0, a, 1,
			    (double)v.retries[i]);
	}
	gauge(p, "otel.sdk.processor.span.queue.size", "{span}", "Spans that wait to be sent", (double)v.queued[SIGNAL_TRACES]);
	gauge(p, "otel.sdk.processor.span.queue.capacity", "{span}", "Spans that may wait",
	      (double)p->config->export_.queue_max);
}

void self_export(const struct self *s, struct pipeline *p)
{
	struct attr tier = attr_str("sonde.capture.tier", s->loader.tier);

	for (uint32_t i = 1; i < SERVICES_MAX; i++)
		export_service(s, p, i);
	export_stream(p);
	export_programs(s, p);
	if (p->tracer)
		export_tracer(p);
	if (p->exporter)
		export_exporter(p);
	counter(p, "process.cpu.time", "s", "CPU time of both halves", (double)(s->loader.cpu_ns + usage_cpu_ns()) / 1e9);
	gauge(p, "process.memory.usage", "By", "Resident memory of both halves",
	      (double)(s->loader.rss_bytes + s->loader.worker_rss_bytes));
	gauge(p, "sonde.bpf.memory", "By", "Locked memory of all maps", (double)s->loader.map_bytes);
	gauge(p, "sonde.capture.ring.fill", "1", "Share of the ring in use",
	      s->ring_size ? (double)s->ring_fill / (double)s->ring_size : 0);
	gauge(p, "sonde.services", "{service}", "Service instances watched", (double)s->loader.services);
	gauge(p, "sonde.processes", "{process}", "Processes watched", (double)s->loader.processes);
	gauge(p, "sonde.metrics.series", "{series}", "Series kept", (double)metrics_series(p->metrics));
	dropped(p, 0, "loader_messages", s->loader.dropped_messages);
	gauge(p, "sonde.metrics.memory", "By", "Memory of these", (double)metrics_memory(p->metrics));
	dropped(p, 0, "series_limit", metrics_overflowed(p->metrics));
	dropped(p, 0, "service_limit", s->loader.refused_processes);
	dropped(p, 0, "process_records", s->counters ? s->counters[NO_SERVICE].dropped_records : 0);
	if (s->loader.tier[0])
		metrics_set(p->metrics, METRIC_GAUGE, "sonde.capture.tier", "1", "How bytes are seen", 0, &tier, 1, 1);
	if (p->console)
		console_status(p->console, s->loader.tier, self_dropped_records(s));
}
