/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/: series by attributes, limits, temporality, exemplars, departures, turns. */
#include "unit.h"

#include <math.h>

#include "bpf/turn.h"
#include "metrics/metrics.h"

#define NOW (2000000000ull * NSEC_PER_SEC)	/* later than the clock that stamps new series */
#define DURATION "http.server.request.duration"

static struct metrics *new_metrics(struct metrics_options opt)
{
	struct metrics *m;

	if (!opt.series_max)
		opt.series_max = 100;
	if (!opt.memory_max)
		opt.memory_max = 1 << 20;
	assert_int_equal(metrics_new(&m, &opt), 0);
	return m;
}

/* A span as describe() makes it, on the stack: only what metrics look at. */
static struct span request(uint32_t service, const char *route, double seconds)
{
	struct span sp = { .service = service, .instrument = INSTRUMENT_HTTP_SERVER, .protocol = "http",
			   .duration_ns = (uint64_t)(seconds * NSEC_PER_SEC), .weight = 1,
			   .request_size = -1, .response_size = -1, .end_unix_ns = NOW, .n_attrs = 3 };

	sp.attrs[0] = (struct attr){ .key = ATTR_HTTP_REQUEST_METHOD, .dimension = true, .s = STR("GET") };
	sp.attrs[1] = (struct attr){ .key = ATTR_URL_PATH, .s = STR("/not/a/dimension") };
	sp.attrs[2] = (struct attr){ .key = ATTR_HTTP_ROUTE, .dimension = true, .s = str_of(route) };
	memset(&sp.trace, 1, sizeof(sp.trace));
	memset(&sp.id, 2, sizeof(sp.id));
	return sp;
}

static void record(struct metrics *m, uint32_t service, const char *route, double seconds)
{
	struct span sp = request(service, route, seconds);

	metrics_record(m, &sp);
}

/* What a collection found of one metric. */
struct found {
	const char *name;
	uint32_t points, exemplars;
	uint64_t count, overflow_count;
	double sum, value;
	struct metric_point last;
	uint64_t counts[16], exp_total;
};

static bool is_overflow(const struct metric_point *p)
{
	return p->n_attrs == 1 && strcmp(p->attrs[0].key, "otel.metric.overflow") == 0 && p->attrs[0].b;
}

static void find_point(void *ctx, const struct metric_point *p)
{
	struct found *f = ctx;

	if (strcmp(p->name, f->name))
		return;
	f->points++;
	f->exemplars += p->n_exemplars;
	f->count += p->histogram.count;
	f->sum += p->histogram.sum;
	f->value += p->value;
	f->last = *p;
	if (is_overflow(p))
		f->overflow_count += p->histogram.count;
	for (uint32_t i = 0; p->histogram.counts && i <= p->histogram.n_bounds; i++)
		f->counts[i] += p->histogram.counts[i];
	f->exp_total += p->histogram.zero_count;
	for (uint32_t i = 0; p->histogram.exp && i < p->histogram.n_exp; i++)
		f->exp_total += p->histogram.exp[i];
}

static struct found collect_at(struct metrics *m, const char *name, bool delta, bool reset, uint64_t now)
{
	struct found f = { .name = name };

	metrics_collect(m, delta, reset, now, find_point, &f);
	return f;
}

static struct found collect(struct metrics *m, const char *name, bool delta, bool reset)
{
	return collect_at(m, name, delta, reset, NOW);
}

TEST(series_are_made_of_dimensions_only)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct found f;

	record(m, 1, "/a", 0.02);
	record(m, 1, "/a", 0.03);
	record(m, 1, "/b", 5);
	record(m, 2, "/a", 0.02);
	f = collect(m, DURATION, false, true);
	assert_int_equal(f.points, 3);
	assert_int_equal(f.count, 4);
	assert_int_equal(f.exp_total, 4);
	assert_int_equal(f.counts[2], 2);
	assert_int_equal(f.counts[3], 1);
	assert_int_equal(f.counts[11], 1);
	assert_true(fabs(f.sum - 5.07) < 1e-9);
	assert_int_equal(f.last.n_attrs, 2);
	assert_string_equal(f.last.unit, "s");
	assert_int_equal(collect(m, "http.server.request.body.size", false, true).points, 0);
	metrics_free(m);
}

TEST(the_order_of_attributes_does_not_matter)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct span sp = request(1, "/a", 1);
	struct attr first = sp.attrs[0];

	metrics_record(m, &sp);
	sp.attrs[0] = sp.attrs[2];
	sp.attrs[2] = first;
	metrics_record(m, &sp);
	assert_int_equal(collect(m, DURATION, false, false).points, 1);
	metrics_free(m);
}

TEST(equal_values_under_other_keys_are_other_series)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct attr a = { .key = "a", .type = ATTR_INT, .i = 1 }, b = a;

	b.key = "b";
	metrics_set(m, METRIC_GAUGE, "g", "", "", 0, &a, 1, 10);
	metrics_set(m, METRIC_GAUGE, "g", "", "", 0, &b, 1, 20);
	metrics_set(m, METRIC_GAUGE, "g", "", "", 0, &a, 1, 11);
	assert_int_equal(metrics_series(m), 2);
	assert_true(collect(m, "g", false, false).value == 31);
	metrics_service_gone(m, 0);
	collect(m, "g", false, false);
	assert_int_equal(metrics_series(m), 0);
	metrics_free(m);
}

TEST(series_outlive_the_strings_they_were_made_of)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	char route[] = "/a", key[] = "http.route";
	struct span sp = request(1, route, 1);

	sp.attrs[2].key = key;
	metrics_record(m, &sp);
	memset(route, 'x', 2);
	memset(key, 'x', 4);
	record(m, 1, "/a", 1);
	assert_int_equal(collect(m, DURATION, false, false).points, 1);
	metrics_free(m);
}

TEST(unknown_sizes_are_not_recorded_and_empty_bodies_are)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct span sp = request(1, "/a", 1);
	struct found f;

	sp.response_size = 0;
	metrics_record(m, &sp);
	sp.response_size = 300;
	metrics_record(m, &sp);
	f = collect(m, "http.server.response.body.size", false, false);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.counts[0], 1);
	assert_int_equal(f.last.histogram.zero_count, 1);
	assert_true(f.last.histogram.min == 0 && f.last.histogram.max == 300);
	assert_int_equal(collect(m, "http.server.request.body.size", false, false).points, 0);
	metrics_free(m);
}

TEST(too_many_series_go_to_one_overflow_series_per_service)
{
	struct metrics *m = new_metrics((struct metrics_options){ .series_max = 10 });
	char routes[100][16];
	struct found f;

	for (int i = 0; i < 100; i++) {
		snprintf(routes[i], sizeof(routes[i]), "/%d", i);
		record(m, 1, routes[i], 1);
		record(m, 1, routes[i], 1);
	}
	record(m, 2, "/a", 1);
	f = collect(m, DURATION, false, false);
	assert_int_equal(f.points, 11);
	assert_int_equal(f.count, 201);
	assert_int_equal(f.overflow_count, 200 - 2 * 9);
	assert_int_equal(metrics_overflowed(m), 200 - 2 * 9);
	metrics_free(m);
}

TEST(memory_is_bounded_and_measurements_still_count)
{
	const size_t memory_max = 200 << 10;
	struct metrics *m = new_metrics((struct metrics_options){ .series_max = 100000, .memory_max = memory_max });
	char routes[2000][16];
	struct found f;

	for (int i = 0; i < 2000; i++) {
		snprintf(routes[i], sizeof(routes[i]), "/%d", i);
		record(m, 1, routes[i], i * 0.01);
	}
	f = collect(m, DURATION, false, false);
	assert_int_equal(f.count, 2000);
	assert_true(f.overflow_count > 0);
	assert_true(metrics_memory(m) < memory_max + (64 << 10));
	metrics_free(m);
}

TEST(delta_points_are_what_came_since_and_a_scrape_sees_all)
{
	struct metrics *m = new_metrics((struct metrics_options){ .delta = true });
	struct found f;

	record(m, 1, "/a", 0.02);
	f = collect_at(m, DURATION, true, true, NOW);
	assert_int_equal(f.count, 1);
	assert_true(f.last.delta);
	record(m, 1, "/a", 4);
	record(m, 1, "/a", 1e-6);
	f = collect(m, DURATION, false, false);
	assert_int_equal(f.count, 3);
	assert_int_equal(f.exp_total, 3);
	assert_false(f.last.delta);
	assert_true(f.last.histogram.min == 1e-6 && f.last.histogram.max == 4);
	f = collect_at(m, DURATION, true, true, NOW + 10);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.last.start_unix_ns, NOW);
	assert_int_equal(f.last.time_unix_ns, NOW + 10);
	assert_int_equal(collect_at(m, DURATION, true, true, NOW + 20).points, 0);
	f = collect(m, DURATION, false, false);
	assert_int_equal(f.count, 3);
	assert_int_equal(f.counts[0], 1);
	metrics_free(m);
}

TEST(counters_have_deltas_and_gauges_do_not)
{
	struct metrics *m = new_metrics((struct metrics_options){ .delta = true });

	metrics_set(m, METRIC_COUNTER, "c", "By", "", 0, NULL, 0, 10);
	metrics_set(m, METRIC_GAUGE, "g", "By", "", 0, NULL, 0, 10);
	collect(m, "c", true, true);
	metrics_set(m, METRIC_COUNTER, "c", "By", "", 0, NULL, 0, 15);
	assert_true(collect(m, "c", false, false).value == 15);
	assert_true(collect(m, "g", true, false).value == 10);
	assert_int_equal(collect(m, "g", true, false).last.start_unix_ns, 0);
	assert_true(collect(m, "c", true, true).value == 5);
	assert_true(collect(m, "c", true, true).value == 0);
	metrics_free(m);
}

TEST(cumulative_points_survive_resets)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });

	record(m, 1, "/a", 1);
	collect(m, DURATION, false, true);
	record(m, 1, "/a", 1);
	assert_int_equal(collect(m, DURATION, false, true).count, 2);
	metrics_free(m);
}

TEST(explicit_buckets_leave_the_exponential_ones_out)
{
	struct metrics *m = new_metrics((struct metrics_options){ .explicit_buckets = true, .delta = true });
	struct found f;

	record(m, 1, "/a", 1);
	f = collect(m, DURATION, true, true);
	assert_null(f.last.histogram.exp);
	assert_int_equal(f.counts[9], 1);
	f = collect(m, DURATION, false, false);
	assert_null(f.last.histogram.exp);
	assert_int_equal(f.counts[9], 1);
	metrics_free(m);
}

TEST(exemplars_are_pushed_once_and_scraped_often)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct span fast = request(1, "/a", 0.001), slow = request(1, "/a", 9), other = request(1, "/b", 1);

	metrics_record(m, &fast);
	metrics_record(m, &slow);
	assert_int_equal(collect(m, DURATION, false, false).exemplars, 0);
	metrics_exemplar(m, &slow);
	for (int i = 0; i < 10; i++)
		metrics_exemplar(m, &fast);
	metrics_exemplar(m, &other);	/* never recorded: makes no series */
	assert_int_equal(metrics_series(m), 1);
	assert_int_equal(collect(m, DURATION, false, false).exemplars, 2);
	assert_int_equal(collect(m, DURATION, false, true).exemplars, 2);
	assert_int_equal(collect(m, DURATION, false, true).exemplars, 0);
	assert_int_equal(collect(m, DURATION, false, false).exemplars, 2);
	metrics_free(m);
}

TEST(sampled_exchanges_count_for_those_left_out)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct span sp = request(1, "/a", 1);

	sp.weight = 2.5;
	for (int i = 0; i < 100; i++)
		metrics_record(m, &sp);
	assert_int_equal(collect(m, DURATION, false, false).count, 250);
	metrics_free(m);
}

TEST(series_of_a_gone_service_leave_when_every_reader_has_seen_them)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });

	record(m, 1, "/a", 1);
	record(m, 2, "/a", 1);
	collect(m, DURATION, false, true);
	collect(m, DURATION, false, false);
	metrics_service_gone(m, 1);
	assert_int_equal(collect(m, DURATION, false, true).points, 2);
	assert_int_equal(collect(m, DURATION, false, false).points, 2);
	assert_int_equal(collect(m, DURATION, false, true).points, 1);
	record(m, 1, "/late", 1);
	collect(m, DURATION, false, true);
	collect(m, DURATION, false, false);
	assert_int_equal(collect(m, DURATION, false, true).points, 1);
	record(m, 1, "/again", 1);
	assert_int_equal(collect(m, DURATION, false, true).points, 2);
	assert_int_equal(collect(m, DURATION, false, true).points, 2);
	metrics_free(m);
}

TEST(a_service_inherits_nothing_from_the_one_whose_number_it_gets)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });

	record(m, 1, "/old", 1);
	metrics_service_set(m, 1);
	assert_int_equal(metrics_series(m), 1);
	metrics_service_gone(m, 1);
	metrics_service_set(m, 1);
	assert_int_equal(metrics_series(m), 0);
	record(m, 1, "/new", 1);
	assert_int_equal(collect(m, DURATION, false, false).points, 1);
	assert_int_equal(collect(m, DURATION, false, false).points, 1);
	metrics_free(m);
}

TEST(removal_gives_all_memory_back)
{
	struct metrics *m = new_metrics((struct metrics_options){ .delta = true });
	size_t before;

	record(m, 1, "/a", 1);
	collect(m, DURATION, true, true);
	before = metrics_memory(m);
	for (int i = 0; i < 1000; i++)
		record(m, 2, i % 2 ? "/a" : "/b", i * 0.1);
	assert_true(metrics_memory(m) > before);
	metrics_service_gone(m, 2);
	collect(m, DURATION, true, true);
	assert_int_equal(metrics_memory(m), before);
	metrics_free(m);
}

TEST(turns_are_labelled_turns_and_their_sums_are_exact)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct ipc_turns t = { .key = { .service = 1, .role = ROLE_ACTIVE, .overlaps = 1 },
			       .value = { .count = 5, .repaired = 1, .first_sum_ns = 8000, .last_sum_ns = 4000000 } };
	struct found f;

	t.value.first[turn_bucket(2000)] = 4;
	t.value.last[turn_bucket(1000000)] = 4;
	metrics_turns(m, &t, NULL);
	metrics_turns(m, &t, NULL);
	f = collect(m, "sonde.turn.duration", false, false);
	assert_int_equal(f.points, 2);
	assert_int_equal(f.count, 16);
	assert_true(fabs(f.sum - 0.008016) < 1e-12);
	assert_true(isnan(f.last.histogram.min));
	assert_int_equal(f.last.n_attrs, 3);
	assert_true(f.last.histogram.scale <= 3);
	assert_true(collect(m, "sonde.turn.count", false, false).value == 10);
	assert_int_equal(collect(m, DURATION, false, false).points, 0);
	metrics_free(m);
}

TEST(nothing_is_recorded_of_what_has_no_instrument)
{
	struct metrics *m = new_metrics((struct metrics_options){ 0 });
	struct span sp = request(1, "/a", 1);

	sp.instrument = INSTRUMENT_NONE;
	metrics_record(m, &sp);
	metrics_exemplar(m, &sp);
	assert_int_equal(metrics_series(m), 0);
	metrics_free(m);
}

RUN_TESTS
