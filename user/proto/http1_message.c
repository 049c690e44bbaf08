/* SPDX-License-Identifier: Apache-2.0 */
/* From a head (views, everything) to what is kept of it (copies, redacted). Query values, credentials,
 * cookies and authorization end here, but for headers that the configuration names. */
#include "proto/http1.h"
#include "proto/trace_context.h"

/* Copies *s; true when it is not empty for lack of memory. */
static bool keep(struct arena *a, struct str *s)
{
	*s = s->n ? arena_dup(a, *s) : (struct str){ 0 };
	return s->n == 0 || s->p;
}

static struct str unquote(struct str s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return (struct str){ s.p + 1, s.n - 2 };
	return s;
}

static struct str first_of_list(struct str s)
{
	return str_trim((struct str){ s.p, str_find(s, ',') });
}

/* An address with or without port and brackets; "unknown" and obfuscated ones (RFC 7239 6) say nothing. */
static struct str node_address(struct str node)
{
	struct url u = { 0 };

	if (node.n == 0 || node.p[0] == '_' || str_eq_nocase(node, STR("unknown")))
		return (struct str){ 0 };
	if (node.p[0] != '[' && memchr(node.p, ':', node.n) != memrchr(node.p, ':', node.n))
		return node;	/* IPv6 without brackets */
	url_set_authority(&u, node);
	return u.host;
}

/* Only these two: the value becomes a metric's dimension. */
static struct str known_scheme(struct str s)
{
	static const struct str schemes[] = { STR("https"), STR("http") };

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (str_eq_nocase(s, schemes[i]))
			return schemes[i];
	return (struct str){ 0 };
}

/* RFC 7239: for=192.0.2.43;proto=https;host=example.com, the first element is the client's. */
static void read_forwarded(struct str field, struct http1_message *m)
{
	struct str in = first_of_list(field), name, value, pair;
	bool more;

	do {
		more = str_cut(&in, ';', &pair);
		value = more ? pair : in;
		if (!str_cut(&value, '=', &name))
			continue;
		name = str_trim(name);
		value = unquote(str_trim(value));
		if (str_eq_nocase(name, STR("for")))
			m->client = node_address(value);
		else if (str_eq_nocase(name, STR("proto")))
			m->forwarded.scheme = known_scheme(value);
		else if (str_eq_nocase(name, STR("host")))
			url_set_authority(&m->forwarded, value);
	} while (more);
}

static void read_proxies(const struct http1_head *h, struct http1_message *m)
{
	const struct str *f = h->fields;

	if (!(f[FIELD_FORWARDED].n | f[FIELD_X_FORWARDED_FOR].n | f[FIELD_X_FORWARDED_PROTO].n |
	      f[FIELD_X_FORWARDED_HOST].n)) {
		m->forwarded.scheme = known_scheme(m->url.scheme);
		return;
	}
	if (h->fields[FIELD_FORWARDED].n)
		read_forwarded(h->fields[FIELD_FORWARDED], m);
	if (!m->client.n)
		m->client = node_address(first_of_list(h->fields[FIELD_X_FORWARDED_FOR]));
	if (!m->forwarded.scheme.n)
		m->forwarded.scheme = known_scheme(first_of_list(h->fields[FIELD_X_FORWARDED_PROTO]));
	if (!m->forwarded.host.n)
		url_set_authority(&m->forwarded, first_of_list(h->fields[FIELD_X_FORWARDED_HOST]));
	if (!m->forwarded.scheme.n)
		m->forwarded.scheme = known_scheme(m->url.scheme);
}

static void read_target(const struct http1_head *h, struct http1_message *m)
{
	bool connect = str_eq(h->method, STR("CONNECT"));

	m->url = url_of_target(h->target, connect);
	m->target_absolute = connect || m->url.scheme.n;
	if (h->target_cut) {
		/* What was not captured may belong to the path; behind a '?' the path is whole. */
		if (str_find(h->target, '?') == h->target.n)
			m->url = (struct url){ 0 };
		m->url.query.n = 0;
	}
	if (!m->url.host.n)
		url_set_authority(&m->url, h->fields[FIELD_HOST]);
}

static void read_trace_context(const struct http1_head *h, struct http1_message *m)
{
	const struct str *f = h->fields;

	if (f[FIELD_TRACEPARENT].n && trace_context_w3c(f[FIELD_TRACEPARENT], f[FIELD_TRACESTATE], &m->wire))
		return;
	if (f[FIELD_B3].n && trace_context_b3(f[FIELD_B3], &m->wire))
		return;
	if (f[FIELD_B3_TRACE].n)
		trace_context_b3_multi(f[FIELD_B3_TRACE], f[FIELD_B3_SPAN], f[FIELD_B3_SAMPLED], f[FIELD_B3_FLAGS],
				       &m->wire);
}

/* Views become copies; the path and the query become what may be exported. */
static bool keep_url(struct arena *a, struct url *u)
{
	if (u->userinfo.n)
		u->userinfo = STR("?");
	if (u->path.n && !(u->path = url_redact_path(a, u->path)).p)
		return false;
	if (u->query.n && !(u->query = url_redact_query(a, u->query)).p)
		return false;
	return keep(a, &u->scheme) && keep(a, &u->host);
}

struct http1_message *http1_message_new(const struct http1_head *h, struct arena *a)
{
	struct http1_message *m = arena_alloc(a, sizeof(*m));

	if (!m)
		return NULL;
	m->status = h->status;
	m->minor = h->minor;
	m->version_seen = h->version_seen;
	m->body_bytes = -1;
	m->headers = h->headers;
	if (!h->method.n)
		return m;
	m->method = h->method;
	m->user_agent = h->fields[FIELD_USER_AGENT];
	read_target(h, m);
	read_proxies(h, m);
	read_trace_context(h, m);
	m->forwarded.userinfo.n = 0;
	if (!keep(a, &m->method) || !keep(a, &m->user_agent) || !keep(a, &m->client) || !keep_url(a, &m->url) ||
	    !keep_url(a, &m->forwarded) || !keep(a, &m->wire.tracestate))
		return NULL;
	return m;
}
