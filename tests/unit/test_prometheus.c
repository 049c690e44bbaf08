/* SPDX-License-Identifier: Apache-2.0 */
/* export/prometheus: names, units, escapes, both formats. check_otlp.py reads them with Prometheus' parsers. */
#include "unit.h"

#include <math.h>

#include "export/export.h"
#include "export/number.h"
#include "export/prometheus_name.h"

static void assert_name(const char *name, const char *unit, bool gauge, const char *want)
{
	_cleanup_(buf_release) struct buf b = { 0 };

	prometheus_name(&b, name, prometheus_unit(unit, gauge));
	buf_char(&b, '\0');
	assert_string_equal(b.p, want);
}

TEST(names_get_their_unit_once)
{
	assert_name("http.server.request.duration", "s", false, "http_server_request_duration_seconds");
	assert_name("http.server.request.body.size", "By", false, "http_server_request_body_size_bytes");
	assert_name("sonde.ring.bytes", "By", true, "sonde_ring_bytes");
	assert_name("bytes", "By", true, "bytes_bytes");
	assert_name("sonde.turn.count", "{turn}", false, "sonde_turn_count");
	assert_name("sonde.coverage", "1", true, "sonde_coverage_ratio");
	assert_name("sonde.things", "1", false, "sonde_things");
	assert_name("odd..name-", NULL, false, "odd_name_");
	assert_name("9lives", "", false, "_9lives");
}

TEST(labels_collide_when_only_other_bytes_differ)
{
	assert_true(prometheus_label_eq("a.b", "a-b"));
	assert_true(prometheus_label_eq("a..b", "a.b"));
	assert_false(prometheus_label_eq("a.b", "a.bc"));
	assert_false(prometheus_label_eq("a", "a."));
	assert_true(prometheus_label_eq("9a", ".9a"));
	assert_false(prometheus_label_eq("9a", "a"));
	assert_false(prometheus_label_eq("9", ""));
}

TEST(doubles_are_as_short_as_they_can_be)
{
	static const struct { double v; const char *text; } cases[] = {
		{ 0.1, "0.1" }, { 1, "1" }, { 0.1 + 0.2, "0.30000000000000004" }, { 1e300, "1e+300" },
		{ 0.02, "0.02" }, { -2.5, "-2.5" }, { 123456789012, "123456789012" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_release) struct buf b = { 0 };

		number_double(&b, cases[i].v);
		buf_char(&b, '\0');
		assert_string_equal(b.p, cases[i].text);
	}
}

/* The exposition of one gauge of the agent, NUL-terminated; the caller frees. */
static char *expose(double value, const struct attr *attrs, uint32_t n, bool openmetrics)
{
	const struct metrics_options opt = { .series_max = 10, .memory_max = 1 << 20, .delta = true };
	struct buf b = { 0 };
	struct resources *r;
	struct metrics *m;

	assert_int_equal(resources_new(&r), 0);
	assert_int_equal(metrics_new(&m, &opt), 0);
	metrics_set(m, METRIC_GAUGE, "g", "", "a \"help\"\n", 0, attrs, n, value);
	assert_int_equal(prometheus_encode(&b, m, r, openmetrics, 1), 0);
	buf_char(&b, '\0');
	metrics_free(m);
	resources_free(r);
	return b.p;
}

TEST(values_that_are_no_numbers_have_names)
{
	_cleanup_(freep) char *inf = expose(INFINITY, NULL, 0, false), *nan = expose(NAN, NULL, 0, false);
	_cleanup_(freep) char *low = expose(-INFINITY, NULL, 0, true);

	assert_non_null(strstr(inf, "} +Inf\n"));
	assert_non_null(strstr(nan, "} NaN\n"));
	assert_non_null(strstr(low, "} -Inf\n"));
}

TEST(hostile_values_cannot_leave_their_label)
{
	const struct attr a = { .key = "path", .type = ATTR_STR, .s = STR("\"} 1\nevil 2\\\xff") };
	_cleanup_(freep) char *text = expose(1, &a, 1, false);

	assert_non_null(strstr(text, ",path=\"\\\"} 1\\nevil 2\\\\\xef\xbf\xbd\"} 1\n"));
	assert_null(strstr(text, "\nevil"));
}

TEST(keys_that_become_one_label_share_it_and_ours_are_taken)
{
	const struct attr attrs[] = {
		{ .key = "a.b", .type = ATTR_INT, .i = -1 }, { .key = "c", .type = ATTR_BOOL, .b = true },
		{ .key = "a_b", .type = ATTR_DOUBLE, .d = 0.5 }, { .key = "job", .type = ATTR_STR, .s = STR("x") },
	};
	_cleanup_(freep) char *text = expose(1, attrs, 4, false);

	assert_non_null(strstr(text, ",a_b=\"-1;0.5\",c=\"true\"} 1\n"));
}

TEST(the_formats_differ_where_they_must)
{
	_cleanup_(freep) char *text = expose(1, NULL, 0, false), *open = expose(1, NULL, 0, true);

	assert_non_null(strstr(text, "# TYPE target_info gauge\n"));
	assert_non_null(strstr(text, "# HELP g a \"help\"\\n\n"));
	assert_null(strstr(text, "# EOF"));
	assert_non_null(strstr(open, "# TYPE target info\n"));
	assert_non_null(strstr(open, "# HELP g a \\\"help\\\"\\n\n"));
	assert_string_equal(open + strlen(open) - 6, "# EOF\n");
	assert_non_null(strstr(open, "job=\"sonde\",instance=\""));
}

RUN_TESTS
