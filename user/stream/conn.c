/* SPDX-License-Identifier: Apache-2.0 */
/* conn.h. Only unix sockets have a path, so it is allocated for them alone. */
#include "stream/conn.h"

#include <sys/socket.h>

#include "base/hash.h"

static void conn_set_address(struct conn *c, const struct rec_conn *r)
{
	char path[sizeof(r->path) + 1] = "";

	if (r->family != AF_UNIX) {
		memcpy(c->local_addr, r->local_addr, sizeof(c->local_addr));
		memcpy(c->peer_addr, r->peer_addr, sizeof(c->peer_addr));
		return;
	}
	memcpy(path, r->path, sizeof(r->path));
	if (c->path && (!path[0] || strcmp(c->path, path) == 0))
		return;
	free(c->path);
	c->path = path[0] ? strdup(path) : NULL;
}

void conn_update(struct conn *c, const struct rec_conn *r)
{
	if (c->family == AF_UNIX && r->family != AF_UNIX) {
		free(c->path);
		c->path = NULL;
	} else if (c->family != AF_UNIX && r->family == AF_UNIX) {
		c->path = NULL;
	}
	c->family = r->family;
	conn_set_address(c, r);
	c->service = r->h.service;
	if (r->family == AF_UNIX)	/* TCP: whoever meets the other end says so (table.c) */
		c->peer_service = r->peer_service;
	c->peer_conn = r->peer_conn;
	c->netns = r->netns;
	c->own_isn = r->own_isn;
	c->peer_isn = r->peer_isn;
	c->local_port = r->local_port;
	c->peer_port = r->peer_port;
	c->transport = r->h.transport;
	if (r->role == ROLE_ACTIVE || r->role == ROLE_PASSIVE)
		c->role = r->role;
	if (r->established_ns)
		c->established_ns = r->established_ns;
	if (r->accept_wait_ns != ABSENT_NS)
		c->accept_wait_ns = r->accept_wait_ns;
}

int conn_new(struct conn **out, const struct rec_conn *r)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->cookie = r->h.conn;
	c->old = r->old;
	c->accept_wait_ns = ABSENT_NS;
	c->family = r->family;
	conn_update(c, r);
	dialog_init(&c->plain, c, 0);
	c->plain.next[LANE_SEND] = r->sent_pos;
	c->plain.next[LANE_RECV] = r->recv_pos;
	for (unsigned i = 0; i < LANE_COUNT; i++)
		c->plain.lost[i] = c->plain.next[i] != 0;
	*out = c;
	return 0;
}

uint64_t conn_ends_key(const struct conn *c)
{
	uint32_t low = MIN(c->own_isn, c->peer_isn), high = MAX(c->own_isn, c->peer_isn);

	return c->family == AF_UNIX || !high ? 0 : hash_mix((uint64_t)high << 32 | low);
}

bool conn_is_other_end(const struct conn *a, const struct conn *b)
{
	return a != b && a->family == b->family && a->own_isn == b->peer_isn && a->peer_isn == b->own_isn &&
	       a->role != b->role;
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	if (c->family == AF_UNIX)
		free(c->path);
	free(c->tls);
	free(c);
}

size_t conn_bytes(const struct conn *c)
{
	return sizeof(*c) + (c->tls ? sizeof(*c->tls) : 0) +
	       (c->family == AF_UNIX && c->path ? strlen(c->path) + 1 : 0);
}

void conn_facts(const struct conn *c, struct conn_facts *out)
{
	*out = (struct conn_facts){
		.conn = c->cookie,
		.service = c->service,
		.peer_service = c->peer_service,
		.netns = c->netns,
		.family = c->family,
		.role = c->role,
		.transport = c->transport,
		.old = c->old,
		.peer_watched = c->peer_service != 0,
		.local_port = c->local_port,
		.peer_port = c->peer_port,
		.own_isn = c->own_isn,
		.peer_isn = c->peer_isn,
		.established_ns = c->established_ns,
		.accept_wait_ns = c->accept_wait_ns,
	};
	if (c->family == AF_UNIX) {
		if (c->path)
			memcpy(out->path, c->path, MIN(strlen(c->path), sizeof(out->path) - 1));
		return;
	}
	memcpy(out->local_addr, c->local_addr, sizeof(out->local_addr));
	memcpy(out->peer_addr, c->peer_addr, sizeof(out->peer_addr));
}

uint16_t conn_server_port(const struct conn *c)
{
	return c->role == ROLE_PASSIVE ? c->local_port : c->peer_port;
}

uint64_t conn_key(const struct conn *c, enum dir dir, uint64_t pos)
{
	bool is_unix = c->family == AF_UNIX;
	uint64_t own = is_unix ? c->cookie : c->own_isn, peer = is_unix ? c->peer_conn : c->peer_isn;
	bool passive = c->role == ROLE_PASSIVE;
	uint64_t words[] = { passive ? peer : own, passive ? own : peer, dir, pos };

	return hash_bytes(0, words, sizeof(words));
}
