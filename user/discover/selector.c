/* SPDX-License-Identifier: Apache-2.0 */
/* selector.h: one table row per key. */
#include "discover/selector.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/str.h"

/* `*` any bytes (slashes too), `?` one. Linear in time: only the last star is ever tried again. */
static bool glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *again = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			again = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool copy(char *to, size_t size, struct str from)
{
	if (!from.n || from.n >= size)
		return false;
	memcpy(to, from.p, from.n);
	to[from.n] = '\0';
	return true;
}

static bool number(struct str text, uint64_t max, uint64_t *v)
{
	return str_to_u64(text, v) && *v >= 1 && *v <= max;
}

static bool parse_port(struct selector *s, struct str value)
{
	uint64_t v;

	if (!number(value, UINT16_MAX, &v))
		return false;
	s->port = (uint16_t)v;
	return true;
}

static bool parse_pid(struct selector *s, struct str value)
{
	uint64_t v;

	if (!number(value, INT32_MAX, &v))
		return false;
	s->pid = (uint32_t)v;
	return true;
}

static bool parse_exe(struct selector *s, struct str value)
{
	return copy(s->exe, sizeof(s->exe), value);
}

static bool parse_name(struct selector *s, struct str value)
{
	return copy(s->name, sizeof(s->name), value);
}

static bool parse_cgroup(struct selector *s, struct str value)
{
	if (!value.n)
		return false;
	while (value.n && value.p[0] == '/')
		str_skip(&value, 1);
	while (value.n && value.p[value.n - 1] == '/')
		value.n--;
	return !value.n || copy(s->cgroup, sizeof(s->cgroup), value);
}

static bool parse_netns(struct selector *s, struct str value)
{
	uint64_t v;

	if (number(value, UINT32_MAX, &v)) {
		s->netns = (uint32_t)v;
		return true;
	}
	return str_find(value, '/') == value.n && copy(s->netns_name, sizeof(s->netns_name), value);
}

static bool match_port(const struct selector *s, const struct selector_subject *p)
{
	for (size_t i = 0; i < p->n_ports; i++)
		if (p->ports[i] == s->port)
			return true;
	return false;
}

static bool match_pid(const struct selector *s, const struct selector_subject *p)
{
	return s->pid == p->pid;
}

static bool match_exe(const struct selector *s, const struct selector_subject *p)
{
	const char *file = strrchr(p->exe, '/');

	return glob_match(s->exe, file && !strchr(s->exe, '/') ? file + 1 : p->exe);
}

static bool match_name(const struct selector *s, const struct selector_subject *p)
{
	return !p->name || strcmp(s->name, p->name) == 0;
}

static bool match_cgroup(const struct selector *s, const struct selector_subject *p)
{
	const char *path = *p->cgroup == '/' ? p->cgroup + 1 : p->cgroup;
	size_t n = strlen(s->cgroup);

	return !n || (strncmp(path, s->cgroup, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

static bool match_netns(const struct selector *s, const struct selector_subject *p)
{
	char path[320];
	struct stat st;

	if (s->netns)
		return s->netns == p->netns;
	snprintf(path, sizeof(path), "%s/%s", p->netns_dir, s->netns_name);
	return stat(path, &st) == 0 && (uint32_t)st.st_ino == p->netns;
}

static const struct key {
	const char *name, *expected;
	bool (*parse)(struct selector *s, struct str value);
	bool (*match)(const struct selector *s, const struct selector_subject *p);
} keys[] = {
	[SELECT_PORT] = { "port", "a port number, 1 to 65535", parse_port, match_port },
	[SELECT_EXE] = { "exe", "a path or file name with * and ?, at most 255 bytes", parse_exe, match_exe },
	[SELECT_PID] = { "pid", "a process id", parse_pid, match_pid },
	[SELECT_CGROUP] = { "cgroup", "a path below the cgroup2 mount, at most 511 bytes", parse_cgroup,
			    match_cgroup },
	[SELECT_NETNS] = { "netns", "a name under /run/netns or an inode number", parse_netns, match_netns },
	[SELECT_NAME] = { "name", "a service name, at most 127 bytes", parse_name, match_name },
};
_Static_assert(ARRAY_SIZE(keys) == SELECT_KEYS, "describe every key");

static int wrong(char **why, const char *text, const char *at, const char *expected)
{
	if (asprintf(why, "selector \"%s\", column %zu: expected %s", text, (size_t)(at - text) + 1, expected) < 0)
		*why = NULL;
	return -EINVAL;
}

static const struct key *key_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (str_eq(name, str_of(keys[i].name)))
			return &keys[i];
	return NULL;
}

static int parse_term(struct selector *s, struct str term, const char *text, char **why)
{
	struct str value = term, name;
	const struct key *k;

	if (!str_cut(&value, '=', &name) || !(k = key_find(name)))
		return wrong(why, text, term.p, "port=, exe=, pid=, cgroup=, netns= or name=");
	if (s->keys & SELECT_BIT(k - keys))
		return wrong(why, text, term.p, "each key once (several selectors mean \"or\")");
	if (!k->parse(s, value))
		return wrong(why, text, value.p, k->expected);
	s->keys |= SELECT_BIT(k - keys);
	return 0;
}

int selector_parse(struct selector *out, const char *text, char **why)
{
	struct selector s = { 0 };
	struct str rest = str_of(text), term;
	bool more;

	do {
		int err;

		more = str_cut(&rest, ',', &term);
		if (!more)
			term = rest;
		err = parse_term(&s, term, text, why);
		if (err)
			return err;
	} while (more);
	*out = s;
	return 0;
}

bool selector_match(const struct selector *s, const struct selector_subject *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (s->keys & SELECT_BIT(i) && !keys[i].match(s, p))
			return false;
	return true;
}

int selectors_parse(struct selectors *out, const char *const *texts, size_t n, char **why)
{
	_cleanup_(selectors_release) struct selectors s = { calloc(n ? n : 1, sizeof(*s.v)), n, 0 };

	if (!s.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int err = selector_parse(&s.v[i], texts[i], why);

		if (err)
			return err;
		s.keys |= s.v[i].keys;
	}
	*out = s;
	s.v = NULL;
	return 0;
}

void selectors_release(struct selectors *s)
{
	free(s->v);
	*s = (struct selectors){ 0 };
}

uint32_t selectors_match(const struct selectors *s, const struct selector_subject *p)
{
	uint32_t matched = 0;

	for (size_t i = 0; i < s->n; i++)
		if (selector_match(&s->v[i], p))
			matched |= s->v[i].keys;
	return matched;
}

bool selectors_want_port(const struct selectors *s, uint16_t port)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].keys & SELECT_BIT(SELECT_PORT) && s->v[i].port == port)
			return true;
	return false;
}
