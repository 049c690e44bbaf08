/* SPDX-License-Identifier: Apache-2.0 */
/* What one exchange costs after it is described: ns per metric recorded, ns per span encoded. Prints the
 * best of some rounds, which is the figure that other load on the machine disturbs least. */
#include <stdio.h>

#include "base/clock.h"
#include "export/export.h"

#define SPANS 512
#define ROUNDS 200

static struct span *make_span(uint32_t i)
{
	static const char *const routes[] = { "/api/v1/orders/{id}", "/api/v1/carts/{id}/items", "/health", "/" };
	struct span *sp;

	if (span_new(&sp))
		abort();
	sp->service = 1 + i % 3;
	sp->kind = SPAN_SERVER;
	sp->instrument = INSTRUMENT_HTTP_SERVER;
	sp->protocol = "http";
	sp->name = STR("GET /api/v1/orders/{id}");
	memset(&sp->trace, (int)(i % 255 + 1), sizeof(sp->trace));
	memset(&sp->id, (int)(i % 251 + 1), sizeof(sp->id));
	memset(&sp->parent, 7, i % 3 ? sizeof(sp->parent) : 0);
	sp->link_method = i % 3 ? "same_bytes" : NULL;
	sp->link_confidence = 1;
	sp->start_unix_ns = 1790000000000000000ull + i;
	sp->duration_ns = 100000 + (uint64_t)i * i * 977 % 50000000;
	sp->end_unix_ns = sp->start_unix_ns + sp->duration_ns;
	sp->request_size = 0;
	sp->response_size = i * 37 % 100000;
	span_str(sp, ATTR_HTTP_REQUEST_METHOD, STR("GET"), true);
	span_str(sp, ATTR_URL_PATH, STR("/api/v1/orders/123456"), false);
	span_str(sp, ATTR_URL_SCHEME, STR("http"), true);
	span_str(sp, ATTR_HTTP_ROUTE, str_of(routes[i % ARRAY_SIZE(routes)]), true);
	span_int(sp, ATTR_HTTP_RESPONSE_STATUS_CODE, i % 50 ? 200 : 503, true);
	span_int(sp, ATTR_HTTP_RESPONSE_BODY_SIZE, sp->response_size, false);
	span_str(sp, ATTR_SERVER_ADDRESS, STR("orders.shop.svc.cluster.local"), false);
	span_int(sp, ATTR_SERVER_PORT, 8080, false);
	span_str(sp, ATTR_CLIENT_ADDRESS, STR("10.11.12.13"), false);
	span_str(sp, ATTR_NETWORK_PROTOCOL_VERSION, STR("1.1"), true);
	span_str(sp, ATTR_USER_AGENT_ORIGINAL, STR("Mozilla/5.0 (X11; Linux x86_64) curl/8.5"), false);
	return sp;
}

static double best_record_ns(struct metrics *m, struct span *const *spans)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = monotonic_ns();

		for (size_t i = 0; i < SPANS; i++)
			metrics_record(m, spans[i]);
		best = MIN(best, monotonic_ns() - start);
	}
	return (double)best / SPANS;
}

static double best_encode_ns(struct resources *r, struct span *const *spans, struct buf *out)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = monotonic_ns();

		buf_clear(out);
		if (otlp_encode_spans(out, spans, SPANS, r))
			abort();
		best = MIN(best, monotonic_ns() - start);
	}
	return (double)best / SPANS;
}

int main(void)
{
	const struct metrics_options opt = { .series_max = 2000, .memory_max = 8 << 20 };
	_cleanup_(buf_release) struct buf out = { 0 };
	struct span *spans[SPANS];
	struct resources *r;
	struct metrics *m;

	if (metrics_new(&m, &opt) || resources_new(&r))
		return 1;
	for (uint32_t i = 0; i < SPANS; i++)
		spans[i] = make_span(i);
	printf("%.0f ns per metric recorded (an exchange's duration and two sizes)\n", best_record_ns(m, spans));
	printf("%.0f ns per span encoded", best_encode_ns(r, spans, &out));
	printf(" (%zu bytes)\n", out.n / SPANS);
	for (uint32_t i = 0; i < SPANS; i++)
		span_free(spans[i]);
	metrics_free(m);
	resources_free(r);
	return 0;
}
