/* SPDX-License-Identifier: Apache-2.0 */
/* export/queue: bounded in entries and bytes, the oldest leaves first, everything is counted. */
#include "unit.h"

#include "export/queue.h"

static int discarded[64];
static size_t n_discarded;

static void discard(void *value)
{
	discarded[n_discarded++ % 64] = *(int *)value;
}

static int values[64] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static struct queue_item item(int i, size_t bytes)
{
	return (struct queue_item){ &values[i], bytes, 1 };
}

static struct queue queue_of(size_t capacity, size_t bytes_max)
{
	struct queue q;

	n_discarded = 0;
	assert_int_equal(queue_init(&q, capacity, bytes_max, discard), 0);
	return q;
}

TEST(a_full_queue_drops_its_oldest_and_says_so)
{
	_cleanup_(queue_release) struct queue q = queue_of(3, 1000);
	struct queue_item out[3];

	for (int i = 0; i < 5; i++)
		assert_int_equal(queue_push(&q, item(i, 10)), i >= 3);
	assert_int_equal(n_discarded, 2);
	assert_int_equal(discarded[0], 0);
	assert_int_equal(discarded[1], 1);
	assert_int_equal(queue_take(&q, out, 3), 3);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(out[i].value, &values[i + 2]);
}

TEST(bytes_bound_the_queue_too)
{
	_cleanup_(queue_release) struct queue q = queue_of(10, 100);

	assert_int_equal(queue_push(&q, item(0, 60)), 0);
	assert_int_equal(queue_push(&q, item(1, 30)), 0);
	assert_int_equal(queue_push(&q, item(2, 100)), 2);
	assert_int_equal(q.bytes, 100);
	assert_int_equal(q.count, 1);
}

TEST(what_is_larger_than_the_queue_is_dropped_itself)
{
	_cleanup_(queue_release) struct queue q = queue_of(10, 100);

	assert_int_equal(queue_push(&q, (struct queue_item){ &values[7], 101, 5 }), 5);
	assert_int_equal(discarded[0], 7);
	assert_int_equal(q.n, 0);
}

TEST(bytes_being_sent_count_until_done)
{
	_cleanup_(queue_release) struct queue q = queue_of(10, 100);
	struct queue_item out;

	queue_push(&q, item(0, 80));
	assert_int_equal(queue_take(&q, &out, 1), 1);
	assert_int_equal(queue_push(&q, item(1, 30)), 1);
	queue_done(&q, out.bytes);
	assert_int_equal(queue_push(&q, item(2, 30)), 0);
}

TEST(release_discards_what_is_left)
{
	struct queue q = queue_of(10, 100);

	queue_push(&q, item(1, 1));
	queue_push(&q, item(2, 1));
	queue_release(&q);
	assert_int_equal(n_discarded, 2);
}

RUN_TESTS
