/* SPDX-License-Identifier: Apache-2.0 */
/* proto/url.c: request targets taken apart and redacted. */
#include "unit.h"

#include "proto/url.h"

static void assert_str(struct str s, const char *expected)
{
	if (!str_eq(s, str_of(expected)))
		fail_msg("'%.*s' is not '%s'", (int)s.n, s.p, expected);
}

static struct str guarded_text(const char *z)
{
	return guarded(z, strlen(z));
}

TEST(targets_of_all_four_forms_are_taken_apart)
{
	static const struct {
		const char *target;
		bool connect;
		const char *scheme, *host;
		unsigned port;
		const char *path, *query;
	} t[] = {
		{ "/", false, "", "", 0, "/", "" },
		{ "/a/b?x=1&y", false, "", "", 0, "/a/b", "x=1&y" },
		{ "/a?b?c#d", false, "", "", 0, "/a", "b?c" },
		{ "/a#?b", false, "", "", 0, "/a", "" },
		{ "//a//b", false, "", "", 0, "//a//b", "" },
		{ "*", false, "", "", 0, "*", "" },
		{ "http://h/p?q", false, "http", "h", 0, "/p", "q" },
		{ "https://u:p@h:8443?q=1", false, "https", "h", 8443, "/", "q=1" },
		{ "HTTP://[::1]:80/x", false, "HTTP", "::1", 80, "/x", "" },
		{ "example.com:443", true, "", "example.com", 443, "", "" },
		{ "[fe80::1]:443", true, "", "fe80::1", 443, "", "" },
		{ "1x://h/", false, "", "", 0, "1x://h/", "" },
		{ "http://h:99999/", false, "http", "h", 0, "/", "" },
		{ "http://", false, "http", "", 0, "/", "" },
		{ "[", true, "", "[", 0, "", "" },
		{ "[]:1", true, "", "", 1, "", "" },
		{ "", false, "", "", 0, "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct url u = url_of_target(guarded_text(t[i].target), t[i].connect);

		assert_str(u.scheme, t[i].scheme);
		assert_str(u.host, t[i].host);
		assert_int_equal(u.port, t[i].port);
		assert_str(u.path, t[i].path);
		assert_str(u.query, t[i].query);
	}
}

TEST(values_of_the_query_do_not_pass)
{
	static const char *const t[][2] = {
		{ "id=7&sig=abc", "id=?&sig=?" },	{ "secret", "?" },	  { "a=&b", "a=&?" },
		{ "a=b=c&&d=1;e=2", "a=?&&d=?" },	{ "=x", "=?" },	  { "&", "&" },
	};
	struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_str(url_redact_query(&a, guarded_text(t[i][0])), t[i][1]);
	arena_release(&a);
}

TEST(parameters_within_the_path_do_not_pass)
{
	static const char *const t[][2] = {
		{ "/a/b", "/a/b" },
		{ "/a;jsessionid=1F/b", "/a;jsessionid=?/b" },
		{ "/a;x=1;y=2", "/a;x=?;y=?" },
		{ "/a;secret", "/a;?" },
		{ ";", ";" },
	};
	struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_str(url_redact_path(&a, guarded_text(t[i][0])), t[i][1]);
	arena_release(&a);
}

TEST(full_urls_hide_credentials_and_default_ports)
{
	struct arena a = { 0 };
	struct url u = url_of_target(STR("https://me:pw@h:443/p?q=?"), false);

	assert_str(url_full(&a, &u), "https://REDACTED:REDACTED@h/p?q=?");
	u = (struct url){ .scheme = STR("http"), .host = STR("::1"), .port = 65535, .path = STR("*") };
	assert_str(url_full(&a, &u), "http://[::1]:65535");
	arena_release(&a);
}

RUN_TESTS
