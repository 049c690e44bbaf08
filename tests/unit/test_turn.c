/* SPDX-License-Identifier: Apache-2.0 */
/* bpf/turn.h, compiled natively: the same code as in the kernel. */
#include "bpf/turn.h"
#include "unit.h"

#define REQUEST  1
#define RESPONSE 0

TEST(a_turn_ends_when_the_next_request_begins)
{
	struct turn t = {}, closed = {};

	assert_int_equal(turn_step(&t, REQUEST, 0, 10, 1000, &closed), 0);
	assert_int_equal(turn_step(&t, RESPONSE, 0, 100, 1500, &closed), 0);
	assert_int_equal(turn_step(&t, RESPONSE, 100, 300, 1900, &closed), 0);
	assert_int_equal(turn_step(&t, REQUEST, 10, 25, 5000, &closed), 1);
	assert_int_equal(closed.request_end - closed.request_pos, 10);
	assert_int_equal(closed.response_end - closed.response_pos, 300);
	assert_int_equal(closed.response_first_ns - closed.request_first_ns, 500);
	assert_int_equal(closed.response_last_ns - closed.request_first_ns, 900);
	assert_int_equal(closed.ordinal, 1);
	assert_int_equal(t.ordinal, 2);
	assert_int_equal(t.request_pos, 10);
}

TEST(a_response_without_a_request_belongs_to_no_turn)
{
	struct turn t = {}, closed;

	assert_int_equal(turn_step(&t, RESPONSE, 0, 100, 1, &closed), 0);
	assert_int_equal(turn_finish(&t, &closed), 0);
}

TEST(a_request_without_a_response_is_no_turn_at_the_end)
{
	struct turn t = {}, closed;

	turn_step(&t, REQUEST, 0, 100, 1, &closed);
	assert_int_equal(turn_finish(&t, &closed), 0);
	assert_int_equal(t.phase, TURN_NONE);
}

TEST(the_last_turn_ends_with_the_connection)
{
	struct turn t = {}, closed = {};

	turn_step(&t, REQUEST, 0, 100, 1, &closed);
	turn_step(&t, RESPONSE, 0, 50, 2, &closed);
	assert_int_equal(turn_finish(&t, &closed), 1);
	assert_int_equal(closed.response_end, 50);
	assert_int_equal(turn_finish(&t, &closed), 0);
}

/* What one end of a connection does, with some of its firings skipped by the kernel. */
struct end {
	struct turn turn;
	struct turn_edges at;
	unsigned closed, repaired;
	uint64_t request_bytes, response_bytes, now;
};

static void end_closed(struct end *e, const struct turn *t)
{
	e->closed++;
	e->repaired += t->repaired;
	e->request_bytes += t->request_end - t->request_pos;
	e->response_bytes += t->response_end - t->response_pos;
}

static void end_moves(struct end *e, int is_request, uint64_t bytes, bool skipped)
{
	__u64 *now = is_request ? &e->at.request_now : &e->at.response_now;
	uint64_t pos = *now;
	struct turn closed = {};

	e->now += 100;
	if (!skipped) {
		if (turn_repair(&e->turn, is_request, &e->at, e->now, &closed))
			end_closed(e, &closed);
		if (turn_step(&e->turn, is_request, pos, pos + bytes, e->now, &closed))
			end_closed(e, &closed);
	}
	*now += bytes;
	if (!skipped) {
		e->at.request_seen = e->at.request_now;
		e->at.response_seen = e->at.response_now;
	}
}

static void end_finishes(struct end *e)
{
	struct turn closed = {};

	if (turn_repair(&e->turn, REQUEST, &e->at, e->now, &closed))
		end_closed(e, &closed);
	if (turn_finish(&e->turn, &closed))
		end_closed(e, &closed);
}

TEST(no_single_skipped_firing_loses_a_turn_or_a_byte)
{
	enum { EXCHANGES = 6 };

	/* The very first request is what joins; any later firing may be skipped. */
	for (int skip = 0; skip < 2 * EXCHANGES; skip++) {
		struct end e = {};

		for (int i = 0; i < 2 * EXCHANGES; i++)
			end_moves(&e, i % 2 == 0, i % 2 ? 7 : 3, i == skip);
		end_finishes(&e);
		assert_int_equal(e.closed, EXCHANGES);
		assert_int_equal(e.repaired, 1);
		assert_int_equal(e.request_bytes, 3 * EXCHANGES);
		assert_int_equal(e.response_bytes, 7 * EXCHANGES);
	}
}

TEST(a_skipped_exchange_is_one_repaired_turn)
{
	struct end e = {};

	for (int i = 0; i < 6; i++)
		end_moves(&e, i % 2 == 0, 5, i == 2 || i == 3);
	end_finishes(&e);
	assert_int_equal(e.closed, 3);
	assert_int_equal(e.repaired, 1);
}

TEST(nothing_is_repaired_where_nothing_was_skipped)
{
	struct end e = {};

	for (int i = 0; i < 100; i++)
		end_moves(&e, i % 2 == 0, 5, false);
	end_finishes(&e);
	assert_int_equal(e.closed, 50);
	assert_int_equal(e.repaired, 0);
}

TEST(a_send_that_claimed_too_much_is_clipped_by_the_counters)
{
	struct turn t = {}, closed = {};
	struct turn_edges e = { 10, 10, 1000, 600 };	/* 1000 claimed, 600 taken */

	turn_step(&t, REQUEST, 0, 10, 1, &closed);
	turn_step(&t, RESPONSE, 0, 1000, 2, &closed);
	assert_int_equal(turn_repair(&t, REQUEST, &e, 3, &closed), 0);
	turn_step(&t, REQUEST, 10, 20, 3, &closed);
	assert_int_equal(closed.response_end, 600);
	assert_int_equal(closed.repaired, 0);
}

TEST(a_bucket_contains_what_is_put_into_it)
{
	for (uint64_t us = 1; us < 1ull << 40; us = us * 9 / 8 + 1) {
		uint32_t b = turn_bucket(us * 1000);

		assert_in_range(b, 0, TURN_BUCKETS - 1);
		assert_true(turn_bucket_us(b) <= us);
		if (b < TURN_BUCKETS - 1)
			assert_true(us < turn_bucket_us(b + 1));
	}
	assert_int_equal(turn_bucket(0), 0);
	assert_int_equal(turn_bucket(~0ull), TURN_BUCKETS - 1);
}

RUN_TESTS
