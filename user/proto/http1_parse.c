/* SPDX-License-Identifier: Apache-2.0 */
/* Where HTTP/1 messages begin and end (RFC 9112): heads, lengths, chunks, bodies until close, and when
 * the connection stops being HTTP. Bodies are passed over by position, never read. */
#include "proto/http1.h"

#define HEAD_MAX (256 * 1024)
#define CHUNK_LINE_MAX (16 * 1024)
#define LENGTH_MAX (1ull << 60)	/* of a body: sums of positions must not overflow */

enum phase {
	PHASE_HEAD,		/* between messages */
	PHASE_CHUNK_SIZE, PHASE_CHUNK_END /* the CRLF after its data */, PHASE_TRAILERS,
	PHASE_UNTIL_CLOSE,
	PHASE_HANDED_OFF,
};

/* What of a request decides how its response ends. */
enum request_kind { REQUEST_UNKNOWN, REQUEST_OTHER, REQUEST_HEAD, REQUEST_CONNECT };

static int push_request(struct http1_state *s, struct str method)
{
	if (s->requests - s->responses == HTTP1_PENDING_MAX)
		return -EPROTO;
	s->pending[s->requests++ % HTTP1_PENDING_MAX] = str_eq(method, STR("HEAD"))	? REQUEST_HEAD :
							 str_eq(method, STR("CONNECT")) ? REQUEST_CONNECT :
											  REQUEST_OTHER;
	return 0;
}

static enum request_kind pop_request(struct http1_state *s)
{
	if (s->requests == s->responses)
		return REQUEST_UNKNOWN;
	return s->pending[s->responses++ % HTTP1_PENDING_MAX];
}

/* The framing of a body by its fields, the same for both directions (RFC 9112 6.3, items 3 to 6). *length is
 * 0 where none is named: what that means differs. */
static int body_framing(const struct http1_head *h, struct http1_half *half, uint64_t *length)
{
	*length = 0;
	if (h->chunked) {
		half->phase = PHASE_CHUNK_SIZE;
		half->body_bytes = 0;
	} else if (h->length_seen) {
		if (h->length_bad || h->length > LENGTH_MAX)
			return -EPROTO;
		*length = h->length;
	}
	return 0;
}

static bool has_transfer_encoding(const struct http1_head *h)
{
	return h->fields[FIELD_TRANSFER_ENCODING].n > 0;
}

static int request_body(struct http1_state *s, const struct http1_head *h, uint64_t *length)
{
	/* A request whose last coding is another one has no end that could be found: servers refuse it. */
	if (has_transfer_encoding(h) && !h->chunked)
		return -EPROTO;
	return body_framing(h, &s->half[DIR_REQUEST], length);
}

static void hand_off(struct http1_state *s, struct msg *out)
{
	s->half[DIR_REQUEST].phase = PHASE_HANDED_OFF;
	s->half[DIR_RESPONSE].phase = PHASE_HANDED_OFF;
	out->handoff = true;
}

static int response_body(struct http1_state *s, const struct http1_head *h, struct msg *out, uint64_t *length)
{
	struct http1_half *half = &s->half[DIR_RESPONSE];
	enum request_kind request = pop_request(s);

	*length = 0;
	if (h->status == 101 || (request == REQUEST_CONNECT && h->status / 100 == 2)) {
		hand_off(s, out);
		return 0;
	}
	if (request == REQUEST_HEAD || h->status == 204 || h->status == 304)
		return 0;
	if (!h->chunked && (has_transfer_encoding(h) || !h->length_seen)) {
		half->phase = PHASE_UNTIL_CLOSE;
		out->until_close = true;
		return 0;
	}
	return body_framing(h, half, length);
}

/* 100, 102, 103: not the answer yet. 101 is one, and the last. */
static bool is_interim(const struct http1_head *h)
{
	return h->status >= 100 && h->status < 200 && h->status != 101;
}

static ssize_t give(struct msg *out, enum dir dir, const struct http1_head *h, struct http1_message **m)
{
	*m = http1_message_new(h, out->arena);
	if (!*m)
		return -ENOMEM;
	out->kind = dir == DIR_REQUEST ? MSG_REQUEST : MSG_RESPONSE;
	out->begin = true;
	out->data = *m;
	return 0;
}

/* A head of `bytes` is h: what it begins. */
static ssize_t take_head(struct http1_state *s, enum dir dir, const struct http1_head *h, size_t bytes, struct msg *out)
{
	struct http1_message *m;
	uint64_t length;
	ssize_t err;

	if (is_interim(h))
		return (ssize_t)bytes;
	err = dir == DIR_REQUEST ? request_body(s, h, &length) : response_body(s, h, out, &length);
	if (!err && dir == DIR_REQUEST)
		err = push_request(s, h->method);
	if (!err)
		err = give(out, dir, h, &m);
	if (err)
		return err;
	m->head_bytes = (uint32_t)bytes;
	m->until_close = out->until_close;
	out->end = s->half[dir].phase == PHASE_HEAD || out->handoff;
	if (out->end)
		m->body_bytes = (int64_t)length;
	return (ssize_t)(bytes + length);
}

/* The message ends with what was captured of it; how long its body is is not known. */
static ssize_t parse_cut_head(struct http1_state *s, const struct proto_options *opt, enum dir dir, struct str in,
			      struct msg *out)
{
	struct http1_message *m;
	struct http1_head h;
	ssize_t err = http1_head_parse(in, dir, true, opt, out->arena, &h);

	if (err || is_interim(&h))
		return err ? err : (ssize_t)in.n;
	if (dir == DIR_REQUEST)
		err = push_request(s, h.method);
	else if (h.status == 101 || (pop_request(s) == REQUEST_CONNECT && h.status / 100 == 2))
		hand_off(s, out);
	if (!err)
		err = give(out, dir, &h, &m);
	if (err)
		return err;
	out->end = true;
	out->partial = true;
	return (ssize_t)in.n;
}

/* RFC 9112 2.2: an empty line or more may come before a request; some peers send one after a body. */
static size_t empty_lines(struct str in)
{
	size_t n = 0;

	for (;;) {
		if (n < in.n && in.p[n] == '\n')
			n++;
		else if (n + 1 < in.n && in.p[n] == '\r' && in.p[n + 1] == '\n')
			n += 2;
		else
			return n;
	}
}

/* Garbage need not wait for a line's end to be seen as garbage. */
static bool may_be_head(struct str in, enum dir dir)
{
	struct str version = STR("HTTP/1.");
	size_t n = MIN(in.n, version.n);

	if (dir == DIR_RESPONSE)
		return n == 0 || memcmp(in.p, version.p, n) == 0;
	return n == 0 || (in.p[0] > ' ' && in.p[0] < 0x7f) || in.p[0] == '\r';
}

static ssize_t parse_head(struct http1_state *s, const struct proto_options *opt, enum dir dir, struct str in,
			  struct msg *out)
{
	struct http1_half *half = &s->half[dir];
	size_t n = empty_lines(in);
	struct http1_head h;
	ssize_t size = 0;

	if (n)
		return (ssize_t)n;
	if (!may_be_head(in, dir))
		return -EPROTO;
	/* Nearly every head comes in one piece: then one look at its bytes is enough. */
	if (!half->scanned)
		size = http1_head_parse(in, dir, false, opt, out->arena, &h);
	if (size <= 0) {
		n = http1_head_size(in, &half->scanned);
		if (n == 0 && !out->cut)
			return in.n > HEAD_MAX ? -EPROTO : 0;
		half->scanned = 0;
		if (n == 0)
			return parse_cut_head(s, opt, dir, in, out);
		size = http1_head_parse((struct str){ in.p, n }, dir, false, opt, out->arena, &h);
	}
	return size < 0 ? size : take_head(s, dir, &h, (size_t)size, out);
}

/* chunk-size [ chunk-ext ] (RFC 9112 7.1) */
static bool chunk_size(struct str line, uint64_t *size)
{
	size_t i;
	uint64_t sum = 0;

	for (i = 0; i < line.n; i++) {
		char c = (char)(line.p[i] | 0x20);
		int digit = c >= 'a' && c <= 'f' ? c - 'a' + 10 : line.p[i] >= '0' && line.p[i] <= '9' ? line.p[i] - '0' : -1;

		if (digit < 0)
			break;
		if (sum > LENGTH_MAX >> 4)
			return false;
		sum = sum << 4 | (unsigned)digit;
	}
	*size = sum;
	return i > 0 && (i == line.n || line.p[i] == ';' || line.p[i] == ' ' || line.p[i] == '\t');
}

static void end_body(struct http1_half *half, struct msg *out)
{
	struct http1_message *m = out->data;

	if (m)
		m->body_bytes = (int64_t)half->body_bytes;
	half->phase = PHASE_HEAD;
	out->end = true;
}

/* One line of the framing. Returns the bytes to pass over after it (a chunk's data) or -EPROTO. */
static ssize_t chunk_line(struct http1_half *half, struct str line, struct msg *out)
{
	uint64_t size;

	switch (half->phase) {
	case PHASE_CHUNK_END:
		half->phase = PHASE_CHUNK_SIZE;
		return line.n ? -EPROTO : 0;
	case PHASE_TRAILERS:
		if (line.n == 0)
			end_body(half, out);
		return 0;
	default:
		if (!chunk_size(line, &size) || size > LENGTH_MAX - half->body_bytes)
			return -EPROTO;
		half->body_bytes += size;
		half->phase = size ? PHASE_CHUNK_END : PHASE_TRAILERS;
		return (ssize_t)size;
	}
}

/* As many chunks as there are; data that is not here yet is passed over. */
static ssize_t parse_chunks(struct http1_half *half, enum dir dir, struct str in, struct msg *out)
{
	const char *start = in.p;
	struct str line;

	out->kind = dir == DIR_REQUEST ? MSG_REQUEST : MSG_RESPONSE;
	while (!out->end && http1_take_line(&in, &line)) {
		ssize_t skip = chunk_line(half, line, out);

		if (skip < 0)
			return skip;
		if ((size_t)skip > in.n)
			return in.p - start + skip;
		str_skip(&in, (size_t)skip);
	}
	if (in.p == start && out->cut) {
		/* The rest of the framing was not captured: the body's size stays unknown. */
		half->phase = PHASE_HEAD;
		out->end = true;
		out->partial = true;
		return (ssize_t)in.n;
	}
	return in.p == start && in.n > CHUNK_LINE_MAX ? -EPROTO : in.p - start;
}

ssize_t http1_parse(void *state, const struct proto_options *opt, enum dir dir, struct str in, struct msg *out)
{
	struct http1_state *s = state;
	struct http1_half *half = &s->half[dir];

	switch (half->phase) {
	case PHASE_HEAD:
		return parse_head(s, opt, dir, in, out);
	case PHASE_UNTIL_CLOSE:
		out->kind = MSG_RESPONSE;
		out->until_close = true;
		return (ssize_t)in.n;
	case PHASE_HANDED_OFF:
		out->handoff = true;
		return (ssize_t)in.n;
	default:
		return parse_chunks(half, dir, in, out);
	}
}

void http1_resync(void *state, enum dir dir)
{
	struct http1_state *s = state;

	if (s->half[dir].phase == PHASE_HANDED_OFF)
		return;
	s->half[dir] = (struct http1_half){ 0 };
	/* Lost requests are younger than the pending ones, which stay. Lost responses answered the older of
	 * them; where nothing is pipelined only the newest can still be under way. */
	if (dir == DIR_RESPONSE && s->requests != s->responses)
		s->responses = s->requests - 1;
}
