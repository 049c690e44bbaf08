/* SPDX-License-Identifier: Apache-2.0 */
/* stream/: one claim after another about connections, losses, holes and ends. */
#include "unit.h"

#include "stream_line.h"

/* A server's connection and where its two streams stand. */
struct talk {
	struct stream_table *t;
	struct ear e;
	uint64_t pos[2], now;
	uint8_t flags;
};

static void talk_start(struct talk *k, uint64_t sent, uint64_t received)
{
	*k = (struct talk){ .pos = { sent, received } };
	k->t = line_table(&k->e, 1 << 20);
	open_conn(k->t, LINE_CONN, ROLE_PASSIVE, sent, received);
}

static void talk_part(struct talk *k, enum io_dir io, const char *bytes, uint32_t len)
{
	uint32_t cap = (uint32_t)strlen(bytes);

	k->now += 1000;
	data_record(k->t, LINE_CONN, ROLE_PASSIVE,
		    (struct cut){ io, k->pos[io - 1], k->now, len ? len : cap, cap, k->flags }, bytes);
	k->pos[io - 1] += len ? len : cap;
	k->flags = 0;
}

static void ask(struct talk *k, const char *bytes)
{
	talk_part(k, IO_RECV, bytes, 0);
}

static void answer(struct talk *k, const char *bytes)
{
	talk_part(k, IO_SEND, bytes, 0);
}

static void ticks(struct talk *k, int n)
{
	while (n--)
		stream_tick(k->t, k->now);
}

static const struct heard *last(const struct talk *k)
{
	assert_true(k->e.n > 0);
	return &k->e.x[k->e.n - 1];
}

static void talk_stop(struct talk *k)
{
	close_conn(k->t, LINE_CONN, CLOSE_FIN, k->pos[0], k->pos[1]);
	ticks(k, 3);
	assert_int_equal(stream_stats(k->t)->connections, 0);
	assert_int_equal(stream_stats(k->t)->memory, 0);
	stream_table_free(k->t);
}

TEST(an_exchange_has_the_times_of_its_first_and_last_bytes)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 ");
	ask(&k, "0 a\n");
	assert_int_equal(k.e.begun, 1);
	answer(&k, "R0 4 a\nxx");
	answer(&k, "xx");
	assert_int_equal(k.e.n, 0);
	ticks(&k, 1);
	assert_int_equal(k.e.n, 1);
	assert_int_equal(last(&k)->req.first_ns, 1000);
	assert_int_equal(last(&k)->req.last_ns, 2000);
	assert_int_equal(last(&k)->res.first_ns, 3000);
	assert_int_equal(last(&k)->res.last_ns, 4000);
	assert_true(last(&k)->res.complete);
	assert_int_equal(k.e.verdict.proto, 1);
	talk_stop(&k);
}

TEST(a_body_beyond_the_capture_is_skipped_by_position)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\n");
	talk_part(&k, IO_SEND, "R0 100000 a\n", 60000);
	k.pos[0] += 100;		/* a record is lost inside the body */
	talk_part(&k, IO_SEND, "", 12 + 100000 - 60100);
	ask(&k, "Q0 0 b\n");
	answer(&k, "R0 0 b\n");
	ticks(&k, 3);
	assert_int_equal(k.e.n, 2);
	assert_string_equal(k.e.x[0].response, "a");
	assert_int_equal(k.e.x[0].res.end, 100012);
	assert_int_equal(k.e.x[0].res.last_ns, 3000);
	assert_string_equal(k.e.x[1].response, "b");
	assert_int_equal(stream_service_stats(k.t, LINE_SERVICE)->gap_bytes, 100);
	talk_stop(&k);
}

TEST(a_cut_head_keeps_what_was_seen_and_framing_resumes_at_the_next_turn)
{
	struct talk k;

	talk_start(&k, 0, 0);
	talk_part(&k, IO_RECV, "Q0 9", 50);
	assert_int_equal(k.e.cut_bytes, 5);
	answer(&k, "R0 0 a\n");
	ask(&k, "Q0 0 b\n");
	answer(&k, "R0 0 b\n");
	ticks(&k, 1);
	assert_int_equal(k.e.n, 2);
	assert_true(k.e.x[0].req.cut);
	assert_string_equal(k.e.x[0].response, "a");
	assert_string_equal(k.e.x[1].request, "b");
	assert_int_equal(stream_service_stats(k.t, LINE_SERVICE)->head_cut, 1);
	talk_stop(&k);
	assert_int_equal(k.e.n, 2);
}

TEST(a_claim_repeated_later_moves_the_time_of_the_last_byte)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\n");
	talk_part(&k, IO_SEND, "R0 100000 a\n", 100012);
	ticks(&k, 1);
	assert_int_equal(k.e.n, 0);	/* so large a claim is not believed at once */
	k.pos[0] = 50000;
	talk_part(&k, IO_SEND, "", 50012);
	ticks(&k, 1);
	assert_int_equal(k.e.n, 1);
	assert_int_equal(last(&k)->res.last_ns, 3000);
	talk_stop(&k);
}

TEST(joining_in_the_middle_begins_at_a_turn)
{
	struct talk k;

	talk_start(&k, 5000, 7000);
	answer(&k, "rest of something\n");
	ask(&k, "Q0 0 a\n");
	answer(&k, "R0 0 a\n");
	ticks(&k, 1);
	assert_int_equal(k.e.n, 1);
	assert_string_equal(last(&k)->response, "a");
	assert_int_equal(stream_service_stats(k.t, LINE_SERVICE)->unmatched, 0);
	talk_stop(&k);
}

TEST(a_firing_that_the_kernel_skipped_costs_its_own_exchange_only)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\n");
	k.pos[0] += 7;			/* the answer to a */
	k.flags = REC_F_REPAIRED;
	ask(&k, "Q0 0 b\n");
	answer(&k, "R0 0 b\n");
	ticks(&k, 3);
	assert_int_equal(k.e.n, 2);
	assert_int_equal(k.e.x[0].end, END_LOST);
	assert_string_equal(k.e.x[1].request, "b");
	assert_string_equal(k.e.x[1].response, "b");
	assert_int_equal(stream_service_stats(k.t, LINE_SERVICE)->turns, 1);
	talk_stop(&k);
}

TEST(a_request_without_an_answer_says_how_the_connection_ended)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\n");
	close_conn(k.t, LINE_CONN, CLOSE_RESET, 0, 7);
	assert_int_equal(k.e.n, 1);
	assert_int_equal(last(&k)->end, END_RESET);
	assert_false(last(&k)->res.seen);
	assert_int_equal(stream_service_stats(k.t, LINE_SERVICE)->unanswered, 1);
	stream_table_free(k.t);
}

TEST(an_answer_that_records_do_not_show_is_lost_not_closed)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\n");
	close_conn(k.t, LINE_CONN, CLOSE_FIN, 500, 7);
	ticks(&k, 2);
	assert_int_equal(k.e.n, 1);
	assert_int_equal(last(&k)->end, END_LOST);
	stream_table_free(k.t);
}

TEST(a_body_until_close_ends_with_the_connection)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\n");
	answer(&k, "C0 0 a\n");
	answer(&k, "anything");
	ticks(&k, 5);
	assert_int_equal(k.e.n, 0);
	talk_stop(&k);
	assert_int_equal(k.e.x[0].end, END_COMPLETE);
	assert_true(k.e.x[0].res.complete);
	assert_int_equal(k.e.x[0].res.end, 15);
}

TEST(after_a_handoff_nothing_is_parsed)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\n");
	answer(&k, "U0 0 a\n");
	ask(&k, "Q0 0 b\n");
	answer(&k, "R0 0 b\n");
	ticks(&k, 2);
	assert_int_equal(k.e.n, 1);
	assert_int_equal(k.e.verdict.flags, VERDICT_TURNS_ONLY);
	talk_stop(&k);
	assert_int_equal(k.e.n, 1);
}

TEST(one_way_requests_are_told_and_pair_with_nothing)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "P0 0 p\nQ0 0 a\n");
	answer(&k, "R0 0 a\n");
	ticks(&k, 1);
	assert_int_equal(k.e.n, 2);
	assert_string_equal(k.e.x[0].request, "p");
	assert_string_equal(k.e.x[1].response, "a");
	talk_stop(&k);
}

TEST(pipelining_is_noticed)
{
	struct talk k;

	talk_start(&k, 0, 0);
	ask(&k, "Q0 0 a\nQ0 0 b\n");
	answer(&k, "R0 0 a\nR0 0 b\n");
	ticks(&k, 1);
	assert_int_equal(k.e.n, 2);
	assert_int_equal(k.e.verdict.flags, VERDICT_OVERLAPS);
	talk_stop(&k);
}

TEST(garbage_is_given_up_after_a_few_turns)
{
	struct talk k;

	talk_start(&k, 0, 0);
	for (int i = 0; i < 4; i++) {
		ask(&k, "?????");
		answer(&k, "!!!!!");
	}
	assert_int_equal(k.e.verdict.flags, VERDICT_TURNS_ONLY);
	assert_int_equal(stream_service_stats(k.t, LINE_SERVICE)->turns, 3);
	assert_int_equal(stream_service_stats(k.t, LINE_SERVICE)->turns_understood, 0);
	talk_stop(&k);
	assert_int_equal(k.e.n, 0);
}

TEST(one_firing_at_a_unix_reader_serves_both_ends_with_one_key)
{
	struct ear e = { 0 };
	struct stream_table *t = line_table(&e, 0);
	struct rec_conn r = { .h = { .kind = REC_OPEN, .conn = 1 }, .family = AF_UNIX, .role = ROLE_ACTIVE,
			      .peer_conn = 2, .path = "/run/x", .accept_wait_ns = ABSENT_NS };

	stream_record(t, &r, sizeof(r));
	r.h.conn = 2;
	r.peer_conn = 1;
	r.role = ROLE_PASSIVE;
	stream_record(t, &r, sizeof(r));
	data_record(t, 2, ROLE_PASSIVE, (struct cut){ IO_RECV, 0, 10, 7, 7, REC_F_MIRROR }, "Q0 0 a\n");
	data_record(t, 1, ROLE_ACTIVE, (struct cut){ IO_RECV, 0, 20, 7, 7, REC_F_MIRROR }, "R0 0 a\n");
	stream_tick(t, 30);
	assert_int_equal(e.n, 2);
	assert_true(e.x[0].conn != e.x[1].conn);
	assert_int_equal(e.x[0].key, e.x[1].key);
	assert_string_equal(e.x[1].response, "a");
	stream_table_free(t);
}

TEST(two_watched_ends_of_a_tcp_connection_know_of_each_other)
{
	struct ear e = { 0 };
	struct stream_table *t = line_table(&e, 0);
	struct rec_conn r = { .h = { .kind = REC_OPEN, .conn = 1, .service = LINE_SERVICE }, .family = AF_INET,
			      .role = ROLE_PASSIVE, .own_isn = 7, .peer_isn = 9, .accept_wait_ns = ABSENT_NS };

	stream_record(t, &r, sizeof(r));
	data_record(t, 1, ROLE_PASSIVE, (struct cut){ IO_RECV, 0, 10, 7, 7, 0 }, "Q0 0 a\n");
	data_record(t, 1, ROLE_PASSIVE, (struct cut){ IO_SEND, 0, 20, 7, 7, 0 }, "R0 0 a\n");
	stream_tick(t, 30);
	assert_false(e.x[0].peer_watched);
	r.h.conn = 2;
	r.role = ROLE_ACTIVE;
	r.own_isn = 9;
	r.peer_isn = 7;
	stream_record(t, &r, sizeof(r));
	data_record(t, 1, ROLE_PASSIVE, (struct cut){ IO_RECV, 7, 40, 7, 7, 0 }, "Q0 0 b\n");
	data_record(t, 1, ROLE_PASSIVE, (struct cut){ IO_SEND, 7, 50, 7, 7, 0 }, "R0 0 b\n");
	data_record(t, 2, ROLE_ACTIVE, (struct cut){ IO_SEND, 0, 60, 7, 7, 0 }, "Q0 0 a\n");
	data_record(t, 2, ROLE_ACTIVE, (struct cut){ IO_RECV, 0, 70, 7, 7, 0 }, "R0 0 a\n");
	stream_tick(t, 80);
	stream_tick(t, 90);
	assert_int_equal(e.n, 3);
	assert_true(e.x[1].peer_watched && e.x[2].peer_watched);
	stream_table_free(t);
}

TEST(memory_is_bounded_and_what_was_shed_is_counted)
{
	static struct ear e;
	struct stream_table *t = line_table(&e, 200000);

	for (uint64_t c = 1; c <= 300; c++) {
		open_conn(t, c, ROLE_PASSIVE, 0, 0);
		data_record(t, c, ROLE_PASSIVE, (struct cut){ IO_RECV, 0, c, 7, 7, 0 }, "Q0 0 a\n");
	}
	assert_true(stream_stats(t)->memory < 250000);
	assert_true(stream_stats(t)->shed_exchanges > 0);
	assert_int_equal(e.x[0].end, END_LOST);
	stream_table_free(t);
}

TEST(an_idle_connection_is_small)
{
	static struct ear e;
	struct stream_table *t = line_table(&e, 0);

	open_conn(t, 5, ROLE_PASSIVE, 0, 0);
	assert_true(stream_stats(t)->memory <= 250);
	data_record(t, 5, ROLE_PASSIVE, (struct cut){ IO_RECV, 0, 10, 7, 7, 0 }, "Q0 0 a\n");
	data_record(t, 5, ROLE_PASSIVE, (struct cut){ IO_SEND, 0, 20, 7, 7, 0 }, "R0 0 a\n");
	stream_tick(t, 30);
	stream_tick(t, 5 * NSEC_PER_SEC);
	assert_int_equal(e.n, 1);
	assert_true(stream_stats(t)->memory <= 250);
	data_record(t, 5, ROLE_PASSIVE, (struct cut){ IO_RECV, 7, 6 * NSEC_PER_SEC, 7, 7, 0 }, "Q0 0 b\n");
	data_record(t, 5, ROLE_PASSIVE, (struct cut){ IO_SEND, 7, 6 * NSEC_PER_SEC + 9, 7, 7, 0 }, "R0 0 b\n");
	stream_tick(t, 7 * NSEC_PER_SEC);
	assert_int_equal(e.n, 2);
	assert_int_equal(stream_service_stats(t, LINE_SERVICE)->gaps, 0);
	stream_table_free(t);
}

TEST(records_of_strangers_are_counted)
{
	static struct ear e;
	struct stream_table *t = line_table(&e, 0);

	data_record(t, 9, ROLE_PASSIVE, (struct cut){ IO_RECV, 0, 1, 1, 1, 0 }, "x");
	assert_int_equal(stream_stats(t)->unknown_records, 1);
	stream_record(t, "abc", 3);
	stream_table_free(t);
}

RUN_TESTS
