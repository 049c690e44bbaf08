/* SPDX-License-Identifier: Apache-2.0 */
/* span/route.c and segment.c: what looks like an id, what is learned, what is bounded. */
#include "unit.h"

#include "span/route.h"
#include "span/segment.h"

static void assert_route(struct routes *r, uint32_t service, const char *path, const char *expected)
{
	struct str in = guarded(path, strlen(path));
	char buf[256];

	routes_match(r, service, in, buf, sizeof(buf));
	assert_string_equal(buf, expected);
}

TEST(ids_are_told_from_words_by_their_shape)
{
	static const char *const ids[] = {
		"0", "42", "-7", "2026-11-25", "2026-11-25T12:30:00Z", "10,20", "1700000000",
		"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000",
		"deadbeef1", "5f2b8c9d0e1a", "507f1f77bcf86cd799439011", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"dQw4w9WgXcQa1B2c", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "V1StGXR8Z5jdHi6BmyT", "YWJjZA==",
		"me@example.com", "me%40example.com", "caf\xc3\xa9", "a%20b", "a b",
	};
	static const char *const words[] = {
		"users", "v1", "v2.1", "api", "health", "deadbeef", "facade", "oauth2", "index.html", "app.3f9a8b2c.js",
		"favicon.ico", "my-long-article-title-2024", "getUserAccountSettings", "internationalization",
		"user_settings", "s3", "base64", "wp-login.php", "1.2.3", "@me", "a=b",
		".well-known", "~joe", "tic-tac-toe",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (!segment_is_id(guarded(ids[i], strlen(ids[i]))))
			fail_msg("%s is an id", ids[i]);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (segment_is_id(guarded(words[i], strlen(words[i]))))
			fail_msg("%s is no id", words[i]);
}

TEST(a_very_long_segment_is_an_id)
{
	char word[SEGMENT_MAX + 1];

	memset(word, 'a', sizeof(word));
	assert_false(segment_is_id(guarded(word, SEGMENT_MAX)));
	assert_true(segment_is_id(guarded(word, SEGMENT_MAX + 1)));
}

TEST(paths_become_routes)
{
	static const char *const t[][2] = {
		{ "/", "/" },
		{ "/users", "/users" },
		{ "/users/", "/users/" },
		{ "/users/42", "/users/{id}" },
		{ "/users/42/", "/users/{id}/" },
		{ "/users/me", "/users/me" },
		{ "//users///42//orders/7", "/users/{id}/orders/{id}" },
		{ "/42", "/{id}" },
		{ "///", "/" },
		{ "/static/app.js", "/static/app.js" },
		{ "/1/2/3/4/5/6/7/8/9/10/11/12/13/14",
		  "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/*" },
		{ "*", "" },
		{ "", "" },
		{ "users", "" },
	};
	struct routes *r;

	assert_int_equal(routes_new(&r, 1000, 10), 0);
	for (int twice = 0; twice < 2; twice++)
		for (size_t i = 0; i < ARRAY_SIZE(t); i++)
			assert_route(r, 1, t[i][0], t[i][1]);
	routes_free(r);
}

TEST(segments_that_vary_too_much_become_ids_for_good)
{
	static const char *const names[] = { "ann", "bob", "cid", "dan", "eve" };
	struct routes *r;
	char path[64], literal[64];

	assert_int_equal(routes_new(&r, 1000, ARRAY_SIZE(names)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/users/%s/posts", names[i]);
		assert_route(r, 1, path, path);
	}
	snprintf(literal, sizeof(literal), "/users/ann/posts");
	assert_route(r, 1, literal, literal);
	assert_route(r, 1, "/users/fay/posts", "/users/{id}/posts");
	assert_route(r, 1, literal, "/users/{id}/posts");
	assert_route(r, 1, "/users/42/posts", "/users/{id}/posts");
	assert_route(r, 1, "/other/ann", "/other/ann");
	assert_route(r, 2, literal, literal);	/* each service learns for itself */
	routes_free(r);
}

TEST(over_the_limit_the_rest_is_a_star)
{
	struct routes *r;

	assert_int_equal(routes_new(&r, 4, 100), 0);
	assert_route(r, 1, "/a/b/c", "/a/b/c");
	assert_route(r, 1, "/a/b/d", "/a/b/*");
	assert_route(r, 1, "/x/y/z", "/*");
	assert_route(r, 2, "/a", "/*");
	assert_route(r, 2, "/", "/");
	assert_route(r, 1, "/a/b/c", "/a/b/c");
	routes_free(r);
}

TEST(learned_ids_give_their_memory_back)
{
	struct routes *r;

	assert_int_equal(routes_new(&r, 8, 2), 0);
	assert_route(r, 1, "/u/a/x/y", "/u/a/x/y");
	assert_route(r, 1, "/u/b/x", "/u/b/x");	/* all 8 nodes are used now: root u a x y b x */
	assert_route(r, 1, "/u/c/x/y", "/u/{id}/x/y");
	assert_route(r, 1, "/u/d/x/z", "/u/{id}/x/z");
	routes_free(r);
}

TEST(a_small_buffer_cuts_the_route)
{
	struct routes *r;
	char buf[8];

	assert_int_equal(routes_new(&r, 100, 10), 0);
	routes_match(r, 1, STR("/abcdefghijk/l"), buf, sizeof(buf));
	assert_string_equal(buf, "/abcdef");
	routes_match(r, 1, STR("/abc"), buf, 1);
	assert_string_equal(buf, "");
	routes_free(r);
}

TEST(no_routes_are_freed_as_well)
{
	routes_free(NULL);
}

RUN_TESTS
