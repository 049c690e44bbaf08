/* SPDX-License-Identifier: Apache-2.0 */
/* console/: quantiles of the RED table, how a trace is drawn, and that strangers' text is not obeyed. */
#include "unit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "console/console.h"
#include "console/plain.h"
#include "console/red.h"
#include "console/tree.h"

/* ---- RED ---- */

TEST(quantiles_are_within_a_bucket)
{
	struct red *r = calloc(1, sizeof(*r));
	struct red_view v;

	for (uint64_t ms = 1; ms <= 1000; ms++)
		red_add(r, NSEC_PER_SEC, ms * NSEC_PER_MSEC, ms % 10 == 0);
	red_read(r, 11 * NSEC_PER_SEC, &v);
	assert_int_equal(v.count, 1000);
	assert_true(v.p50_ms > 500 * 0.93 && v.p50_ms < 500 * 1.07);
	assert_true(v.p95_ms > 950 * 0.93 && v.p95_ms < 950 * 1.07);
	assert_true(v.p99_ms > 990 * 0.93 && v.p99_ms < 990 * 1.07);
	assert_true(v.error_ratio > 0.0999 && v.error_ratio < 0.1001);
	assert_true(v.per_second > 99.9 && v.per_second < 100.1);
	free(r);
}

TEST(one_request_is_every_quantile)
{
	struct red *r = calloc(1, sizeof(*r));
	struct red_view v;

	red_add(r, NSEC_PER_SEC, 7 * NSEC_PER_MSEC, false);
	red_read(r, NSEC_PER_SEC, &v);
	assert_true(v.p50_ms == v.p99_ms && v.p50_ms > 6.5 && v.p50_ms < 7.5);
	assert_true(v.error_ratio == 0);
	free(r);
}

TEST(only_the_last_minute_counts)
{
	struct red *r = calloc(1, sizeof(*r));
	struct red_view v;

	for (uint64_t second = 100; second < 300; second++)
		red_add(r, second * NSEC_PER_SEC, NSEC_PER_MSEC, second < 200);
	red_read(r, 299 * NSEC_PER_SEC, &v);
	assert_int_equal(r->total, 200);
	assert_true(v.count >= 54 && v.count <= 60);
	assert_int_equal(v.errors, 0);
	assert_true(v.per_second > 0.9 && v.per_second < 1.1);
	red_read(r, 400 * NSEC_PER_SEC, &v);
	assert_int_equal(v.count, 0);
	free(r);
}

/* ---- trees ---- */

static void add(struct forest *f, uint8_t trace, uint8_t id, uint8_t parent, uint32_t service, const char *name,
		uint64_t start_ms)
{
	struct span sp = { .service = service, .kind = SPAN_SERVER, .name = str_of(name), .trace.b[0] = trace, .id.b[0] = id,
			   .parent.b[0] = parent, .start_unix_ns = start_ms * NSEC_PER_MSEC, .duration_ns = NSEC_PER_MSEC };

	forest_add(f, &sp);
}

static const char *letter(void *ctx, uint32_t service)
{
	return ((const char *const *)ctx)[service];
}

/* The drawn lines; freed by the test. */
static char *drawn(const struct forest *f)
{
	static const char *const names[] = { "?", "edge", "shop", "stock" };
	struct buf b = { 0 };

	tree_draw(forest_pick(f), &b, letter, (void *)names);
	buf_char(&b, '\0');
	assert_false(b.failed);
	return b.p;
}

static void expect_order(const char *text, const char *const *wanted, size_t n)
{
	const char *at = text;

	for (size_t i = 0; i < n; i++) {
		const char *found = strstr(at, wanted[i]);

		if (!found)
			fail_msg("\"%s\" does not follow in:\n%s", wanted[i], text);
		at = found + 1;
	}
}

TEST(children_are_indented_in_the_order_of_their_start)
{
	struct forest *f = calloc(1, sizeof(*f));
	static const char *const wanted[] = { "5 spans, 3 services", "\n  edge server GET /", "\n    shop server first",
					      "\n      stock server deep", "\n    shop server second", "\n  edge server orphan" };
	char *text;

	add(f, 1, 4, 3, 3, "deep", 12);	/* spans come in the order in which they end */
	add(f, 1, 5, 2, 2, "second", 20);
	add(f, 1, 3, 2, 2, "first", 11);
	add(f, 1, 6, 99, 1, "orphan", 30);
	add(f, 1, 2, 0, 1, "GET /", 10);
	text = drawn(f);
	expect_order(text, wanted, ARRAY_SIZE(wanted));
	free(text);
	free(f);
}

TEST(the_trace_with_most_services_is_shown)
{
	struct forest *f = calloc(1, sizeof(*f));

	add(f, 1, 1, 0, 1, "a", 1);
	add(f, 1, 2, 1, 2, "b", 2);
	add(f, 2, 1, 0, 1, "c", 3);
	assert_int_equal(forest_pick(f)->trace.b[0], 1);
	add(f, 3, 1, 0, 1, "d", 4);
	add(f, 3, 2, 1, 2, "e", 5);
	assert_int_equal(forest_pick(f)->trace.b[0], 3);
	free(f);
}

TEST(old_traces_make_room_and_large_ones_are_cut)
{
	struct forest *f = calloc(1, sizeof(*f));
	char *text;

	assert_null(forest_pick(f));
	for (int trace = 1; trace <= TREE_TRACES + 1; trace++)
		add(f, (uint8_t)trace, 1, 0, 1, "a", 1);
	for (int i = 0; i < TREE_TRACES; i++)
		assert_int_not_equal(f->trees[i].trace.b[0], 1);
	for (int i = 1; i < TREE_SPANS + 10; i++)
		add(f, 200, (uint8_t)i, (uint8_t)(i - 1), 1, "b", (uint64_t)i);
	text = drawn(f);
	assert_non_null(strstr(text, "... 9 more spans"));
	free(text);
	free(f);
}

/* ---- text of strangers ---- */

static void expect_plain(const char *from, size_t n, const char *wanted)
{
	char to[32];

	plain_copy(to, sizeof(to), guarded(from, n));
	assert_string_equal(to, wanted);
}
#define EXPECT_PLAIN(from, wanted) expect_plain(from, sizeof(from) - 1, wanted)

TEST(control_characters_become_dots)
{
	EXPECT_PLAIN("GET /a\x1b[2J\r\n\x7f", "GET /a.[2J...");
	EXPECT_PLAIN("\0", ".");
	EXPECT_PLAIN("\xc2\x9b" "31m", ".31m");
	EXPECT_PLAIN("\x9b" "31m", ".31m");
}

TEST(other_characters_stay_whole)
{
	char to[4];

	EXPECT_PLAIN("caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac");
	EXPECT_PLAIN("\xe2\x82", "..");
	EXPECT_PLAIN("", "");
	plain_copy(to, sizeof(to), STR("a\xe2\x82\xac"));
	assert_string_equal(to, "a");
}

/* All that a console writes for one service and one span. */
static void console_text(const char *service, struct span *sp, char *out, size_t size)
{
	struct service s = { .number = 1, .pid = 1 };
	struct console *c;
	int pair[2];
	ssize_t n;

	assert_int_equal(pipe(pair), 0);
	assert_int_equal(console_new(&c, &(struct console_options){ .fd = pair[1] }), 0);
	snprintf(s.name, sizeof(s.name), "%s", service);
	console_service(c, &s);
	console_red(c, sp);
	console_span(c, sp);
	console_flush(c, NSEC_PER_SEC);
	console_free(c);
	close(pair[1]);
	n = read(pair[0], out, size - 1);
	assert_true(n > 0);
	out[n] = '\0';
	close(pair[0]);
}

TEST(no_control_character_reaches_the_output)
{
	struct span sp = { .service = 1, .kind = SPAN_SERVER, .protocol = "http", .name = STR("GET /\x1b]0;x\x07"), .id.b[0] = 1 };
	char text[8192];

	span_str(&sp, ATTR_ERROR_TYPE, STR("\x1b[31mbad"), false);
	console_text("shop\x1b[5m", &sp, text, sizeof(text));
	assert_non_null(strstr(text, "shop.[5m"));
	assert_non_null(strstr(text, "GET /.]0;x."));
	assert_non_null(strstr(text, ".[31mbad"));
	for (const char *p = text; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
}

RUN_TESTS
