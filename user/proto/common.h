/* SPDX-License-Identifier: Apache-2.0 */
/* What every protocol's describe() says alike: the two ends of the connection and how the exchange
 * ended. The span's kind must be set before. */
#ifndef SONDE_PROTO_COMMON_H
#define SONDE_PROTO_COMMON_H

#include "proto/exchange.h"
#include "span/span.h"

/* Sets the span's kind by the watched end's role. -ENOENT when the role is unknown: whose duration it is
 * would be a guess. */
int proto_describe_kind(const struct exchange *x, struct span *sp);

/* server.address and server.port: `host` and `port` as the client named them, where they are empty or 0
 * the socket's. Dimensions of a client span only (opt-in for servers). */
void proto_describe_server(const struct exchange *x, struct span *sp, struct str host, uint16_t port);

/* network.peer.address and .port; on a server span client.address (the peer's) unless `client` names
 * one (a proxy said who is behind it). network.transport only where it is not TCP. */
void proto_describe_network(const struct exchange *x, struct span *sp, struct str client);

/* error.type and the error status of an exchange whose response did not come to its end; nothing when
 * it is complete, when records were lost or when an error.type is there already. */
void proto_describe_end(const struct exchange *x, struct span *sp);

/* An address as text in the arena: dotted, RFC 5952, or the path of a unix socket. IPv4 within IPv6 is
 * written as IPv4. Empty for an unnamed unix socket. */
struct str proto_address(struct arena *a, uint8_t family, const uint8_t addr[16], const char *path);

#endif
