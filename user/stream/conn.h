/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: its facts in a form that 10,000 idle ones can afford, and its conversations. */
#ifndef SONDE_STREAM_CONN_H
#define SONDE_STREAM_CONN_H

#include "stream/dialog.h"

struct conn {
	uint64_t cookie, peer_conn;
	uint64_t established_ns, accept_wait_ns;
	uint32_t service, peer_service, netns;
	uint32_t own_isn, peer_isn;
	uint16_t local_port, peer_port;
	uint8_t family, role, transport;
	bool old;
	bool closing;			/* in stream_table.closing: its last records may still come */
	union {
		struct { uint8_t local_addr[16], peer_addr[16]; };
		char *path;		/* AF_UNIX; NULL: none */
	};
	struct dialog plain;		/* layer 0 */
	struct dialog *tls;		/* layer 1, NULL: no record of it yet */
};

/* Makes one from REC_OPEN. -ENOMEM. */
int conn_new(struct conn **out, const struct rec_conn *r);
/* A later REC_OPEN of the same connection: what is known now replaces what was. */
void conn_update(struct conn *c, const struct rec_conn *r);
void conn_free(struct conn *c);
size_t conn_bytes(const struct conn *c);

/* The facts as exchanges show them. */
void conn_facts(const struct conn *c, struct conn_facts *out);

/* Equal at both ends of a TCP connection, whichever is announced; 0: none (unix, or its ISNs are not known). */
uint64_t conn_ends_key(const struct conn *c);
/* Are these the two ends of one TCP connection? */
bool conn_is_other_end(const struct conn *a, const struct conn *b);

/* Request or response: what flows in that lane. */
static inline enum dir conn_dir(const struct conn *c, unsigned lane)
{
	return (c->role == ROLE_PASSIVE) == (lane == LANE_RECV) ? DIR_REQUEST : DIR_RESPONSE;
}
/* Port of the end that accepted; 0 where there is none. */
uint16_t conn_server_port(const struct conn *c);

/* Equal at both ends of a connection for the same message: {client's isn, server's isn, direction, position},
 * unix: cookies in place of ISNs. */
uint64_t conn_key(const struct conn *c, enum dir dir, uint64_t pos);

#endif
