/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.0 and 1.1: the connection's state, what is kept of a message for describe(), and the route that
 * is found later. http1.c makes the `const struct proto` of it. */
#ifndef SONDE_PROTO_HTTP1_H
#define SONDE_PROTO_HTTP1_H

#include "proto/http1_head.h"
#include "proto/url.h"

/* msg.data of both directions, in the message's arena, redacted already. */
struct http1_message {
	struct str method;		/* request */
	uint16_t status;		/* response; 0: not seen */
	uint8_t minor;			/* HTTP/1.minor */
	bool version_seen;
	bool target_absolute;		/* the target names scheme and host itself (a request to a proxy) */
	bool until_close;		/* the body is all that follows the head */
	uint32_t head_bytes;
	int64_t body_bytes;		/* without chunk framing; -1 unknown (yet) */
	struct url url;			/* what was asked for, host from the target or else from Host */
	struct url forwarded;		/* scheme (http, https), host, port the first proxy was asked for, if known */
	struct str client;		/* who is behind the proxies, if a field says */
	struct str user_agent;
	struct trace_context wire;
	struct http1_header *headers;	/* the configured ones */
};

/* Copies out of the head what describe() needs. NULL when out of memory. */
struct http1_message *http1_message_new(const struct http1_head *h, struct arena *a);

#define HTTP1_PENDING_MAX 128	/* requests under way on one connection that are followed */

struct http1_half {		/* one direction */
	uint8_t phase;		/* enum phase of http1_parse.c */
	uint64_t body_bytes;	/* of the chunks so far */
	size_t scanned;		/* bytes of an unfinished head that do not hold its end */
};
struct http1_state {
	struct http1_half half[DIR_COUNT];
	/* How a response ends depends on its request: the kinds of the unanswered ones, a ring. */
	uint32_t requests, responses;
	uint8_t pending[HTTP1_PENDING_MAX];
};

/* struct proto's functions. */
ssize_t http1_parse(void *state, const struct proto_options *opt, enum dir dir, struct str in, struct msg *out);
void http1_resync(void *state, enum dir dir);
int http1_describe(const struct exchange *x, const struct proto_options *opt, struct span *sp);

/* Adds http.route, which the parser cannot know, to a server span and to its name; other spans stay. */
void http1_set_route(struct span *sp, struct str route);

#endif
