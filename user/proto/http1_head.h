/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1 message: start line and fields (RFC 9112 2-5), without a word about bodies and
 * connections. Views into the input, but for folded and joined fields, which are in the arena. */
#ifndef SONDE_PROTO_HTTP1_HEAD_H
#define SONDE_PROTO_HTTP1_HEAD_H

#include "proto/proto.h"

/* The fields that someone asks for. */
#define HTTP1_FIELDS(X) \
	X(B3, "b3") \
	X(HOST, "host") \
	X(FORWARDED, "forwarded") \
	X(USER_AGENT, "user-agent") \
	X(TRACESTATE, "tracestate") \
	X(B3_FLAGS, "x-b3-flags") \
	X(TRACEPARENT, "traceparent") \
	X(B3_SPAN, "x-b3-spanid") \
	X(B3_TRACE, "x-b3-traceid") \
	X(B3_SAMPLED, "x-b3-sampled") \
	X(CONTENT_LENGTH, "content-length") \
	X(X_FORWARDED_FOR, "x-forwarded-for") \
	X(X_FORWARDED_HOST, "x-forwarded-host") \
	X(X_FORWARDED_PROTO, "x-forwarded-proto") \
	X(TRANSFER_ENCODING, "transfer-encoding")

enum http1_field {
#define X(name, text) FIELD_##name,
	HTTP1_FIELDS(X)
#undef X
	FIELD_COUNT
};

/* A field that is exported because the configuration names it; several of one name are joined by ", ". */
struct http1_header {
	struct http1_header *next;
	const char *name;		/* the option's */
	struct str value;		/* in the arena */
};

struct http1_head {
	struct str method, target;	/* of a request; empty: not seen */
	bool target_cut;		/* the target goes on where the input ended */
	uint16_t status;		/* of a response; 0: not seen */
	uint8_t minor;			/* HTTP/1.minor */
	bool version_seen;
	struct str fields[FIELD_COUNT];	/* the first of each name; tracestate: all, joined */
	bool chunked;			/* the final transfer coding */
	bool length_seen, length_bad;	/* Content-Length: there; not a number, or several that differ */
	uint64_t length;
	struct http1_header *headers;	/* the configured ones */
};

/* Cuts off the next line without its CRLF or LF (RFC 9112 2.2: a bare LF may end a line); false when
 * there is no whole one. */
bool http1_take_line(struct str *in, struct str *line);

/* Bytes of the head at the start of `in` with its empty line; 0 when that has not come. *scanned is where to
 * go on looking when more bytes are there; start with 0. */
size_t http1_head_size(struct str in, size_t *scanned);

/* "HTTP/1.x"; *minor is the x. */
bool http1_version(struct str s, uint8_t *minor);

/* Reads a head. Returns its bytes with the empty line, 0 when that is not there (fields were read as far as
 * they go; `cut`: so was the start line), -EPROTO for no HTTP/1, -ENOMEM. */
ssize_t http1_head_parse(struct str in, enum dir dir, bool cut, const struct proto_options *opt, struct arena *a,
		     struct http1_head *h);

#endif
