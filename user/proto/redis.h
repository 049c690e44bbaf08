/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a Redis connection and what its two halves (redis_request.c, redis_reply.c) leave for
 * describe(). */
#ifndef SONDE_PROTO_REDIS_H
#define SONDE_PROTO_REDIS_H

#include "proto/proto.h"
#include "proto/redis_command.h"

#define REDIS_NEST_MAX 8	/* streamed aggregates within each other */
#define REDIS_ERROR_MAX 32

struct redis_request {
	struct str operation, text;
	int db;			/* number + 1, 0 unknown */
};

struct redis_reply {
	bool failed;
	size_t error_n;
	char error[REDIS_ERROR_MAX];	/* the error's prefix; empty when it has none */
};

struct redis {
	/* client to server */
	struct redis_command command;
	bool in_command;
	bool quiet, quiet_next;		/* CLIENT REPLY OFF, SKIP */
	/* server to client */
	struct redis_reply reply;
	bool in_reply, is_push;
	unsigned depth;			/* of streamed aggregates, whose length comes last */
	uint64_t left[REDIS_NEST_MAX];	/* elements still to come at each depth */
	/* both */
	bool resp3, subscribed, monitor;
	uint32_t confirms;		/* SUBSCRIBE and its kind whose first confirmation is still to come */
	int db, db_before;		/* number + 1, 0 unknown */
	uint64_t requests, replies;	/* counted to know the answer of a SELECT */
	uint64_t select_at;		/* 0: none is unanswered */
};

/* One step in that direction; see struct proto's parse(). `in` is not empty. */
ssize_t redis_parse_request(struct redis *s, struct str in, struct msg *out);
ssize_t redis_parse_reply(struct redis *s, struct str in, struct msg *out);

/* How sure are we (struct proto's sniff()). `in` is not empty. */
int redis_sniff_request(struct str in);
int redis_sniff_reply(struct str in);

#endif
