/* SPDX-License-Identifier: Apache-2.0 */
/* span/span.c: attributes. */
#include "unit.h"

#include "span/span.h"

TEST(a_new_span_knows_no_sizes)
{
	_cleanup_(span_freep) struct span *sp = NULL;

	assert_int_equal(span_new(&sp), 0);
	assert_int_equal(sp->request_size, -1);
	assert_int_equal(sp->response_size, -1);
	assert_true(sp->weight == 1);
}

TEST(attributes_are_found_by_key)
{
	_cleanup_(span_freep) struct span *sp = NULL;
	char text[] = "copied";

	assert_int_equal(span_new(&sp), 0);
	span_str_dup(sp, "a", str_of(text), true);
	text[0] = 'X';
	span_int(sp, "b", -7, false);
	span_double(sp, "c", 0.5);
	span_bool(sp, "d", true);
	assert_true(str_eq(span_attr(sp, "a")->s, STR("copied")));
	assert_true(span_attr(sp, "a")->dimension);
	assert_int_equal(span_attr(sp, "b")->i, -7);
	assert_int_equal(span_attr(sp, "d")->type, ATTR_BOOL);
	assert_null(span_attr(sp, "e"));
}

TEST(empty_strings_are_no_attributes)
{
	_cleanup_(span_freep) struct span *sp = NULL;

	assert_int_equal(span_new(&sp), 0);
	span_str(sp, "a", (struct str){ 0 }, false);
	span_str_dup(sp, "a", STR(""), false);
	assert_int_equal(sp->n_attrs + sp->dropped_attrs, 0);
}

TEST(attributes_without_room_are_counted)
{
	_cleanup_(span_freep) struct span *sp = NULL;

	assert_int_equal(span_new(&sp), 0);
	for (int i = 0; i < SPAN_ATTRS_MAX; i++)
		span_int(sp, "k", i, false);
	span_str_dup(sp, "a", STR("v"), false);
	span_str(sp, "a", STR("v"), false);
	span_bool(sp, "a", true);
	assert_int_equal(sp->n_attrs, SPAN_ATTRS_MAX);
	assert_int_equal(sp->dropped_attrs, 3);
}

TEST(nothing_is_freed_as_well)
{
	span_free(NULL);
}

RUN_TESTS
