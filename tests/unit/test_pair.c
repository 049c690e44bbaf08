/* SPDX-License-Identifier: Apache-2.0 */
/* stream/pair.c: whose answer is it? */
#include "unit.h"

#include "stream/pair.h"

static struct pending *ask(struct pairs *q, uint64_t id)
{
	struct pending *p = pending_new();

	p->x.id = id;
	p->x.request.seen = true;
	pairs_add(q, p);
	return p;
}

static struct pending *answer(struct pairs *q, uint64_t id)
{
	struct pending *p = pairs_match(q, id);

	if (p)
		p->x.response.seen = true;
	return p;
}

static void release(struct pairs *q)
{
	struct pending_list *lists[] = { &q->waiting, &q->done };

	for (size_t i = 0; i < 2; i++)
		for (struct pending *p = lists[i]->head, *next; p; p = next) {
			next = pending_next(p);
			pending_free(p);
		}
}

TEST(pipelined_replies_pair_in_order)
{
	struct pairs q = { 0 };
	struct pending *a = ask(&q, 0), *b = ask(&q, 0);

	assert_ptr_equal(answer(&q, 0), a);
	assert_ptr_equal(answer(&q, 0), b);
	assert_null(answer(&q, 0));
	release(&q);
}

TEST(replies_with_an_id_pair_in_any_order)
{
	struct pairs q = { 0 };
	struct pending *a = ask(&q, 8), *b = ask(&q, 9);

	assert_ptr_equal(answer(&q, 9), b);
	assert_null(answer(&q, 9));
	assert_ptr_equal(answer(&q, 8), a);
	release(&q);
}

TEST(the_answer_of_a_request_that_was_given_up_is_nobodys)
{
	struct pairs q = { 0 };
	struct pending *a = ask(&q, 0), *b = ask(&q, 0);

	pairs_give_up(&q, a);
	pending_free(a);
	assert_true(pairs_expect(&q));
	assert_null(answer(&q, 0));
	assert_ptr_equal(answer(&q, 0), b);
	release(&q);
}

TEST(finished_exchanges_leave_the_waiting_ones)
{
	struct pairs q = { 0 };
	struct pending *a = ask(&q, 0), *b = ask(&q, 0);

	pairs_finish(&q, b);
	assert_int_equal(q.n, 1);
	assert_ptr_equal(q.waiting.tail, a);
	assert_ptr_equal(q.done.head, b);
	release(&q);
}

RUN_TESTS
