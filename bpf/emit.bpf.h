/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Records into `ring`: reserve by size class, fill in the head, submit without waking anybody as long as
 * the ring is not half full. Every failed reserve is counted per service. */
#ifndef SONDE_EMIT_BPF_H
#define SONDE_EMIT_BPF_H

#include "maps.bpf.h"
#include "payload.bpf.h"
#include "tcp.bpf.h"

#define RING_LOOKS	8	/* a power of two */

/* A reserve needs a constant size; the verifier follows each class by itself, so *room is a constant to it. The
 * barrier keeps the compiler from joining the classes again. */
static __always_inline struct rec_data *rec_data_reserve(__u32 n, __u32 *room)
{
#define SONDE_CLASS(size)                                                                          \
	do {                                                                                       \
		*room = (size);                                                                    \
		barrier_var(*room);                                                                \
		return bpf_ringbuf_reserve(&ring, sizeof(struct rec_data) + (size), 0);            \
	} while (0)
	if (n == 0)
		SONDE_CLASS(0);
	if (n <= 256)
		SONDE_CLASS(256);
	if (n <= 1024)
		SONDE_CLASS(1024);
	if (n <= 4096)
		SONDE_CLASS(4096);
	SONDE_CLASS(CAPTURE_MAX);
#undef SONDE_CLASS
}

/* The worker polls; it is woken early only when the ring fills. Looking costs as much as the reserve, and one
 * look in RING_LOOKS records is enough: the clock's low bits draw lots. */
static __always_inline void rec_submit(void *rec)
{
	const struct rec_head *h = rec;
	__u64 flags = BPF_RB_NO_WAKEUP;

	if ((h->ts_ns & (RING_LOOKS - 1)) == 0 && bpf_ringbuf_query(&ring, RB_AVAIL_DATA) > ring_wake_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(rec, flags);
}

static __always_inline void rec_dropped(struct service_counters *n)
{
	if (n)
		__sync_fetch_and_add(&n->dropped_records, 1);
}

static __always_inline void rec_counted(struct service_counters *n, __u32 captured)
{
	if (!n)
		return;
	__sync_fetch_and_add(&n->records, 1);
	if (captured)
		__sync_fetch_and_add(&n->captured_bytes, captured);
}

static __always_inline void rec_head_fill(struct rec_head *h, enum rec_kind kind, enum transport transport,
					  __u32 service, __u64 cookie, __u64 now)
{
	*h = (struct rec_head){ .kind = kind, .transport = transport, .service = service, .ts_ns = now, .conn = cookie };
}

/* Addresses, ports and namespace of an inet socket; works with untrusted pointers too. */
static __always_inline void rec_conn_addresses(struct rec_conn *r, const struct sock *sk)
{
	r->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	r->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	r->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (r->family == FAMILY_INET) {
		BPF_CORE_READ_INTO((__u32 *)r->local_addr, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)r->peer_addr, sk, __sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)r->local_addr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)r->peer_addr, sk, __sk_common.skc_v6_daddr);
	}
}

/* A rec_conn about a TCP socket, reserved and filled in; the caller adds what is special and submits. */
static __always_inline struct rec_conn *rec_conn_new(enum rec_kind kind, const struct sock *sk, const struct conn *c,
						     __u64 sent, __u64 read, __u64 now)
{
	struct rec_conn *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r)
		return NULL;
	__builtin_memset(r, 0, sizeof(*r));
	rec_head_fill(&r->h, kind, TRANSPORT_TCP, c->service, c->cookie, now);
	r->h.tgid = c->tgid;
	r->h.tid = c->tid;
	rec_conn_addresses(r, sk);
	r->role = c->role;
	r->old = !!(c->flags & CONN_OLD);
	r->own_isn = c->iss;
	r->peer_isn = c->irs;
	r->sent_pos = sent;
	r->recv_pos = read;
	r->established_ns = c->established_ns;
	r->accept_wait_ns = ABSENT_NS;
	if (c->established_ns && c->accepted_ns > c->established_ns)
		r->accept_wait_ns = c->accepted_ns - c->established_ns;
	return r;
}

SONDE_FUNCTION conn_announce_now(struct conn *c, __u64 sent, __u64 read, __u64 now)
{
	struct service_counters *n;
	struct rec_conn *r;

	if (!c)
		return 0;
	n = counters_of(c->service);
	r = rec_conn_new(REC_OPEN, (const struct sock *)c->address, c, sent, read, now);
	if (!r) {
		rec_dropped(n);
		return 0;
	}
	if (n && !c->announced)
		__sync_fetch_and_add(&n->opened, 1);
	c->announced = c->generation;
	rec_counted(n, 0);
	rec_submit(r);
	return 0;
}

/* REC_OPEN, unless it was sent under this generation already. Tried again at the next firing when the ring
 * is full. */
static __always_inline void conn_announce(struct sock *sk, struct conn *c, __u64 sent, __u64 read, __u64 now)
{
	if (c->announced == c->generation)
		return;
	c->address = (__u64)sk;
	conn_announce_now(c, sent, read, now);
}

#endif
