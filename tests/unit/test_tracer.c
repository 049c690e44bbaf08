/* SPDX-License-Identifier: Apache-2.0 */
/* span/tracer: who becomes whose parent, when spans leave, and what is never linked. */
#include "unit.h"

#include "span/tracer.h"

#define MS NSEC_PER_MSEC

static struct span *out[64];
static size_t n_out;

static void take(void *ctx, struct span *sp)
{
	(void)ctx;
	out[n_out++] = sp;
}

static struct tracer *start(uint32_t spans_max)
{
	struct tracer_options opt = { .window_ns = 2000 * MS, .spans_max = spans_max, .bytes_max = 1 << 20, .seed = 1 };
	struct tracer *t;

	n_out = 0;
	assert_int_equal(tracer_new(&t, &opt, take, NULL), 0);
	return t;
}

static void stop(struct tracer *t)
{
	tracer_free(t);
	for (size_t i = 0; i < n_out; i++)
		span_free(out[i]);
}

/* Exchange number x of process tgid on thread tid, request at `from` ms, response at `to` ms. */
static struct evidence at(uint64_t x, uint32_t tgid, uint32_t tid, uint64_t from, uint64_t to, bool peer)
{
	return (struct evidence){ .exchange = x, .peer_watched = peer, .tgid = tgid, .request_tid = tid,
				  .response_tid = tid, .request_first_ns = from * MS, .request_last_ns = from * MS,
				  .response_first_ns = to * MS, .response_last_ns = to * MS };
}

static void finish(struct tracer *t, bool server, struct evidence e, const char *name)
{
	struct span *sp;

	assert_int_equal(span_new(&sp), 0);
	sp->kind = server ? SPAN_SERVER : SPAN_CLIENT;
	sp->name = str_of(name);
	sp->evidence = e;
	tracer_span(t, sp);
}

static struct span *named(const char *name)
{
	for (size_t i = 0; i < n_out; i++)
		if (str_eq(out[i]->name, str_of(name)))
			return out[i];
	fail_msg("%s has not left", name);
	return NULL;
}

static void expect_child(const char *child, const char *parent, const char *method)
{
	struct span *c = named(child), *p = named(parent);

	assert_memory_equal(&c->parent, &p->id, sizeof(p->id));
	assert_memory_equal(&c->trace, &p->trace, sizeof(p->trace));
	assert_string_equal(c->link_method, method);
}

TEST(a_trace_across_two_services_holds_together)
{
	struct tracer *t = start(100);
	struct evidence edge = at(1, 10, 10, 0, 50, false), call = at(2, 10, 10, 0, 49, true),
			api = at(2, 20, 21, 1, 48, true), db = at(3, 20, 21, 20, 30, false);

	tracer_request(t, true, &edge);
	tracer_request(t, false, &call);
	tracer_request(t, true, &api);
	tracer_request(t, false, &db);
	finish(t, false, db, "db");
	finish(t, true, api, "api");
	finish(t, false, call, "call");
	assert_int_equal(n_out, 0);
	finish(t, true, edge, "edge");
	assert_int_equal(n_out, 4);
	assert_false(span_id_is_set(&named("edge")->parent));
	expect_child("call", "edge", "first_send");
	expect_child("api", "call", "same_bytes");
	expect_child("db", "api", "responder");
	assert_int_equal(tracer_stats(t)->held, 0);
	stop(t);
}

TEST(a_server_with_no_watched_peer_leaves_at_once)
{
	struct tracer *t = start(100);

	finish(t, true, at(1, 10, 10, 0, 5, false), "lone");
	assert_int_equal(n_out, 1);
	assert_true(trace_id_is_set(&named("lone")->trace));
	stop(t);
}

TEST(a_client_without_open_requests_is_a_root_at_once)
{
	struct tracer *t = start(100);

	finish(t, false, at(1, 10, 10, 0, 5, false), "cron");
	assert_int_equal(n_out, 1);
	assert_false(span_id_is_set(&named("cron")->parent));
	stop(t);
}

TEST(an_event_loop_with_two_requests_links_nothing_by_thread)
{
	struct tracer *t = start(100);
	struct evidence a = at(1, 10, 10, 0, 50, false), b = at(2, 10, 10, 5, 60, false), c = at(3, 10, 10, 30, 40, false);

	tracer_request(t, true, &a);
	tracer_request(t, true, &b);
	tracer_request(t, false, &c);
	finish(t, false, c, "call");
	finish(t, true, a, "a");
	finish(t, true, b, "b");
	tracer_tick(t, 100 * MS);
	assert_int_equal(n_out, 3);
	assert_false(span_id_is_set(&named("call")->parent));
	stop(t);
}

TEST(first_send_is_given_once_and_only_within_a_millisecond)
{
	struct tracer *t = start(100);
	struct evidence a = at(1, 10, 10, 0, 50, false), b = at(2, 10, 10, 5, 60, false), second = at(3, 10, 10, 0, 9, false),
			first = at(4, 10, 10, 0, 8, false), late = at(5, 10, 10, 7, 9, false);

	tracer_request(t, true, &a);
	tracer_request(t, false, &first);
	tracer_request(t, false, &second);
	tracer_request(t, true, &b);
	tracer_request(t, false, &late);
	finish(t, false, first, "first");
	finish(t, false, second, "second");
	finish(t, false, late, "late");
	finish(t, true, a, "a");
	finish(t, true, b, "b");
	tracer_tick(t, 100 * MS);
	expect_child("first", "a", "first_send");
	assert_false(span_id_is_set(&named("second")->parent));
	assert_false(span_id_is_set(&named("late")->parent));
	stop(t);
}

TEST(a_pool_thread_that_answers_gets_its_calls)
{
	struct tracer *t = start(100);
	struct evidence a = at(1, 10, 10, 0, 50, false), b = at(2, 10, 11, 1, 60, false), c = at(3, 10, 11, 30, 40, false);

	tracer_request(t, true, &a);
	tracer_request(t, true, &b);
	tracer_request(t, false, &c);
	finish(t, false, c, "call");
	finish(t, true, a, "a");
	finish(t, true, b, "b");
	expect_child("call", "b", "responder");
	stop(t);
}

TEST(requests_told_late_do_not_overlap_when_they_followed_each_other)
{
	struct tracer *t = start(100);
	struct evidence a = at(1, 10, 10, 0, 10, false), b = at(2, 10, 10, 20, 60, false), c = at(3, 10, 10, 30, 40, false);

	tracer_request(t, true, &a);
	tracer_request(t, true, &b);
	tracer_request(t, false, &c);
	finish(t, true, a, "a");
	finish(t, false, c, "call");
	finish(t, true, b, "b");
	expect_child("call", "b", "responder");
	stop(t);
}

TEST(a_server_that_is_told_before_its_client_is_still_its_child)
{
	struct tracer *t = start(100);
	struct evidence api = at(2, 20, 21, 1, 48, true), call = at(2, 10, 10, 0, 49, true);

	tracer_request(t, true, &api);
	finish(t, true, api, "api");
	tracer_request(t, false, &call);
	finish(t, false, call, "call");
	assert_int_equal(n_out, 2);
	expect_child("api", "call", "same_bytes");
	stop(t);
}

TEST(that_the_other_end_is_watched_may_turn_out_at_the_end)
{
	struct tracer *t = start(100);
	struct evidence begun = at(2, 20, 21, 1, 48, false), api = at(2, 20, 21, 1, 48, true), call = at(2, 10, 10, 0, 49, true);

	tracer_request(t, true, &begun);
	finish(t, true, api, "api");
	assert_int_equal(n_out, 0);
	finish(t, false, call, "call");
	expect_child("api", "call", "same_bytes");
	stop(t);
}

TEST(goroutines_link_whatever_thread_they_run_on)
{
	struct tracer *t = start(100);
	struct evidence s = at(1, 10, 10, 0, 50, false), c = at(2, 10, 12, 30, 40, false);

	s.request_task = s.response_task = c.request_task = c.response_task = 77;
	s.response_tid = 13;
	tracer_request(t, true, &s);
	tracer_request(t, false, &c);
	finish(t, false, c, "call");
	finish(t, true, s, "server");
	expect_child("call", "server", "responder");
	stop(t);
}

TEST(the_wire_gives_the_outermost_parent)
{
	struct tracer *t = start(100);
	struct span *sp;

	assert_int_equal(span_new(&sp), 0);
	sp->kind = SPAN_SERVER;
	sp->evidence = at(1, 10, 10, 0, 5, false);
	sp->wire = (struct trace_context){ .present = true, .flags = 1, .trace = { { 1, 2, 3 } }, .parent = { { 9 } } };
	tracer_span(t, sp);
	assert_int_equal(out[0]->trace.b[1], 2);
	assert_int_equal(out[0]->parent.b[0], 9);
	assert_string_equal(out[0]->link_method, "trace_context");
	stop(t);
}

TEST(a_proxy_that_forwards_the_context_is_not_skipped)
{
	struct tracer *t = start(100);
	struct trace_context wire = { .present = true, .flags = 1, .trace = { { 1, 2, 3 } }, .parent = { { 9 } } };
	struct evidence e[] = { at(1, 10, 10, 0, 50, false), at(2, 10, 10, 0, 49, true), at(2, 20, 20, 1, 48, true) };
	const char *const names[] = { "edge", "call", "api" };

	for (int i = 0; i < 3; i++)
		tracer_request(t, i != 1, &e[i]);
	for (int i = 2; i >= 0; i--) {
		struct span *sp;

		assert_int_equal(span_new(&sp), 0);
		sp->kind = i == 1 ? SPAN_CLIENT : SPAN_SERVER;
		sp->name = str_of(names[i]);
		sp->evidence = e[i];
		sp->wire = wire;
		tracer_span(t, sp);
	}
	assert_int_equal(n_out, 3);
	assert_int_equal(named("edge")->parent.b[0], 9);
	expect_child("call", "edge", "first_send");
	expect_child("api", "call", "same_bytes");
	stop(t);
}

TEST(a_context_of_another_trace_wins_and_leaves_a_link)
{
	struct tracer *t = start(100);
	struct evidence s = at(1, 10, 10, 0, 50, false), c = at(2, 10, 10, 0, 9, false);
	struct span *sp;

	tracer_request(t, true, &s);
	tracer_request(t, false, &c);
	assert_int_equal(span_new(&sp), 0);
	sp->kind = SPAN_CLIENT;
	sp->name = STR("call");
	sp->evidence = c;
	sp->wire = (struct trace_context){ .present = true, .flags = 1, .trace = { { 7 } }, .parent = { { 8 } } };
	tracer_span(t, sp);
	finish(t, true, s, "server");
	assert_int_equal(named("call")->trace.b[0], 7);
	assert_int_equal(named("call")->parent.b[0], 8);
	assert_int_equal(named("call")->n_links, 1);
	assert_memory_equal(&named("call")->links[0].span, &named("server")->id, 8);
	stop(t);
}

TEST(when_the_window_closes_a_child_keeps_its_true_parent)
{
	struct tracer *t = start(100);
	struct evidence s = at(1, 10, 10, 0, 9000, false), c = at(2, 10, 10, 0, 100, false);

	tracer_request(t, true, &s);
	tracer_request(t, false, &c);
	finish(t, false, c, "call");
	tracer_tick(t, 1000 * MS);
	assert_int_equal(n_out, 0);
	tracer_tick(t, 2101 * MS);
	assert_int_equal(n_out, 1);
	assert_int_equal(tracer_stats(t)->window_closed, 1);
	finish(t, true, s, "server");
	expect_child("call", "server", "first_send");
	stop(t);
}

TEST(a_parent_that_comes_too_late_links_to_the_child)
{
	struct tracer *t = start(100);
	struct evidence s = at(1, 10, 10, 0, 5000, false), c = at(2, 10, 10, 50, 100, false);

	tracer_request(t, true, &s);
	tracer_request(t, false, &c);
	finish(t, false, c, "call");
	tracer_tick(t, 2101 * MS);
	assert_false(span_id_is_set(&named("call")->parent));
	finish(t, true, s, "server");
	assert_int_equal(named("server")->n_links, 1);
	assert_memory_equal(&named("server")->links[0].span, &named("call")->id, 8);
	assert_int_equal(tracer_stats(t)->late_parents, 1);
	stop(t);
}

TEST(an_exchange_without_a_span_passes_its_parent_on)
{
	struct tracer *t = start(100);
	struct evidence edge = at(1, 10, 10, 0, 50, false), call = at(2, 10, 10, 0, 49, true), api = at(2, 20, 21, 1, 48, true);

	tracer_request(t, true, &edge);
	tracer_request(t, false, &call);
	tracer_request(t, true, &api);
	finish(t, true, api, "api");
	tracer_forget(t, false, &call);
	finish(t, true, edge, "edge");
	expect_child("api", "edge", "same_bytes");
	stop(t);
}

TEST(memory_is_bounded_and_nothing_is_lost)
{
	struct tracer *t = start(4);
	struct evidence s = at(1000, 10, 10, 0, 50, false);

	tracer_request(t, true, &s);
	for (uint64_t i = 1; i <= 10; i++) {
		struct evidence c = at(i, 10, 10, 2 + i, 3 + i, false);

		tracer_request(t, false, &c);
		finish(t, false, c, "call");
	}
	assert_int_equal(n_out, 6);
	assert_int_equal(tracer_stats(t)->overflowed, 6);
	tracer_flush(t);
	assert_int_equal(n_out, 10);
	stop(t);
}

TEST(a_call_to_itself_makes_no_cycle)
{
	struct tracer *t = start(100);
	struct evidence s = at(1, 10, 10, 0, 50, true), c = at(1, 10, 10, 0, 50, true);

	tracer_request(t, true, &s);
	tracer_request(t, false, &c);
	finish(t, true, s, "server");
	finish(t, false, c, "call");
	tracer_tick(t, 9000 * MS);
	tracer_flush(t);
	assert_int_equal(n_out, 2);
	stop(t);
}

RUN_TESTS
