/* SPDX-License-Identifier: Apache-2.0 */
/* discover/selector: texts in, matches and error columns out. */
#include "unit.h"

#include <sys/stat.h>

#include "discover/selector.h"

static const uint16_t ports[] = { 8080, 8443 };
static const struct selector_subject nginx = {
	.pid = 41, .netns = 4026531840, .exe = "/usr/sbin/nginx", .cgroup = "/system.slice/nginx.service",
	.name = "front", .ports = ports, .n_ports = 2, .netns_dir = "/nonexistent",
};

TEST(selectors_match_what_they_say)
{
	static const struct { const char *text; bool matches; } cases[] = {
		{ "port=8080", true }, { "port=8443", true }, { "port=80", false },
		{ "exe=nginx", true }, { "exe=ngin", false }, { "exe=*/nginx", true }, { "exe=/usr/*", true },
		{ "exe=n?inx", true }, { "exe=*n*x", true }, { "exe=/usr/sbin/nginx?", false }, { "exe=*", true },
		{ "exe=*apache*", false }, { "pid=41", true }, { "pid=4", false },
		{ "cgroup=system.slice", true }, { "cgroup=/system.slice/", true }, { "cgroup=/", true },
		{ "cgroup=system.slice/nginx.service", true }, { "cgroup=system", false },
		{ "cgroup=system.slice/nginx.service/x", false },
		{ "netns=4026531840", true }, { "netns=1", false }, { "netns=blue", false },
		{ "name=front", true }, { "name=fron", false },
		{ "port=8080,exe=nginx,pid=41", true }, { "port=8080,exe=apache", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selector s;
		char *why = NULL;

		assert_int_equal(selector_parse(&s, cases[i].text, &why), 0);
		if (selector_match(&s, &nginx) != cases[i].matches)
			fail_msg("%s should %smatch", cases[i].text, cases[i].matches ? "" : "not ");
	}
}

TEST(errors_name_the_column_and_what_was_expected)
{
	static const struct { const char *text, *why; } cases[] = {
		{ "", "column 1: expected port=" }, { "8080", "column 1: expected port=" },
		{ "prt=1", "column 1: expected port=" }, { "port=", "column 6: expected a port number" },
		{ "port=0", "column 6: expected a port number" }, { "port=65536", "column 6: expected a port number" },
		{ "exe=a,port=x", "column 12: expected a port number" }, { "exe=a,", "column 7: expected port=" },
		{ "exe=a,exe=b", "column 7: expected each key once" }, { "exe=", "column 5: expected a path" },
		{ "pid=-1", "column 5: expected a process id" }, { "pid=0", "column 5: expected a process id" },
		{ "cgroup=", "column 8: expected a path below" }, { "netns=a/b", "column 7: expected a name under" },
		{ "name=", "column 6: expected a service name" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *why = NULL;
		struct selector s;

		assert_int_equal(selector_parse(&s, cases[i].text, &why), -EINVAL);
		if (!strstr(why, cases[i].why))
			fail_msg("\"%s\" says: %s", cases[i].text, why);
	}
}

TEST(values_that_do_not_fit_are_refused)
{
	char text[700];
	struct selector s;

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(freep) char *why = NULL;

		snprintf(text, sizeof(text), "%s%0600d", (const char *[]){ "exe=", "cgroup=" }[i], 1);
		assert_int_equal(selector_parse(&s, text, &why), -EINVAL);
	}
}

TEST(a_name_that_is_not_known_yet_matches)
{
	struct selector_subject unknown = nginx;
	struct selector s;
	char *why = NULL;

	unknown.name = NULL;
	assert_int_equal(selector_parse(&s, "name=shop,exe=nginx", &why), 0);
	assert_true(selector_match(&s, &unknown));
	assert_false(selector_match(&s, &nginx));
}

TEST(a_namespace_name_is_looked_up_when_it_matters)
{
	char dir[] = "/tmp/sonde-netns-XXXXXX", path[64];
	struct selector_subject p = nginx;
	struct selector s;
	struct stat st;
	char *why = NULL;

	assert_non_null(mkdtemp(dir));
	p.netns_dir = dir;
	assert_int_equal(selector_parse(&s, "netns=blue", &why), 0);
	assert_false(selector_match(&s, &p));
	snprintf(path, sizeof(path), "%s/blue", dir);
	fclose(fopen(path, "w"));
	stat(path, &st);
	p.netns = (uint32_t)st.st_ino;
	assert_true(selector_match(&s, &p));
	unlink(path);
	rmdir(dir);
}

TEST(several_selectors_mean_or)
{
	const char *texts[] = { "exe=apache", "port=8080", "pid=41" };
	_cleanup_(selectors_release) struct selectors s = { 0 };
	char *why = NULL;

	assert_int_equal(selectors_parse(&s, texts, 3, &why), 0);
	assert_int_equal(selectors_match(&s, &nginx), SELECT_BIT(SELECT_PORT) | SELECT_BIT(SELECT_PID));
	assert_true(selectors_want_port(&s, 8080));
	assert_false(selectors_want_port(&s, 8443));
	assert_int_equal(s.keys, SELECT_BIT(SELECT_EXE) | SELECT_TREE);
}

TEST(many_stars_cost_no_time)
{
	struct selector_subject p = nginx;
	struct selector s;
	char *why = NULL;

	p.exe = "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	assert_int_equal(selector_parse(&s, "exe=*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", &why), 0);
	assert_false(selector_match(&s, &p));
}

RUN_TESTS
