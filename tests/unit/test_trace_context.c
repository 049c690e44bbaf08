/* SPDX-License-Identifier: Apache-2.0 */
/* proto/trace_context.c: traceparent and b3, the valid and the others. */
#include "unit.h"

#include "proto/trace_context.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static struct str guarded_text(const char *z)
{
	return guarded(z, strlen(z));
}

static void assert_ids(const struct trace_context *c, bool wide)
{
	static const uint8_t trace[16] = { 0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
					   0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36 };
	static const uint8_t span[8] = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 };

	assert_true(c->present);
	if (wide)
		assert_memory_equal(c->trace.b, trace, 16);
	else
		assert_memory_equal(c->trace.b + 8, trace + 8, 8);
	assert_memory_equal(c->parent.b, span, 8);
}

TEST(traceparents_are_taken_or_refused_as_the_specification_says)
{
	static const struct {
		const char *value;
		bool ok;
		unsigned flags;
	} t[] = {
		{ "00-" TRACE "-" SPAN "-01", true, 1 },
		{ "00-" TRACE "-" SPAN "-00", true, 0 },
		{ " 00-" TRACE "-" SPAN "-03 ", true, 3 },
		{ "01-" TRACE "-" SPAN "-01-later", true, 1 },
		{ "cc-" TRACE "-" SPAN "-01", true, 1 },
		{ "01-" TRACE "-" SPAN "-01.later", false, 0 },
		{ "00-" TRACE "-" SPAN "-01-", false, 0 },
		{ "ff-" TRACE "-" SPAN "-01", false, 0 },
		{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", false, 0 },
		{ "00-00000000000000000000000000000000-" SPAN "-01", false, 0 },
		{ "00-" TRACE "-0000000000000000-01", false, 0 },
		{ "00-" TRACE "-" SPAN "-0", false, 0 },
		{ "00-" TRACE "-" SPAN "-0x", false, 0 },
		{ "00-" TRACE "-" SPAN, false, 0 },
		{ "00-" TRACE "0" SPAN "-01", false, 0 },
		{ "00", false, 0 },
		{ "", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct trace_context c = { 0 };

		assert_int_equal(trace_context_w3c(guarded_text(t[i].value), STR("k=v"), &c), t[i].ok);
		assert_int_equal(c.flags, t[i].flags);
		if (t[i].ok)
			assert_ids(&c, true);
		else
			assert_false(c.present);
	}
}

TEST(b3_is_mapped_to_the_same_ids)
{
	static const struct {
		const char *value;
		bool ok, wide;
		unsigned flags;
	} t[] = {
		{ TRACE "-" SPAN "-1", true, true, 1 },
		{ TRACE "-" SPAN "-d-05e3ac9a4f6e3b90", true, true, 1 },
		{ TRACE "-" SPAN "-0", true, true, 0 },
		{ TRACE "-" SPAN, true, true, 0 },
		{ "a3ce929d0e0e4736-" SPAN "-1", true, false, 1 },
		{ "A3CE929D0E0E4736-00F067AA0BA902B7-1", true, false, 1 },
		{ "0", false, false, 0 },
		{ "d", false, false, 0 },
		{ "a3ce929d0e0e4736-" SPAN "x1", false, false, 0 },
		{ "0000000000000000-" SPAN "-1", false, false, 0 },
		{ TRACE "-", false, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct trace_context c = { 0 };

		assert_int_equal(trace_context_b3(guarded_text(t[i].value), &c), t[i].ok);
		assert_int_equal(c.flags, t[i].flags);
		if (t[i].ok)
			assert_ids(&c, t[i].wide);
	}
}

TEST(b3_in_several_headers_needs_both_ids)
{
	struct trace_context c = { 0 };

	assert_true(trace_context_b3_multi(STR(TRACE), STR(SPAN), STR("true"), STR(""), &c));
	assert_ids(&c, true);
	assert_int_equal(c.flags, 1);
	assert_true(trace_context_b3_multi(STR(TRACE), STR(SPAN), STR("0"), STR("1"), &c));
	assert_int_equal(c.flags, 1);
	assert_false(trace_context_b3_multi(STR(TRACE), STR(""), STR("1"), STR(""), &c));
	assert_false(trace_context_b3_multi(STR(""), STR(SPAN), STR("1"), STR(""), &c));
}

RUN_TESTS
