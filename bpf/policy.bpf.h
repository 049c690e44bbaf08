/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Is this socket watched? In: a socket and the process that runs. Out: its state, or NULL at the cheapest
 * branch. A socket is decided once per policy generation; a process that is not watched leaves nothing
 * behind on sockets that have no state yet. */
#ifndef SONDE_POLICY_BPF_H
#define SONDE_POLICY_BPF_H

#include "maps.bpf.h"

static __always_inline bool sock_is_tcp(const struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	return sk->sk_protocol == IPPROTO_TCP_ONLY && sk->sk_type == 1 /* SOCK_STREAM, not raw */ &&
	       (family == FAMILY_INET || family == FAMILY_INET6);
}

/* The state of a socket, decided or not. `sk` must be a pointer that the verifier trusts. */
static __always_inline struct conn *conn_find(struct sock *sk)
{
	__u64 address = (__u64)sk;

	if (conns_in_hash)
		return bpf_map_lookup_elem(&conns_by_address, &address);
	if (!sk->sk_bpf_storage)	/* nobody has anything to say about it: most sockets of a host */
		return NULL;
	return bpf_sk_storage_get(&conns, sk, 0, 0);
}

/* Zeroed state in the hash, for tiers that have only the address. */
static __always_inline struct conn *conn_create_by_address(__u64 address)
{
	__u32 first = 0;
	void *zero = bpf_map_lookup_elem(&zeroes, &first);

	_Static_assert(sizeof(struct conn) <= sizeof(struct turn_value), "zeroes must cover a struct conn");
	if (zero)
		bpf_map_update_elem(&conns_by_address, &address, zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&conns_by_address, &address);
}

static __always_inline struct conn *conn_create(struct sock *sk)
{
	if (conns_in_hash)
		return conn_create_by_address((__u64)sk);
	return bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* A connection begins: everything but the decision is forgotten. Also for the copy of a listener's state
 * that an accepted socket is born with, and for a socket that connects again after AF_UNSPEC. */
static __always_inline void conn_reset(struct conn *c)
{
	__u32 generation = c->generation, service = c->service;
	__u8 runtime = c->runtime;

	__builtin_memset(c, 0, sizeof(*c));
	c->generation = generation;
	c->service = service;
	c->runtime = runtime;
}

static __always_inline void conn_decide(struct conn *c, const struct process_policy *p)
{
	c->generation = policy.generation;
	c->service = p && p->service < SERVICES_MAX ? p->service : 0;
	c->runtime = p ? p->runtime : RUNTIME_NATIVE;
}

static __always_inline void conn_not_stored(__u32 service)
{
	struct service_counters *n = counters_of(service);

	if (n)
		__sync_fetch_and_add(&n->storage_failed, 1);
}

static __always_inline bool conn_is_current(const struct conn *c)
{
	return c && c->generation == policy.generation;
}

static __always_inline const struct process_policy *process_current(void)
{
	__u32 tgid = bpf_get_current_task_btf()->tgid;

	if (!process_hints[tgid & (PROCESS_HINTS - 1)])
		return NULL;
	return bpf_map_lookup_elem(&processes, &tgid);
}

/* The slow path of conn_watched(), c is NULL or stale. In process context only: it asks who runs. Only TCP
 * sockets are ever given state. */
static __always_inline struct conn *conn_decide_anew(struct sock *sk, struct conn *c)
{
	const struct process_policy *p = process_current();

	if (!c) {
		if (!p || !sock_is_tcp(sk))
			return NULL;
		c = conn_create(sk);
		if (!c) {
			conn_not_stored(p->service);
			return NULL;
		}
	}
	conn_decide(c, p);
	return c;
}

/* The socket's state if it is watched, a listener's too, else NULL. In process context only. The caller has
 * tested policy.active. */
static __always_inline struct conn *conn_current(struct sock *sk)
{
	struct conn *c = conn_find(sk);

	if (!conn_is_current(c))
		c = conn_decide_anew(sk, c);
	return c && c->service ? c : NULL;
}

/* The same where bytes flow: then a listener's state can only be the copy that an accepted socket got. */
static __always_inline struct conn *conn_watched(struct sock *sk)
{
	struct conn *c = conn_current(sk);

	if (c && (c->flags & CONN_LISTENER))
		conn_reset(c);
	return c;
}

#endif
