/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/exphist: bucket bounds, resolution, merging, memory limits; metrics/explicit: bounds. */
#include "unit.h"

#include <float.h>
#include <math.h>

#include "metrics/exphist.h"
#include "metrics/explicit.h"
#include "metrics/metrics.h"

#define ROOM 100000

static uint64_t total(const struct exphist *h)
{
	uint64_t n = h->zeros;

	for (uint32_t i = 0; i < h->n; i++)
		n += h->buckets[i];
	return n;
}

static uint64_t count_at(const struct exphist *h, int32_t index)
{
	return index < h->offset || index >= h->offset + (int32_t)h->n ? 0 : h->buckets[index - h->offset];
}

static struct exphist new_exphist(size_t *room)
{
	struct exphist h;

	*room = ROOM;
	assert_int_equal(exphist_init(&h, EXPHIST_SCALE_MAX, room), 0);
	return h;
}

TEST(powers_of_two_are_the_upper_bound_of_their_bucket_at_every_scale)
{
	for (int32_t scale = -10; scale <= EXPHIST_SCALE_MAX; scale++)
		for (int32_t e = -1000; e <= 1000; e += 50) {
			int32_t at = exphist_index(ldexp(1, e), scale);

			if (scale >= 0)
				assert_int_equal(at, e * (1 << scale) - 1);
			else
				assert_int_equal(at, (int32_t)ceil(e / ldexp(1, -scale)) - 1);
		}
}

TEST(values_lie_in_the_bucket_they_are_counted_in)
{
	srand48(1);
	for (int i = 0; i < 20000; i++) {
		int32_t scale = (int32_t)(lrand48() % 12) - 3;
		double v = exp2(drand48() * 60 - 30), step = ldexp(1, -scale);
		int32_t at = exphist_index(v, scale);

		assert_true(v > exp2(at * step) * (1 - 1e-12));
		assert_true(v <= exp2((at + 1) * step) * (1 + 1e-12));
	}
}

TEST(extreme_values_have_a_bucket)
{
	size_t room;
	struct exphist h = new_exphist(&room);

	exphist_add(&h, DBL_MAX, 1, &room);
	exphist_add(&h, DBL_MIN, 1, &room);
	exphist_add(&h, 5e-324, 1, &room);	/* subnormal: counted with the smallest normal */
	exphist_add(&h, 0, 1, &room);
	assert_int_equal(total(&h), 4);
	assert_int_equal(h.zeros, 1);
	assert_true(h.scale < 0);
	assert_int_equal(count_at(&h, exphist_index(DBL_MIN, h.scale)), 2);
	exphist_release(&h, &room);
	assert_int_equal(room, ROOM);
}

TEST(any_order_gives_the_same_histogram)
{
	size_t room_up, room_down;
	struct exphist up = new_exphist(&room_up), down = new_exphist(&room_down);

	for (int i = 1; i <= 5000; i++) {
		exphist_add(&up, i * 0.001, 1, &room_up);
		exphist_add(&down, (5001 - i) * 0.001, 1, &room_down);
	}
	assert_int_equal(total(&up), 5000);
	assert_true(up.n <= EXP_BUCKETS_MAX && up.n > EXP_BUCKETS_MAX / 2 - 1);
	assert_int_equal(up.scale, down.scale);
	assert_int_equal(up.n, down.n);
	assert_int_equal(up.offset, down.offset);
	assert_memory_equal(up.buckets, down.buckets, up.n * sizeof(*up.buckets));
	for (int32_t i = 0; i < (int32_t)up.n; i++) {
		uint64_t want = 0;

		for (int k = 1; k <= 5000; k++)
			want += exphist_index(k * 0.001, up.scale) == up.offset + i;
		assert_int_equal(up.buckets[i], want);
	}
	exphist_release(&up, &room_up);
	exphist_release(&down, &room_down);
}

TEST(merging_is_like_adding_all_to_one)
{
	size_t room[3];
	struct exphist a = new_exphist(&room[0]), b = new_exphist(&room[1]), both = new_exphist(&room[2]);

	srand48(2);
	for (int i = 0; i < 3000; i++) {
		double v = exp2(drand48() * 8 - (i % 2 ? 12 : 2));

		exphist_add(i % 2 ? &a : &b, v, 1, &room[i % 2 ? 0 : 1]);
		exphist_add(&both, v, 1, &room[2]);
	}
	exphist_merge(&a, &b, &room[0]);
	assert_int_equal(a.scale, both.scale);
	assert_int_equal(total(&a), 3000);
	for (int32_t i = both.offset; i < both.offset + (int32_t)both.n; i++)
		assert_int_equal(count_at(&a, i), count_at(&both, i));
	exphist_release(&a, &room[0]);
	exphist_release(&b, &room[1]);
	exphist_release(&both, &room[2]);
}

TEST(merging_into_an_empty_one_copies)
{
	size_t room[2];
	struct exphist a = new_exphist(&room[0]), b = new_exphist(&room[1]);

	exphist_merge(&a, &b, &room[0]);
	assert_int_equal(total(&a), 0);
	exphist_add(&b, 1e-6, 3, &room[1]);
	exphist_add(&b, 1e6, 4, &room[1]);
	exphist_merge(&a, &b, &room[0]);
	assert_int_equal(a.scale, b.scale);
	assert_int_equal(count_at(&a, exphist_index(1e-6, a.scale)), 3);
	assert_int_equal(count_at(&a, exphist_index(1e6, a.scale)), 4);
	exphist_reset(&a, EXPHIST_SCALE_MAX);
	assert_int_equal(total(&a), 0);
	exphist_add(&a, 3, 1, &room[0]);
	assert_int_equal(a.scale, EXPHIST_SCALE_MAX);
	assert_int_equal(total(&a), 1);
	exphist_release(&a, &room[0]);
	exphist_release(&b, &room[1]);
}

TEST(without_memory_the_resolution_goes_down_and_nothing_is_lost)
{
	size_t room = 16 * sizeof(uint64_t);
	struct exphist h;

	assert_int_equal(exphist_init(&h, EXPHIST_SCALE_MAX, &room), 0);
	assert_int_equal(room, 0);
	for (int i = 1; i <= 1000; i++)
		exphist_add(&h, i, 1, &room);
	assert_int_equal(total(&h), 1000);
	assert_true(h.n <= 16);
	assert_true(h.scale >= 0);
	exphist_release(&h, &room);
	assert_int_equal(exphist_init(&h, EXPHIST_SCALE_MAX, &(size_t){ 8 }), -ENOMEM);
}

TEST(explicit_bounds_are_inclusive)
{
	assert_int_equal(bounds_bucket(&bounds_http_seconds, 0), 0);
	assert_int_equal(bounds_bucket(&bounds_http_seconds, 0.005), 0);
	assert_int_equal(bounds_bucket(&bounds_http_seconds, 0.0050001), 1);
	assert_int_equal(bounds_bucket(&bounds_http_seconds, 10), 13);
	assert_int_equal(bounds_bucket(&bounds_http_seconds, 11), 14);
	assert_int_equal(bounds_bucket(&bounds_bytes, 0), 0);
	for (uint32_t i = 1; i < bounds_bytes.n; i++)
		assert_true(bounds_bytes.upper[i] > bounds_bytes.upper[i - 1]);
}

RUN_TESTS
