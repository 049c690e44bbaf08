/* SPDX-License-Identifier: Apache-2.0 */
/* What a protocol is: one .c file that ends in a `const struct proto`, one row in list.h, one unit
 * test, one fixture folder. Parsers are pure: bytes in, messages out; no clock, no I/O, no globals.
 * They never match a response with its request (stream/pair.c does) and survive any bytes. */
#ifndef SONDE_PROTO_PROTO_H
#define SONDE_PROTO_PROTO_H

#include "proto/exchange.h"
#include "span/span.h"

enum dir { DIR_REQUEST /* client to server */, DIR_RESPONSE /* server to client */, DIR_COUNT };

/* What users may configure about parsing and describing. */
struct proto_options {
	const char *const *headers;	/* lower-case names of headers to export (capture.headers) */
	size_t n_headers;
};

enum msg_kind {
	MSG_NONE,			/* bytes that belong to no message (greeting, 1xx, keep-alive newline) */
	MSG_REQUEST,
	MSG_RESPONSE,
	MSG_ONEWAY,			/* a request that is never answered (acks=0, push, cancel) */
};

/* One step of a parser. A message may take many steps: the one with `begin` opens it, the one with
 * `end` closes it (one step can do both). The steps between have neither. */
struct msg {
	/* in */
	struct arena *arena;		/* where `data` and its strings go */
	bool cut;			/* the rest of this turn was not captured: no more bytes will come before
					 * the next turn. Take what can be taken from the bytes there are */
	/* out */
	enum msg_kind kind;
	bool begin, end;
	bool partial;			/* fields are missing because of `cut` */
	bool until_close;		/* it ends where the connection ends */
	bool handoff;			/* after it the connection speaks something else (Upgrade, CONNECT, TLS) */
	uint64_t id;			/* protocol's own id, 0: answers come in order */
	void *data;			/* the parser's struct for describe(); kept with the message; may be given
					 * at begin, at end or in between (the last one counts). In: what an earlier
					 * step of the same message gave, NULL at its begin, so that a parser can
					 * add to it what it learns later */
};

struct proto {
	const char *name;		/* also the fixture folder and network.protocol.name */
	uint16_t ports[4];		/* tie-break hints, never proof; 0 ends the list */
	size_t state_size;		/* per connection, zeroed; both directions share it */
	bool server_speaks_first;
	bool overlaps;			/* multiplexed or push by nature: its turns are not exchanges */

	/* How sure are we that `head` (the first bytes of a turn in that direction) is ours: 0..100;
	 * -EAGAIN when more bytes would tell. */
	int (*sniff)(struct str head, enum dir dir);

	/* Consumes the next step from `in` (contiguous, starts where the last step ended). Returns bytes
	 * consumed, which may exceed in.n ("skip this body": the message's `end` is then reached when the
	 * position is), 0 for "need more" (never when out->cut), -EPROTO for lost sync. *out is zeroed but
	 * for its inputs. */
	ssize_t (*parse)(void *state, const struct proto_options *opt, enum dir dir, struct str in, struct msg *out);

	/* After a gap: forget what was in the middle in that direction; the next parse() starts at the
	 * beginning of a turn. `lost` messages may have passed unseen. NULL: zero the whole state. */
	void (*resync)(void *state, enum dir dir);

	/* Fills name, kind, status, attributes, instrument, sizes and wire context of *sp from x->request.data
	 * and x->response.data (either may be NULL). What all protocols say alike is in common.h; the
	 * caller adds route and waits. Returns 0, -ENOMEM, or -ENOENT when the exchange
	 * deserves no span (a keep-alive ping). */
	int (*describe)(const struct exchange *x, const struct proto_options *opt, struct span *sp);

	/* Frees what the state holds besides itself; NULL: nothing. */
	void (*done)(void *state);
};

#endif
