/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: bounded queues, batches, retries, one thread per signal; never blocks the caller.
 *
 * In:  final spans (taken over), metric snapshots as encoded requests. Out: OTLP over HTTP/protobuf or gRPC.
 * Source: opentelemetry-specification, protocol/exporter and protocol/otlp (retry table). */
#ifndef SONDE_EXPORT_EXPORT_H
#define SONDE_EXPORT_EXPORT_H

#include "base/buf.h"
#include "base/service.h"
#include "metrics/metrics.h"
#include "span/span.h"

enum otlp_protocol { OTLP_HTTP_PROTOBUF, OTLP_GRPC };
enum signal { SIGNAL_TRACES, SIGNAL_METRICS, SIGNAL_COUNT };

/* One signal's endpoint, as the OTLP exporter specification resolves it. */
struct otlp_target {
	bool enabled;			/* an endpoint is set and the signal's exporter is otlp */
	enum otlp_protocol protocol;
	char *url;			/* full: http(s)://host:port/v1/traces, or http(s)://host:port, unix:path for gRPC */
	char **headers;			/* "name: value", NULL-terminated */
	bool gzip;
	uint32_t timeout_ms;
	char *certificate, *client_certificate, *client_key;	/* file names or NULL */
	bool insecure;			/* gRPC without a scheme */
};

struct export_options {
	struct otlp_target targets[SIGNAL_COUNT];
	uint32_t queue_max;		/* OTEL_BSP_MAX_QUEUE_SIZE: spans */
	uint32_t batch_max;		/* OTEL_BSP_MAX_EXPORT_BATCH_SIZE */
	uint32_t schedule_delay_ms;	/* OTEL_BSP_SCHEDULE_DELAY */
	uint32_t export_timeout_ms;	/* OTEL_BSP_EXPORT_TIMEOUT */
	size_t bytes_max;		/* of both queues */
};

/* Service numbers to resources; the worker's thread adds, the encoder reads (locked inside). */
struct resources;
int resources_new(struct resources **out);
void resources_free(struct resources *r);
void resources_set(struct resources *r, const struct service *s);
/* Copies it; false when that number is unknown. */
bool resources_get(struct resources *r, uint32_t number, struct service *out);

struct export_stats {		/* cumulative, by signal */
	uint64_t sent[SIGNAL_COUNT];		/* spans, data points accepted */
	uint64_t dropped_queue_full[SIGNAL_COUNT];
	uint64_t dropped_rejected[SIGNAL_COUNT];	/* partial success, 4xx, undecodable */
	uint64_t dropped_failed[SIGNAL_COUNT];	/* retries used up, shutdown */
	uint64_t requests[SIGNAL_COUNT], retries[SIGNAL_COUNT];
	uint64_t request_ns[SIGNAL_COUNT];
	uint64_t queued[SIGNAL_COUNT], queued_bytes[SIGNAL_COUNT];	/* now */
	char last_error[SIGNAL_COUNT][160];
};

struct exporter;
int exporter_new(struct exporter **out, const struct export_options *opt, struct resources *resources);
/* Takes sp over. Oldest spans leave when the queue is full (counted). */
void exporter_span(struct exporter *e, struct span *sp);
/* Takes an encoded ExportMetricsServiceRequest over (copied into the queue). points: data points in it. */
void exporter_metrics(struct exporter *e, const struct buf *request, uint32_t points);
/* Sends what is queued, waits at most deadline_ms, then drops (counted). The threads have ended after it. */
void exporter_stop(struct exporter *e, uint32_t deadline_ms);
void exporter_free(struct exporter *e);
void exporter_stats(struct exporter *e, struct export_stats *out);

/* ---- encoders (pure; no I/O) ---- */

/* ExportTraceServiceRequest of n spans, grouped by resource (service number) and scope. Appended to out. */
int otlp_encode_spans(struct buf *out, struct span *const *spans, size_t n, struct resources *r);
/* ExportMetricsServiceRequests of all series: calls f for each, split so that none is over max_bytes. */
int otlp_encode_metrics(struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns, struct resources *r,
			size_t max_bytes, void (*f)(void *ctx, const struct buf *request, uint32_t points), void *ctx);
/* Prometheus text format 0.0.4, or OpenMetrics 1.0 (with exemplars, # EOF). */
int prometheus_encode(struct buf *out, struct metrics *m, struct resources *r, bool openmetrics, uint64_t now_unix_ns);
/* OTLP/JSON: one line `{"resourceSpans":[...]}` as the Collector's file exporter writes it (ids in hex, int64
 * as strings). */
int otlp_json_spans(struct buf *out, struct span *const *spans, size_t n, struct resources *r);
int otlp_json_metrics(struct buf *out, struct metrics *m, bool delta, bool reset, uint64_t now_unix_ns,
		      struct resources *r);

#endif
