/* SPDX-License-Identifier: Apache-2.0 */
/* target.h: one row per variable; each row's reader writes its part of the target. */
#include "export/target.h"

#include <stdarg.h>
#include <stdio.h>

#define TIMEOUT_DEFAULT_MS 10000

static const struct signal_words {
	const char *infix;		/* between OTEL_EXPORTER_OTLP_ and the option */
	const char *path;		/* behind a general endpoint, OTLP/HTTP */
	const char *exporters;		/* which exporters the signal goes to */
	const char *known[5];		/* their values that we understand */
} words[] = {
	[SIGNAL_TRACES] = { "TRACES_", "v1/traces", "OTEL_TRACES_EXPORTER", { "otlp", "none", "console" } },
	[SIGNAL_METRICS] = { "METRICS_", "v1/metrics", "OTEL_METRICS_EXPORTER",
			     { "otlp", "none", "console", "prometheus" } },
};
_Static_assert(ARRAY_SIZE(words) == SIGNAL_COUNT, "name every signal");

struct source {
	enum signal signal;
	const char *(*get)(void *ctx, const char *name);
	void *ctx;
	struct otlp_target *target;
	char **why;
	char name[64];		/* of the variable being read */
	bool per_signal;	/* it is the signal's own one */
};

static int _printf_(2, 3) refuse(struct source *s, const char *format, ...)
{
	_cleanup_(freep) char *detail = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&detail, format, args);
	va_end(args);
	if (n < 0) {
		detail = NULL;	/* undefined after a failure */
		return -ENOMEM;
	}
	return asprintf(s->why, "%s: %s", s->name, detail) < 0 ? -ENOMEM : -EINVAL;
}

static const char *look_up(struct source *s, const char *infix, const char *option)
{
	const char *value;

	snprintf(s->name, sizeof(s->name), "OTEL_EXPORTER_OTLP_%s%s", infix, option);
	value = s->get(s->ctx, s->name);
	return value && value[0] ? value : NULL;
}

/* The signal's own variable wins over the general one. */
static const char *find_option(struct source *s, const char *option)
{
	const char *value = look_up(s, words[s->signal].infix, option);

	s->per_signal = value != NULL;
	return value ? value : look_up(s, "", option);
}

static int copy_text(char **out, const char *value)
{
	*out = strdup(value);
	return *out ? 0 : -ENOMEM;
}

static int read_protocol(struct source *s, const char *value)
{
	if (strcmp(value, "http/protobuf") == 0)
		s->target->protocol = OTLP_HTTP_PROTOBUF;
	else if (strcmp(value, "grpc") == 0)
		s->target->protocol = OTLP_GRPC;
	else
		return refuse(s, "\"%s\" is not one of http/protobuf, grpc", value);
	return 0;
}

static int read_insecure(struct source *s, const char *value)
{
	struct str v = str_of(value);

	s->target->insecure = str_eq_nocase(v, STR("true"));
	if (!s->target->insecure && !str_eq_nocase(v, STR("false")))
		return refuse(s, "\"%s\" is not one of true, false", value);
	return 0;
}

static int read_compression(struct source *s, const char *value)
{
	s->target->gzip = strcmp(value, "gzip") == 0;
	if (!s->target->gzip && strcmp(value, "none") != 0)
		return refuse(s, "\"%s\" is not one of gzip, none", value);
	return 0;
}

static int read_timeout(struct source *s, const char *value)
{
	uint64_t ms;

	if (!str_to_u64(str_of(value), &ms) || ms == 0 || ms > INT32_MAX)
		return refuse(s, "\"%s\" is not a number of milliseconds above 0", value);
	s->target->timeout_ms = (uint32_t)ms;
	return 0;
}

static int read_certificate(struct source *s, const char *value)
{
	return copy_text(&s->target->certificate, value);
}

static int read_client_certificate(struct source *s, const char *value)
{
	return copy_text(&s->target->client_certificate, value);
}

static int read_client_key(struct source *s, const char *value)
{
	return copy_text(&s->target->client_key, value);
}

static bool is_header_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127 || s.p[i] == ':')
			return false;
	return s.n > 0;
}

/* Percent-decodes into out. False: a broken escape, or a byte that would break out of a header line. */
static bool decode_value(struct str in, struct buf *out)
{
	unsigned int byte;
	char hex[3] = "";

	for (size_t i = 0; i < in.n; i++) {
		byte = (unsigned char)in.p[i];
		if (byte == '%') {
			if (in.n - i < 3 || !strchr("0123456789abcdefABCDEF", in.p[i + 1]) ||
			    !strchr("0123456789abcdefABCDEF", in.p[i + 2]))
				return false;
			memcpy(hex, in.p + i + 1, 2);
			byte = (unsigned int)strtoul(hex, NULL, 16);
			i += 2;
		}
		if (byte < ' ' || byte == 127)
			return false;
		buf_char(out, (char)byte);
	}
	return true;
}

/* One name=value; NULL with *err set on failure, NULL with *err 0 for an empty list member. */
static char *read_header(struct source *s, struct str member, int *err)
{
	_cleanup_(buf_release) struct buf line = { 0 };
	struct str name;

	*err = 0;
	member = str_trim(member);
	if (!member.n)
		return NULL;
	if (!str_cut(&member, '=', &name) || !is_header_name(name = str_trim(name))) {
		*err = refuse(s, "expected name=value,name=value with percent-encoded values");
		return NULL;
	}
	buf_str(&line, name);
	buf_str(&line, STR(": "));
	if (!decode_value(str_trim(member), &line)) {
		*err = refuse(s, "the value of \"%.*s\" is not percent-encoded text", (int)name.n, name.p);
		return NULL;
	}
	buf_char(&line, '\0');
	if (line.failed)
		*err = -ENOMEM;
	return line.failed ? NULL : TAKE_PTR(line.p);
}

/* W3C Baggage's list form, without properties. Values are secrets: no error text shows them. */
static int read_headers(struct source *s, const char *value)
{
	struct str in = str_of(value), member;
	size_t members = 1, n = 0;
	bool more;
	int err;

	for (size_t i = 0; i < in.n; i++)
		members += in.p[i] == ',';
	s->target->headers = calloc(members + 1, sizeof(char *));
	if (!s->target->headers)
		return -ENOMEM;
	do {
		more = str_cut(&in, ',', &member);
		s->target->headers[n] = read_header(s, more ? member : in, &err);
		if (err)
			return err;
		n += s->target->headers[n] != NULL;
	} while (more);
	return 0;
}

static bool has_scheme(struct str url)
{
	return str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
}

/* Scheme and authority, then the rest from its '/', '?' or '#'. */
static struct str cut_authority(struct str *url)
{
	size_t n = str_starts(*url, STR("https://")) ? 8 : 7;
	struct str head = { url->p, 0 };

	while (n < url->n && !strchr("/?#", url->p[n]))
		n++;
	head.n = n;
	str_skip(url, n);
	return head;
}

static int read_grpc_endpoint(struct source *s, struct str url, struct buf *out)
{
	struct str head = url;

	if (str_starts(url, STR("unix:"))) {
		if (url.n == 5)
			return refuse(s, "unix: needs the path of a socket");
	} else if (has_scheme(url)) {
		head = cut_authority(&url);	/* gRPC has no use for a path */
	} else if (memmem(url.p, url.n, "://", 3)) {
		return refuse(s, "\"%.*s\" is not one of http://, https://, unix:, host:port", (int)url.n, url.p);
	} else {
		buf_str(out, s->target->insecure ? STR("http://") : STR("https://"));
	}
	buf_str(out, head);
	return 0;
}

/* A general endpoint is a base to which the signal's path is added; the signal's own is used as it is. */
static int read_http_endpoint(struct source *s, struct str url, struct buf *out)
{
	struct str rest = url, head;

	if (!has_scheme(url))
		return refuse(s, "\"%.*s\" does not begin with http:// or https://", (int)url.n, url.p);
	head = cut_authority(&rest);
	if (!s->per_signal && rest.n && memchr(rest.p, '?', rest.n))
		return refuse(s, "a general endpoint cannot have a query");
	buf_str(out, head);
	if (s->per_signal) {
		if (!rest.n || rest.p[0] != '/')
			buf_char(out, '/');
		buf_str(out, rest);
		return 0;
	}
	buf_str(out, rest);
	if (!rest.n || rest.p[rest.n - 1] != '/')
		buf_char(out, '/');
	buf_str(out, str_of(words[s->signal].path));
	return 0;
}

static int read_endpoint(struct source *s, const char *value)
{
	_cleanup_(buf_release) struct buf url = { 0 };
	struct str in = str_of(value);
	int err;

	for (size_t i = 0; i < in.n; i++)
		if ((unsigned char)in.p[i] <= ' ' || in.p[i] == 127)
			return refuse(s, "an endpoint has no blanks");
	if (s->target->protocol == OTLP_GRPC)
		err = read_grpc_endpoint(s, in, &url);
	else
		err = read_http_endpoint(s, in, &url);
	if (err)
		return err;
	buf_char(&url, '\0');
	if (url.failed)
		return -ENOMEM;
	s->target->url = TAKE_PTR(url.p);
	return 0;
}

/* In this order: the endpoint's meaning depends on protocol and insecure. */
static const struct option {
	const char *name;
	int (*read)(struct source *s, const char *value);
} options[] = {
	{ "PROTOCOL", read_protocol },
	{ "INSECURE", read_insecure },
	{ "COMPRESSION", read_compression },
	{ "TIMEOUT", read_timeout },
	{ "HEADERS", read_headers },
	{ "CERTIFICATE", read_certificate },
	{ "CLIENT_CERTIFICATE", read_client_certificate },
	{ "CLIENT_KEY", read_client_key },
	{ "ENDPOINT", read_endpoint },
};

static int check_exporter(struct source *s, struct str name, bool *otlp)
{
	for (const char *const *k = words[s->signal].known; *k; k++) {
		if (!str_eq(name, str_of(*k)))
			continue;
		*otlp |= k == words[s->signal].known;
		return 0;
	}
	return refuse(s, "\"%.*s\" is not an exporter that sonde has", (int)name.n, name.p);
}

/* OTEL_{TRACES,METRICS}_EXPORTER: a list of names, by default otlp. */
static int read_exporters(struct source *s, bool *otlp)
{
	const char *value = s->get(s->ctx, words[s->signal].exporters);
	struct str in = str_of(value), name;
	bool more;
	int err;

	*otlp = !in.n;
	if (!in.n)
		return 0;
	snprintf(s->name, sizeof(s->name), "%s", words[s->signal].exporters);
	do {
		more = str_cut(&in, ',', &name);
		err = check_exporter(s, str_trim(more ? name : in), otlp);
	} while (more && !err);
	return err;
}

void otlp_target_release(struct otlp_target *t)
{
	for (char **h = t->headers; h && *h; h++)
		free(*h);
	free(t->headers);
	free(t->url);
	free(t->certificate);
	free(t->client_certificate);
	free(t->client_key);
	*t = (struct otlp_target){ 0 };
}

int otlp_target_from_env(enum signal signal, const char *(*get)(void *ctx, const char *name), void *ctx,
			 struct otlp_target *out, char **why)
{
	_cleanup_(otlp_target_release) struct otlp_target t = { .timeout_ms = TIMEOUT_DEFAULT_MS };
	struct source s = { .signal = signal, .get = get, .ctx = ctx, .target = &t, .why = why };
	const char *value;
	bool otlp;
	int err = read_exporters(&s, &otlp);

	for (size_t i = 0; i < ARRAY_SIZE(options) && !err; i++) {
		value = find_option(&s, options[i].name);
		if (value)
			err = options[i].read(&s, value);
	}
	if (err)
		return err;
	t.enabled = otlp && t.url;
	*out = t;
	t = (struct otlp_target){ 0 };
	return 0;
}
