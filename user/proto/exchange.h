/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange: one request and its response on one connection, as stream/ paired them; what proto/
 * describes. Also the facts of the connection that carried it. */
#ifndef SONDE_PROTO_EXCHANGE_H
#define SONDE_PROTO_EXCHANGE_H

#include "base/arena.h"
#include "bpf/event.h"

/* Facts of a connection, as the kernel reported them. */
struct conn_facts {
	uint64_t conn;			/* cookie */
	uint32_t service, peer_service;	/* numbers; 0: not watched */
	uint32_t netns;
	uint8_t family;			/* AF_INET, AF_INET6, AF_UNIX */
	uint8_t role;			/* enum role, of the watched end */
	uint8_t transport;		/* enum transport */
	bool old;			/* it existed before the agent */
	bool peer_watched;
	uint16_t local_port, peer_port;
	uint8_t local_addr[16], peer_addr[16];	/* IPv4 in the first 4 bytes, network order */
	char path[112];			/* unix: the listener's address */
	uint32_t own_isn, peer_isn;
	uint64_t established_ns;	/* 0 unknown */
	uint64_t accept_wait_ns;	/* ABSENT_NS unknown */
};

/* One message of an exchange. Times CLOCK_MONOTONIC, 0 unknown. */
struct side {
	uint64_t pos, end;		/* stream positions [pos, end) */
	uint64_t first_ns, last_ns;	/* when its first and its last byte went through the socket call */
	uint64_t queue_ns;		/* wait in the socket before it was read; ABSENT_NS unknown */
	uint64_t task;
	uint32_t tgid, tid;		/* who moved the first byte */
	bool seen;			/* the message began */
	bool complete;			/* its last byte was seen */
	bool cut;			/* its head was not captured as a whole */
	bool repaired;			/* a time of it was found by position only */
	void *data;			/* the parser's own struct, in arena; NULL if not seen */
	struct arena arena;
};

enum exchange_end {
	END_COMPLETE,			/* response seen to its end */
	END_RESET, END_TIMEOUT, END_CLOSED,	/* the connection ended before the response did */
	END_LOST,			/* records were lost: the answer may have come, we did not see it */
};

struct proto;
struct exchange {
	struct exchange *next;		/* pair.c's queue */
	const struct proto *proto;
	const struct conn_facts *facts;	/* valid during the callback only */
	uint64_t key;			/* {client isn, server isn, request position}; equal at both ends */
	uint64_t id;			/* the protocol's own, 0: in order */
	enum exchange_end end;
	bool first_on_conn;		/* accept_wait_ns belongs to it */
	bool oneway;			/* no response is expected */
	struct side request, response;
};

#endif
