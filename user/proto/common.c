/* SPDX-License-Identifier: Apache-2.0 */
/* common.h: attributes that come from the socket, not from the protocol. */
#include "proto/common.h"

#include <arpa/inet.h>
#include <sys/socket.h>

int proto_describe_kind(const struct exchange *x, struct span *sp)
{
	switch (x->facts->role) {
	case ROLE_PASSIVE:
		sp->kind = SPAN_SERVER;
		return 0;
	case ROLE_ACTIVE:
		sp->kind = SPAN_CLIENT;
		return 0;
	default:
		return -ENOENT;
	}
}

/* inet_ntop() prints by snprintf(): this is on the path of every span. */
static struct str ipv4_text(struct arena *a, const uint8_t addr[4])
{
	char text[16], *p = text;

	for (int i = 0; i < 4; i++) {
		if (addr[i] >= 100)
			*p++ = (char)('0' + addr[i] / 100);
		if (addr[i] >= 10)
			*p++ = (char)('0' + addr[i] / 10 % 10);
		*p++ = (char)('0' + addr[i] % 10);
		*p++ = '.';
	}
	return arena_dup(a, (struct str){ text, (size_t)(p - text - 1) });
}

struct str proto_address(struct arena *a, uint8_t family, const uint8_t addr[16], const char *path)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };	/* RFC 4291 2.5.5.2 */
	char text[INET6_ADDRSTRLEN];

	switch (family) {
	case AF_INET:
		return ipv4_text(a, addr);
	case AF_INET6:
		if (memcmp(addr, mapped, sizeof(mapped)) == 0)
			return ipv4_text(a, addr + sizeof(mapped));
		return arena_dup(a, str_of(inet_ntop(AF_INET6, addr, text, sizeof(text))));
	case AF_UNIX:
		return arena_dup(a, str_of(path));
	default:
		return (struct str){ 0 };
	}
}

void proto_describe_server(const struct exchange *x, struct span *sp, struct str host, uint16_t port)
{
	const struct conn_facts *f = x->facts;
	bool client = sp->kind == SPAN_CLIENT;

	if (host.n == 0)
		host = proto_address(&sp->arena, f->family, client ? f->peer_addr : f->local_addr, f->path);
	if (port == 0 && f->family != AF_UNIX)
		port = client ? f->peer_port : f->local_port;
	span_str(sp, ATTR_SERVER_ADDRESS, host, client);
	if (port)
		span_int(sp, ATTR_SERVER_PORT, port, client);
}

void proto_describe_network(const struct exchange *x, struct span *sp, struct str client)
{
	const struct conn_facts *f = x->facts;
	bool server = sp->kind == SPAN_SERVER;
	/* A unix socket's path is the listener's: the client has no address. */
	struct str peer = proto_address(&sp->arena, f->family, f->peer_addr, server ? "" : f->path);

	span_str(sp, ATTR_NETWORK_PEER_ADDRESS, peer, false);
	if (f->family != AF_UNIX && f->peer_port)
		span_int(sp, ATTR_NETWORK_PEER_PORT, f->peer_port, false);
	if (server)
		span_str(sp, ATTR_CLIENT_ADDRESS, client.n ? client : peer, false);
	if (f->transport == TRANSPORT_UNIX)
		span_str(sp, ATTR_NETWORK_TRANSPORT, STR("unix"), false);
}

void proto_describe_end(const struct exchange *x, struct span *sp)
{
	static const char *const types[] = {
		[END_RESET] = "reset", [END_TIMEOUT] = "timeout", [END_CLOSED] = "closed", [END_LOST] = NULL,
	};
	const char *type = types[x->end];

	if (!type || span_attr(sp, ATTR_ERROR_TYPE))
		return;
	sp->status = STATUS_ERROR;
	span_str(sp, ATTR_ERROR_TYPE, str_of(type), true);
}
