/* SPDX-License-Identifier: Apache-2.0 */
/* http1_head.h: lines, start lines and fields. */
#include "proto/http1_head.h"

static const struct str field_names[] = {
#define X(name, text) STR(text),
	HTTP1_FIELDS(X)
#undef X
};

/* Position of the first LF, s.n when there is none. Lines are short: looking at eight bytes at a time, in line,
 * takes half of what a call of memchr() does. (A byte of x is zero where there is an LF; the borrow of a
 * zero byte may mark the ones above it too, but the lowest mark is right.) */
static inline size_t find_lf(struct str s)
{
	const uint64_t ones = 0x0101010101010101ull;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t x, marks;

		memcpy(&x, s.p + i, 8);
		x ^= ones * '\n';
		marks = (x - ones) & ~x & ones << 7;
		if (marks)	/* both architectures are little-endian */
			return i + (size_t)__builtin_ctzll(marks) / 8;
	}
	while (i < s.n && s.p[i] != '\n')
		i++;
	return i;
}

static inline bool take_line(struct str *in, struct str *line)
{
	size_t at = find_lf(*in);

	if (at == in->n)
		return false;
	*line = (struct str){ in->p, at };
	in->p += at + 1;
	in->n -= at + 1;
	if (at && line->p[at - 1] == '\r')
		line->n--;
	return true;
}

bool http1_take_line(struct str *in, struct str *line)
{
	return take_line(in, line);
}

size_t http1_head_size(struct str in, size_t *scanned)
{
	size_t at = MIN(*scanned, in.n);

	for (;;) {
		struct str rest = { in.p + at, in.n - at };
		size_t lf = at + str_find(rest, '\n'), next = lf + 1;

		*scanned = lf;
		if (next < in.n && in.p[next] == '\r')
			next++;
		if (next >= in.n)
			return 0;
		if (in.p[next] == '\n')
			return next + 1;
		at = lf + 1;
	}
}

bool http1_version(struct str s, uint8_t *minor)
{
	if (s.n != 8 || !str_starts(s, STR("HTTP/1.")) || s.p[7] < '0' || s.p[7] > '9')
		return false;
	*minor = (uint8_t)(s.p[7] - '0');
	return true;
}

static bool is_token(struct str s)
{
	/* RFC 9110 5.6.2 */
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], l = (char)(c | 0x20);

		if (!(l >= 'a' && l <= 'z') && !(c >= '0' && c <= '9') && !memchr(others, c, sizeof(others) - 1))
			return false;
	}
	return s.n > 0;
}

/* RFC 9112 3. Blanks within the target are tolerated, as servers do: the version is what follows the last one. */
static int request_line(struct str line, struct http1_head *h)
{
	const char *last;

	if (!str_cut(&line, ' ', &h->method) || !is_token(h->method))
		return -EPROTO;
	last = line.n ? memrchr(line.p, ' ', line.n) : NULL;
	if (!last || !http1_version((struct str){ last + 1, (size_t)(line.p + line.n - last - 1) }, &h->minor))
		return -EPROTO;
	h->version_seen = true;
	h->target = str_trim((struct str){ line.p, (size_t)(last - line.p) });
	return h->target.n ? 0 : -EPROTO;
}

/* RFC 9112 4; the reason and even the blank before it may be missing. */
static int status_line(struct str line, struct http1_head *h)
{
	struct str version, status;
	uint64_t code;

	if (!take_bytes(&line, 8, &version) || !http1_version(version, &h->minor))
		return -EPROTO;
	line = str_trim(line);
	if (!take_bytes(&line, 3, &status) || !str_to_u64(status, &code) || code < 100 ||
	    (line.n && line.p[0] != ' '))
		return -EPROTO;
	h->version_seen = true;
	h->status = (uint16_t)code;
	return 0;
}

/* The beginning of a start line, the rest of which was not captured. */
static int cut_start_line(struct str in, enum dir dir, struct http1_head *h)
{
	if (dir == DIR_RESPONSE)
		return in.n >= 12 ? status_line((struct str){ in.p, 12 }, h) : 0;
	if (!str_cut(&in, ' ', &h->method))
		return 0;
	h->target = in;
	h->target_cut = true;
	return is_token(h->method) ? 0 : -EPROTO;
}

/* RFC 9112 5.2: each line break of a folded field becomes blanks. */
static bool unfold(struct arena *a, struct str *value)
{
	char *p = arena_alloc(a, value->n);

	if (!p)
		return false;
	for (size_t i = 0; i < value->n; i++)
		p[i] = value->p[i] == '\r' || value->p[i] == '\n' ? ' ' : value->p[i];
	*value = (struct str){ p, value->n };
	return true;
}

/* "first, second" */
static int join(struct arena *a, struct str *first, struct str second, struct str by)
{
	size_t n = first->n + by.n + second.n;
	char *p = arena_alloc(a, n);

	if (!p)
		return -ENOMEM;
	memcpy(p, first->p, first->n);
	memcpy(p + first->n, by.p, by.n);
	memcpy(p + first->n + by.n, second.p, second.n);
	*first = (struct str){ p, n };
	return 0;
}

/* RFC 9112 6.3: equal ones, in one field or in many, are one; others make the message invalid. */
static void content_length(struct str value, struct http1_head *h)
{
	struct str part;
	uint64_t n;
	bool more;

	do {
		more = str_cut(&value, ',', &part);
		if (!str_to_u64(str_trim(more ? part : value), &n) || (h->length_seen && n != h->length))
			h->length_bad = true;
		else
			h->length = n;
		h->length_seen = true;
	} while (more);
}

static void transfer_encoding(struct str value, struct http1_head *h)
{
	const char *comma = value.n ? memrchr(value.p, ',', value.n) : NULL;

	if (comma)
		str_skip(&value, (size_t)(comma - value.p) + 1);
	h->chunked = str_eq_nocase(str_trim(value), STR("chunked"));
}

/* FIELD_COUNT for the others, which are most: their length tells it for nearly all. */
static size_t field_of(struct str name)
{
#define X(name, text) | 1u << (sizeof(text) - 1)
	static const uint32_t lengths = 0 HTTP1_FIELDS(X);
#undef X
	size_t f = 0;

	if (name.n >= 32 || !(lengths >> name.n & 1))
		return FIELD_COUNT;
	while (f < FIELD_COUNT && !(field_names[f].n == name.n && field_names[f].p[0] == (name.p[0] | 0x20) &&
				    str_eq_nocase(field_names[f], name)))
		f++;
	return f;
}

static int keep_known(size_t f, struct str value, struct arena *a, struct http1_head *h)
{
	if (f == FIELD_CONTENT_LENGTH)
		content_length(value, h);
	else if (f == FIELD_TRANSFER_ENCODING)
		transfer_encoding(value, h);
	else if (f == FIELD_TRACESTATE && h->fields[f].n && value.n)
		return join(a, &h->fields[f], value, STR(","));
	if (!h->fields[f].n)
		h->fields[f] = value;
	return 0;
}

static int keep_configured(struct str name, struct str value, const struct proto_options *opt, struct arena *a,
			   struct http1_head *h)
{
	struct http1_header **at = &h->headers;
	size_t i = 0;

	while (i < opt->n_headers && !str_eq_nocase(str_of(opt->headers[i]), name))
		i++;
	if (i == opt->n_headers)
		return 0;
	while (*at && (*at)->name != opt->headers[i])
		at = &(*at)->next;
	if (*at)
		return join(a, &(*at)->value, value, STR(", "));
	*at = arena_alloc(a, sizeof(**at));
	if (!*at)
		return -ENOMEM;
	(*at)->name = opt->headers[i];
	(*at)->value = arena_dup(a, value);
	return (*at)->value.p ? 0 : -ENOMEM;
}

/* Most fields are not asked for, which their first letter tells. Blanks there may hide a letter. */
static bool may_be_asked_for(char first)
{
#define X(name, text) | 1u << ((text)[0] & 31)
	static const uint32_t letters = 1u << (' ' & 31) | 1u << ('\t' & 31) HTTP1_FIELDS(X);
#undef X

	return letters >> (first & 31) & 1;
}

/* `line` and the lines that continue it. Lines without a colon are passed over: the server's answer to
 * them is its own business, and they do not frame anything. */
static int keep_field(struct str line, struct str *in, const struct proto_options *opt, struct arena *a,
		      struct http1_head *h)
{
	struct str name, value = line, more;
	bool folded = false;
	int err = 0;
	size_t f;

	while (in->n && is_blank(in->p[0]) && take_line(in, &more)) {
		value.n = (size_t)(more.p + more.n - value.p);
		folded = true;
	}
	if (opt->n_headers == 0 && !may_be_asked_for(value.p[0]))
		return 0;
	name = (struct str){ value.p, str_find(value, ':') };
	if (name.n == value.n)
		return 0;
	str_skip(&value, name.n + 1);
	name = str_trim(name);
	f = field_of(name);
	if (f == FIELD_COUNT && opt->n_headers == 0)
		return 0;
	if (folded && value.n && !unfold(a, &value))
		return -ENOMEM;
	value = str_trim(value);
	if (f < FIELD_COUNT)
		err = keep_known(f, value, a, h);
	return err ? err : keep_configured(name, value, opt, a, h);
}

ssize_t http1_head_parse(struct str in, enum dir dir, bool cut, const struct proto_options *opt, struct arena *a,
		     struct http1_head *h)
{
	const char *start = in.p;
	struct str line;
	int err;

	*h = (struct http1_head){ 0 };
	if (!take_line(&in, &line))
		return cut ? cut_start_line(in, dir, h) : -EPROTO;
	err = dir == DIR_REQUEST ? request_line(line, h) : status_line(line, h);
	while (!err && take_line(&in, &line)) {
		if (!line.n)
			return in.p - start;
		err = keep_field(line, &in, opt, a, h);
	}
	return err;
}
