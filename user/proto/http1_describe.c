/* SPDX-License-Identifier: Apache-2.0 */
/* What an HTTP exchange means in OpenTelemetry's words (semantic conventions, docs/http: HTTP spans and
 * metrics). What was not observed is left out. */
#include <sys/socket.h>

#include "proto/common.h"
#include "proto/http1.h"

/* "Known" by the convention's default; anything else is _OTHER. */
static const struct str known_methods[] = {
	STR("GET"), STR("POST"), STR("PUT"), STR("HEAD"), STR("DELETE"), STR("OPTIONS"), STR("PATCH"), STR("CONNECT"),
	STR("TRACE"), STR("QUERY"),
};

static const struct str versions[] = { STR("1.0"), STR("1.1") };

/* The literal of a known method, or an empty view. */
static struct str known_method(struct str method)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_methods); i++)
		if (str_eq(method, known_methods[i]))
			return known_methods[i];
	return (struct str){ 0 };
}

static void describe_method(const struct http1_message *req, struct span *sp)
{
	struct str known = known_method(req->method);

	sp->name = known.n ? known : STR("HTTP");
	span_str(sp, ATTR_HTTP_REQUEST_METHOD, known.n ? known : STR("_OTHER"), true);
	if (!known.n)
		span_str_dup(sp, ATTR_HTTP_REQUEST_METHOD_ORIGINAL, req->method, false);
}

static void describe_version(const struct http1_message *req, const struct http1_message *res, struct span *sp)
{
	const struct http1_message *m = req->version_seen ? req : res;

	if (m && m->version_seen && m->minor < ARRAY_SIZE(versions))
		span_str(sp, ATTR_NETWORK_PROTOCOL_VERSION, versions[m->minor], true);
}

/* 5xx is an error on both sides, 4xx the client's only: the server did as it should. */
static void describe_status(const struct http1_message *res, struct span *sp)
{
	int error_from = sp->kind == SPAN_CLIENT ? 400 : 500;
	char text[3];

	if (!res || !res->status)
		return;
	span_int(sp, ATTR_HTTP_RESPONSE_STATUS_CODE, res->status, true);
	if (res->status < error_from)
		return;
	sp->status = STATUS_ERROR;
	for (unsigned i = 3, v = res->status; i-- > 0; v /= 10)
		text[i] = (char)('0' + v % 10);
	span_str_dup(sp, ATTR_ERROR_TYPE, (struct str){ text, sizeof(text) }, true);
}

/* The strings of a message belong to the exchange, which goes before the span does. */
static struct str own(struct span *sp, struct str s)
{
	return s.n ? arena_dup(&sp->arena, s) : s;
}

static void describe_server(const struct exchange *x, const struct http1_message *req, struct span *sp)
{
	const struct url *asked = req->forwarded.host.n ? &req->forwarded : &req->url;

	sp->instrument = INSTRUMENT_HTTP_SERVER;
	if (req->forwarded.scheme.n)
		span_str_dup(sp, ATTR_URL_SCHEME, req->forwarded.scheme, true);
	else
		span_str(sp, ATTR_URL_SCHEME, STR("http"), true);
	span_str_dup(sp, ATTR_URL_PATH, req->url.path, false);
	span_str_dup(sp, ATTR_URL_QUERY, req->url.query, false);
	span_str_dup(sp, ATTR_USER_AGENT_ORIGINAL, req->user_agent, false);
	proto_describe_server(x, sp, own(sp, asked->host), asked->port);
	proto_describe_network(x, sp, own(sp, req->client));
}

static void describe_client(const struct exchange *x, const struct http1_message *req, struct span *sp)
{
	const struct attr *host, *port;
	struct url full = req->url;

	sp->instrument = INSTRUMENT_HTTP_CLIENT;
	if (!full.scheme.n)
		full.scheme = STR("http");
	/* A request to a proxy names its origin, whose port is the scheme's unless it says so. */
	if (req->target_absolute && !full.port)
		full.port = url_default_port(full.scheme);
	proto_describe_server(x, sp, own(sp, full.host), full.port);
	host = span_attr(sp, ATTR_SERVER_ADDRESS);
	port = span_attr(sp, ATTR_SERVER_PORT);
	if (!full.host.n && host && x->facts->family != AF_UNIX)
		full.host = host->s;
	if (!full.port && port)
		full.port = (uint16_t)port->i;
	if (full.host.n && (full.path.n || req->target_absolute))
		span_str(sp, ATTR_URL_FULL, url_full(&sp->arena, &full), false);
	span_str_dup(sp, ATTR_USER_AGENT_ORIGINAL, req->user_agent, false);
	proto_describe_network(x, sp, (struct str){ 0 });
}

static int describe_headers(const struct http1_message *m, const char *prefix, struct span *sp)
{
	for (const struct http1_header *h = m ? m->headers : NULL; h; h = h->next) {
		struct str key = arena_printf(&sp->arena, "%s%s", prefix, h->name);

		if (!key.p)
			return -ENOMEM;
		span_str_dup(sp, key.p, h->value, false);
	}
	return 0;
}

/* Bytes of the body: framed ones are known from their framing, others by where the connection ended. */
static int64_t body_size(const struct side *side, const struct http1_message *m)
{
	if (!m)
		return -1;
	if (m->until_close && side->complete && side->end >= side->pos + m->head_bytes)
		return (int64_t)(side->end - side->pos - m->head_bytes);
	return m->body_bytes;
}

int http1_describe(const struct exchange *x, const struct proto_options *opt __attribute__((unused)), struct span *sp)
{
	const struct http1_message *req = x->request.data, *res = x->response.data;
	int err = proto_describe_kind(x, sp);

	if (err || !req || !req->method.n)
		return err ? err : -ENOENT;
	describe_method(req, sp);
	describe_status(res, sp);
	describe_version(req, res, sp);
	if (sp->kind == SPAN_SERVER)
		describe_server(x, req, sp);
	else
		describe_client(x, req, sp);
	proto_describe_end(x, sp);
	sp->request_size = body_size(&x->request, req);
	sp->response_size = body_size(&x->response, res);
	sp->wire = req->wire;
	sp->wire.tracestate = own(sp, req->wire.tracestate);
	err = describe_headers(req, "http.request.header.", sp);
	return err ? err : describe_headers(res, "http.response.header.", sp);
}

void http1_set_route(struct span *sp, struct str route)
{
	struct str name;
	char *at;

	if (sp->kind != SPAN_SERVER || !route.n)
		return;
	span_str_dup(sp, ATTR_HTTP_ROUTE, route, true);
	/* "GET /users/{id}"; by snprintf() it took as long as reading the request. */
	name = (struct str){ arena_alloc(&sp->arena, sp->name.n + 1 + route.n), sp->name.n + 1 + route.n };
	if (!name.p)
		return;
	at = mempcpy((char *)name.p, sp->name.p, sp->name.n);
	*at++ = ' ';
	memcpy(at, route.p, route.n);
	sp->name = name;
}
