/* SPDX-License-Identifier: Apache-2.0 */
/* export/: the protobuf writer, resources, size limits of requests. What the fields mean is checked by
 * check_otlp.py with OpenTelemetry's own classes. */
#include "unit.h"

#include "export/pb.h"
#include "export/resource.h"
#include "export/span_groups.h"

static void assert_bytes(const struct buf *b, const char *want, size_t n)
{
	assert_false(b->failed);
	assert_int_equal(b->n, n);
	assert_memory_equal(b->p, want, n);
}

TEST(varints_have_seven_bits_a_byte)
{
	_cleanup_(buf_release) struct buf b = { 0 };
	struct pb w;

	pb_begin(&w, &b);
	pb_varint(&w, UINT64_MAX);
	pb_varint(&w, 1ull << 63);
	pb_varint(&w, 16384);
	pb_varint(&w, 300);
	pb_varint(&w, 127);
	pb_varint(&w, 0);
	pb_end(&w);
	assert_bytes(&b, "\x00\x7f\xac\x02\x80\x80\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"
			 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 27);
}

TEST(messages_have_their_length_before_them)
{
	_cleanup_(buf_release) struct buf b = { 0 };
	struct pb w;
	size_t mark;

	buf_str(&b, STR("kept"));
	pb_begin(&w, &b);
	mark = pb_mark(&w);
	pb_sint(&w, 2, -3);
	pb_uint(&w, 1, 150);
	pb_message(&w, 16, mark);
	pb_end(&w);
	assert_bytes(&b, "kept\x82\x01\x05\x08\x96\x01\x10\x05", 12);
}

TEST(what_does_not_fit_moves_to_a_larger_buffer)
{
	_cleanup_(buf_release) struct buf b = { 0 };
	char big[3000];
	struct pb w;

	memset(big, 'x', sizeof(big));
	buf_str(&b, STR("kept"));
	pb_begin(&w, &b);
	for (int i = 0; i < 100; i++)
		pb_bytes(&w, 1, big, sizeof(big));
	pb_end(&w);
	assert_int_equal(b.n, 4 + 100 * (sizeof(big) + 3));
	for (int i = 0; i < 100; i++)
		assert_memory_equal(b.p + 4 + (size_t)i * (sizeof(big) + 3), "\x0a\xb8\x17xxxx", 7);
	assert_memory_equal(b.p, "kept", 4);
}

TEST(strings_become_utf8)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "plain", "plain" }, { "12345678\xff", "12345678\xef\xbf\xbd" }, { "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" }, { "long enough caf\xc3", "long enough caf\xef\xbf\xbd" },
		{ "\xed\xa0\x80x", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx" }, { "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_release) struct buf b = { 0 };
		struct str want = str_of(cases[i].out);
		struct pb w;

		pb_begin(&w, &b);
		pb_string(&w, 1, guarded(cases[i].in, strlen(cases[i].in)));
		pb_end(&w);
		assert_int_equal(b.n, want.n + 2);
		assert_int_equal(b.p[1], want.n);
		assert_memory_equal(b.p + 2, want.p, want.n);
	}
}

static struct str resource_attr(const struct resource *res, const char *key)
{
	for (uint32_t i = 0; i < res->n; i++)
		if (strcmp(res->attrs[i].key, key) == 0)
			return res->attrs[i].s;
	return (struct str){ 0 };
}

TEST(the_agent_is_service_0)
{
	struct resources *r;
	struct resource res;
	struct service s;

	assert_int_equal(resources_new(&r), 0);
	assert_true(resources_get(r, 0, &s));
	assert_string_equal(s.name, "sonde");
	assert_int_equal(strlen(s.instance_id), 36);
	assert_int_equal(s.instance_id[14], '4');
	resource_load(&res, r, 0);
	assert_true(str_eq(resource_attr(&res, "service.name"), STR("sonde")));
	resources_free(r);
}

TEST(an_unknown_number_is_an_unknown_service)
{
	struct service far = { .number = SERVICES_MAX, .name = "far" }, s;
	struct resources *r;
	struct resource res;

	assert_int_equal(resources_new(&r), 0);
	resources_set(r, &far);
	assert_false(resources_get(r, 7, &s));
	assert_false(resources_get(r, SERVICES_MAX, &s));
	resource_load(&res, r, 7);
	assert_true(str_eq(resource_attr(&res, "service.name"), STR("unknown_service")));
	assert_null(resource_attr(&res, "process.pid").p);
	resources_free(r);
}

TEST(attributes_of_the_environment_fill_their_space_and_no_more)
{
	struct service s = { .number = 1, .name = "s" };
	struct resources *r;
	struct resource res;

	for (size_t i = 0; i + 4 < sizeof(s.attributes); i += 4)
		memcpy(s.attributes + i, (char[]){ (char)('a' + i / 4 % 26), (char)('a' + i / 104 % 26), '=', 0 }, 4);
	for (size_t i = 3; i < sizeof(s.attributes) - 1; i += 4)
		s.attributes[i] = ',';
	assert_int_equal(resources_new(&r), 0);
	resources_set(r, &s);
	resource_load(&res, r, 1);
	memset(s.attributes, 'k', sizeof(s.attributes) - 1);
	s.attributes[200] = '=';
	s.attributes[300] = '%';
	s.attributes[301] = '0';
	s.attributes[302] = '0';
	resources_set(r, &s);
	resource_load(&res, r, 1);
	for (uint32_t i = 0; i < res.n; i++)
		if (res.attrs[i].type == ATTR_STR && res.attrs[i].s.n == 310)
			assert_memory_equal(res.attrs[i].s.p + 99, "%00", 3);
	resources_free(r);
}

TEST(spans_are_grouped_by_service_and_protocol)
{
	struct span spans[6] = {
		{ .service = 2, .protocol = "http" }, { .service = 1, .protocol = "http" },
		{ .service = 2, .protocol = "redis" }, { .service = 2, .protocol = "http" },
		{ .service = 1, .protocol = NULL }, { .service = 2, .protocol = "http" },
	};
	struct span *p[6] = { &spans[0], &spans[1], &spans[2], &spans[3], &spans[4], &spans[5] };
	struct span_groups gs;
	uint32_t n = 0;

	assert_int_equal(span_groups_make(&gs, p, 6), 0);
	assert_int_equal(gs.n, 4);
	for (uint32_t g = 0; g < gs.n; g++) {
		assert_true(g == 0 || gs.groups[g - 1].service <= gs.groups[g].service);
		for (uint32_t i = gs.groups[g].first; i != SPAN_NONE; i = gs.next[i], n++)
			assert_int_equal(spans[i].service, gs.groups[g].service);
	}
	assert_int_equal(n, 6);
	span_groups_release(&gs);
}

TEST(no_spans_make_an_empty_request)
{
	_cleanup_(buf_release) struct buf b = { 0 };
	struct resources *r;

	assert_int_equal(resources_new(&r), 0);
	assert_int_equal(otlp_encode_spans(&b, NULL, 0, r), 0);
	assert_int_equal(b.n, 0);
	assert_int_equal(otlp_json_spans(&b, NULL, 0, r), 0);
	assert_int_equal(b.n, strlen("{\"resourceSpans\":[]}\n"));
	resources_free(r);
}

struct split {
	size_t max, requests;
	uint32_t points;
};

static void count_request(void *ctx, const struct buf *request, uint32_t points)
{
	struct split *s = ctx;

	assert_true(request->n <= s->max);
	s->requests++;
	s->points += points;
}

TEST(requests_of_metrics_stay_below_the_limit)
{
	const struct metrics_options opt = { .series_max = 1000, .memory_max = 4 << 20 };
	struct split s = { .max = 64 << 10 };
	struct resources *r;
	struct metrics *m;

	assert_int_equal(resources_new(&r), 0);
	assert_int_equal(metrics_new(&m, &opt), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		struct attr a = { .key = "i", .type = ATTR_INT, .i = i % 500 };

		metrics_set(m, METRIC_GAUGE, i % 3 ? "a" : "b", "By", "help", 1 + i % 4, &a, 1, i);
	}
	assert_int_equal(otlp_encode_metrics(m, false, true, 1, r, s.max, count_request, &s), 0);
	assert_int_equal(s.points, metrics_series(m));
	assert_true(s.requests > 1);
	metrics_free(m);
	resources_free(r);
}

RUN_TESTS
