/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's messages on the wire: a type byte, a length, a body (manual, "Message Formats"). */
#ifndef SONDE_PROTO_POSTGRESQL_FRAME_H
#define SONDE_PROTO_POSTGRESQL_FRAME_H

#include "base/str.h"
#include "proto/proto.h"

struct pg_frame {
	char type;
	size_t size;			/* with type and length: may end beyond the input */
	struct str body;		/* what there is of it */
	bool whole;
};

enum pg_class {
	PG_FRAME_BAD,
	PG_FRAME_QUERY, PG_FRAME_BATCH, PG_FRAME_SYNC, PG_FRAME_FUNCTION, PG_FRAME_COPY, PG_FRAME_QUIET,
	PG_FRAME_ANSWER,			/* belongs to a response */
	PG_FRAME_BULK,			/* so does this, and its content is not looked at */
	PG_FRAME_ASYNC,			/* may come at any time */
};

/* 1, 0 when the head is not there yet, -EPROTO. */
int pg_read_frame(struct str in, struct pg_frame *f);

/* The string ends at its NUL or where the capture does. */
struct str pg_take_text(struct str *body);

enum pg_class pg_frontend_class(char type);
enum pg_class pg_backend_class(char type);

/* The untyped messages that begin a connection. */
#define PG_STARTUP_MAX 10000	/* MAX_STARTUP_PACKET_LENGTH */
#define PG_CODE_CANCEL 80877102u
#define PG_CODE_SSL 80877103u
#define PG_CODE_GSSENC 80877104u
bool pg_is_startup(uint32_t code);	/* a protocol version that begins a session */

/* How sure are we that these are PostgreSQL's messages (struct proto's sniff()). */
int pg_sniff(struct str head, enum dir dir);

#endif
