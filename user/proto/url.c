/* SPDX-License-Identifier: Apache-2.0 */
/* url.h: RFC 3986 as far as HTTP needs it. */
#include "proto/url.h"

#define REDACTED "REDACTED:REDACTED@"	/* OpenTelemetry, url.full */

static struct str str_until(struct str s, size_t at)
{
	return (struct str){ s.p, at };
}

static struct str str_from(struct str s, size_t at)
{
	if (s.n)	/* an empty view may be NULL, to which C does not even add 0 */
		str_skip(&s, at);
	return s;
}

static void set_path(struct url *u, struct str path)
{
	size_t at;

	path = str_until(path, str_find(path, '#'));
	at = str_find(path, '?');
	u->path = str_until(path, at);
	u->query = str_from(path, at + 1);
}

static bool is_scheme(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = (char)(s.p[i] | 0x20);

		if (!(c >= 'a' && c <= 'z') && !(i && memchr("0123456789+-.", s.p[i], 13)))
			return false;
	}
	return s.n > 0;
}

/* False when it is not "scheme://...". */
static bool set_absolute(struct url *u, struct str target)
{
	size_t at = str_find(target, ':');
	struct str scheme = str_until(target, at), rest = str_from(target, at + 1);
	size_t end;

	if (!str_starts(rest, STR("//")) || !is_scheme(scheme))
		return false;
	str_skip(&rest, 2);
	for (end = 0; end < rest.n && !memchr("/?#", rest.p[end], 3); end++)
		;
	u->scheme = scheme;
	url_set_authority(u, str_until(rest, end));
	set_path(u, str_from(rest, end));
	if (u->path.n == 0)
		u->path = STR("/");
	return true;
}

struct url url_of_target(struct str target, bool connect)
{
	struct url u = { 0 };

	if (connect)
		url_set_authority(&u, target);
	else if (str_starts(target, STR("/")) || !set_absolute(&u, target))
		set_path(&u, target);
	return u;
}

void url_set_authority(struct url *u, struct str authority)
{
	const char *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;
	size_t end = 0;
	uint64_t port;

	if (at) {
		u->userinfo = str_until(authority, (size_t)(at - authority.p));
		str_skip(&authority, u->userinfo.n + 1);
	}
	if (authority.n && authority.p[0] == '[')
		end = str_find(authority, ']');
	u->host = str_until(authority, end + str_find(str_from(authority, end), ':'));
	if (str_to_u64(str_from(authority, u->host.n + 1), &port) && port <= UINT16_MAX)
		u->port = (uint16_t)port;
	if (end && u->host.n == end + 1)
		u->host = (struct str){ u->host.p + 1, end - 1 };
}

uint16_t url_default_port(struct str scheme)
{
	return str_eq_nocase(scheme, STR("http")) ? 80 : str_eq_nocase(scheme, STR("https")) ? 443 : 0;
}

/* Text put together in an arena; whoever allocates counts the room before. */
struct text {
	char *p;
	size_t n;
};

static void add(struct text *t, struct str s)
{
	if (s.n)
		memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

/* One "key=value" or "value": never longer than it was. */
static void add_redacted(struct text *t, struct str part)
{
	size_t at = str_find(part, '=');

	if (at < part.n) {
		add(t, str_until(part, at + 1));
		part = str_from(part, at + 1);
	}
	if (part.n)
		add(t, STR("?"));
}

struct str url_redact_query(struct arena *a, struct str query)
{
	struct text t = { arena_alloc(a, query.n), 0 };
	struct str part;

	if (!t.p)
		return (struct str){ 0 };
	while (str_cut(&query, '&', &part)) {
		add_redacted(&t, part);
		add(&t, STR("&"));
	}
	add_redacted(&t, query);
	return (struct str){ t.p, t.n };
}

struct str url_redact_path(struct arena *a, struct str path)
{
	size_t at = str_find(path, ';');
	struct str part;
	struct text t;

	if (at == path.n)
		return arena_dup(a, path);
	t = (struct text){ arena_alloc(a, path.n), 0 };
	if (!t.p)
		return (struct str){ 0 };
	while (str_cut(&path, ';', &part)) {
		add(&t, part);
		add(&t, STR(";"));
		for (at = 0; at < path.n && path.p[at] != ';' && path.p[at] != '/'; at++)
			;
		add_redacted(&t, str_until(path, at));
		str_skip(&path, at);
	}
	add(&t, path);
	return (struct str){ t.p, t.n };
}

struct str url_full(struct arena *a, const struct url *u)
{
	bool brackets = str_find(u->host, ':') < u->host.n;
	size_t room = u->scheme.n + 3 + sizeof(REDACTED) + u->host.n + 2 + 6 + u->path.n + 1 + u->query.n;
	struct text t = { arena_alloc(a, room), 0 };

	if (!t.p)
		return (struct str){ 0 };
	add(&t, u->scheme);
	add(&t, STR("://"));
	if (u->userinfo.n)
		add(&t, STR(REDACTED));
	add(&t, brackets ? STR("[") : STR(""));
	add(&t, u->host);
	add(&t, brackets ? STR("]") : STR(""));
	if (u->port && u->port != url_default_port(u->scheme)) {
		char digits[8], *p = digits + sizeof(digits);

		for (unsigned v = u->port; v; v /= 10)
			*--p = (char)('0' + v % 10);
		*--p = ':';
		add(&t, (struct str){ p, (size_t)(digits + sizeof(digits) - p) });
	}
	if (!str_eq(u->path, STR("*")))
		add(&t, u->path);
	if (u->query.n) {
		add(&t, STR("?"));
		add(&t, u->query);
	}
	return (struct str){ t.p, t.n };
}
