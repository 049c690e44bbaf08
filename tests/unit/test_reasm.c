/* SPDX-License-Identifier: Apache-2.0 */
/* stream/reasm.c: what is new in a segment, and who moved which byte. */
#include "unit.h"

#include "stream/reasm.h"

static struct segment seg(uint64_t pos, const char *bytes, uint64_t ts_ns)
{
	struct str s = guarded(bytes, strlen(bytes));

	return (struct segment){ .pos = pos, .len = (uint32_t)s.n, .cap = (uint32_t)s.n, .data = s.p, .io = IO_SEND,
				 .ts_ns = ts_ns };
}

TEST(an_over_claim_is_clipped_at_the_next_position)
{
	struct flow f = { 0 };
	struct fresh fresh;
	struct segment a = seg(0, "abcdef", 1), b = seg(3, "defghi", 2);

	assert_true(flow_accept(&f, &a, &fresh));
	assert_true(flow_accept(&f, &b, &fresh));
	assert_int_equal(fresh.pos, 6);
	assert_memory_equal(fresh.bytes.p, "ghi", 3);
	assert_false(flow_accept(&f, &a, &fresh));
	assert_int_equal(f.next, 9);
}

TEST(kept_bytes_and_fresh_ones_are_one_view)
{
	struct flow f = { 0 };
	struct fresh fresh;
	struct str in;
	struct segment a = seg(0, "abc", 1), b = seg(3, "def", 2);

	flow_accept(&f, &a, &fresh);
	assert_int_equal(flow_input(&f, &fresh, &in), 0);
	str_skip(&in, 1);
	f.want = 1;
	assert_int_equal(flow_keep(&f, in), 0);
	flow_accept(&f, &b, &fresh);
	assert_int_equal(flow_input(&f, &fresh, &in), 0);
	assert_int_equal(in.n, 5);
	assert_memory_equal(in.p, "bcdef", 5);
	assert_int_equal(flow_mark(&f, 2)->ts_ns, 1);
	assert_int_equal(flow_mark(&f, 3)->ts_ns, 2);
	flow_release(&f);
}

TEST(a_segment_known_by_size_only_has_a_hole)
{
	struct flow f = { 0 };
	struct fresh fresh;
	struct segment a = seg(10, "abc", 1);

	a.len = 100;
	assert_int_equal(flow_gap(&f, &a), 10);
	assert_true(flow_accept(&f, &a, &fresh));
	assert_true(fresh_has_hole(&fresh));
	assert_int_equal(f.next, 110);
}

TEST(a_parser_can_not_hoard)
{
	struct flow f = { 0 };
	static char big[FLOW_BYTES_MAX];

	assert_int_equal(flow_keep(&f, (struct str){ big, sizeof(big) }), 0);
	assert_int_equal(flow_input(&f, &(struct fresh){ .bytes = STR("x") }, &(struct str){ 0 }), -ENOBUFS);
	flow_release(&f);
}

RUN_TESTS
