/* SPDX-License-Identifier: Apache-2.0 */
/* export.h, the exporter: one lane per enabled signal; how spans and metric requests are queued and
 * encoded. The strings in the options' targets stay the caller's and must outlive it. */
#include <curl/curl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "export/export.h"
#include "export/lane.h"

#define METRIC_REQUESTS_MAX 64	/* queued: each is a whole collection, or its 4 MiB part */

struct exporter {
	struct export_options opt;
	struct resources *resources;
	struct lane *lanes[SIGNAL_COUNT];	/* NULL: not enabled */
};

struct metric_request {
	size_t n;
	char bytes[];
};

static int encode_spans(void *ctx, const struct queue_item *items, size_t n, struct buf *scratch,
			struct str *request)
{
	struct exporter *e = ctx;
	_cleanup_(freep) struct span **spans = malloc(n * sizeof(struct span *));
	int err;

	if (!spans)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		spans[i] = items[i].value;
	err = otlp_encode_spans(scratch, spans, n, e->resources);
	*request = (struct str){ scratch->p, scratch->n };
	return err ? err : scratch->failed ? -ENOMEM : 0;
}

static int view_metrics(void *ctx __attribute__((unused)), const struct queue_item *items,
			size_t n __attribute__((unused)), struct buf *scratch __attribute__((unused)),
			struct str *request)
{
	const struct metric_request *m = items[0].value;

	*request = (struct str){ m->bytes, m->n };
	return 0;
}

static void discard_span(void *value)
{
	span_free(value);
}

static struct lane_options traces_lane(struct exporter *e)
{
	return (struct lane_options){
		.capacity = e->opt.queue_max,
		.batch_max = e->opt.batch_max,
		.delay_ms = e->opt.schedule_delay_ms,
		.encode = encode_spans,
		.discard = discard_span,
	};
}

static struct lane_options metrics_lane(struct exporter *e __attribute__((unused)))
{
	return (struct lane_options){
		.capacity = METRIC_REQUESTS_MAX,
		.batch_max = 1,
		.encode = view_metrics,
		.discard = free,
	};
}

/* How much of bytes_max a signal's queue gets: spans come in bursts, metrics once an interval. */
static size_t share_bytes(const struct export_options *opt, enum signal signal)
{
	const struct otlp_target *other = &opt->targets[signal == SIGNAL_TRACES ? SIGNAL_METRICS : SIGNAL_TRACES];

	if (!other->enabled)
		return opt->bytes_max;
	return signal == SIGNAL_TRACES ? opt->bytes_max / 4 * 3 : opt->bytes_max / 4;
}

static int exporter_add_lane(struct exporter *e, enum signal signal)
{
	static struct lane_options (*const makers[])(struct exporter *) = {
		[SIGNAL_TRACES] = traces_lane,
		[SIGNAL_METRICS] = metrics_lane,
	};
	struct lane_options opt;

	if (!e->opt.targets[signal].enabled)
		return 0;
	opt = makers[signal](e);
	opt.signal = signal;
	opt.target = &e->opt.targets[signal];
	opt.bytes_max = share_bytes(&e->opt, signal);
	opt.export_timeout_ms = e->opt.export_timeout_ms;
	opt.ctx = e;
	return lane_new(&e->lanes[signal], &opt);
}

int exporter_new(struct exporter **out, const struct export_options *opt, struct resources *resources)
{
	struct exporter *e;
	int err = 0;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->opt = *opt;
	e->resources = resources;
	for (int s = 0; s < SIGNAL_COUNT && !err; s++)
		err = exporter_add_lane(e, s);
	if (err) {
		exporter_free(e);
		return err;
	}
	*out = e;
	return 0;
}

void exporter_span(struct exporter *e, struct span *sp)
{
	struct lane *l = e->lanes[SIGNAL_TRACES];

	if (l)
		lane_push(l, (struct queue_item){ sp, sizeof(*sp) + sp->arena.total, 1 });
	else
		span_free(sp);
}

void exporter_metrics(struct exporter *e, const struct buf *request, uint32_t points)
{
	struct lane *l = e->lanes[SIGNAL_METRICS];
	struct metric_request *m;

	if (!l)
		return;
	m = malloc(sizeof(*m) + request->n);
	if (!m) {
		lane_lost(l, points);
		return;
	}
	m->n = request->n;
	if (request->n)
		memcpy(m->bytes, request->p, request->n);
	lane_push(l, (struct queue_item){ m, sizeof(*m) + request->n, points });
}

void exporter_stop(struct exporter *e, uint32_t deadline_ms)
{
	uint64_t deadline_ns = monotonic_ns() + deadline_ms * NSEC_PER_MSEC;

	for (int s = 0; s < SIGNAL_COUNT; s++)
		lane_stop_begin(e->lanes[s], deadline_ns);
	for (int s = 0; s < SIGNAL_COUNT; s++)
		lane_stop_wait(e->lanes[s]);
}

void exporter_free(struct exporter *e)
{
	if (!e)
		return;
	for (int s = 0; s < SIGNAL_COUNT; s++)
		lane_free(e->lanes[s]);
	free(e);
}

void exporter_stats(struct exporter *e, struct export_stats *out)
{
	*out = (struct export_stats){ 0 };
	for (int s = 0; s < SIGNAL_COUNT; s++)
		if (e->lanes[s])
			lane_stats(e->lanes[s], out);
}
