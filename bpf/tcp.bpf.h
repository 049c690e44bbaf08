/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A byte's place in its TCP stream, the role of a socket and its initial sequence numbers, all from TCP's
 * own counters. In: a tcp_view, read by direct loads where the verifier knows the type, else by probes.
 *
 * Under lock_sock() softirq only appends to the backlog, so the counters are consistent with each other.
 * Without it they may be half updated: see tcp_settle(). */
#ifndef SONDE_TCP_BPF_H
#define SONDE_TCP_BPF_H

#include "maps.bpf.h"

/* Of include/net/inet_hashtables.h: only what is read. */
struct inet_bind_bucket___sonde {
	signed char fastreuse;
} __attribute__((preserve_access_index));

struct tcp_view {
	__u64 bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	__u32 write_seq, snd_una, snd_nxt, rcv_nxt, copied_seq;
	__u8  state;
};

/* What positions are made of. A load through a pointer that is not trusted costs 8 instructions. */
static __always_inline struct tcp_view tcp_counters_of(const struct tcp_sock *tp)
{
	return (struct tcp_view){
		.bytes_acked = tp->bytes_acked,
		.bytes_received = tp->bytes_received,
		.write_seq = tp->write_seq,
		.snd_una = tp->snd_una,
		.rcv_nxt = tp->rcv_nxt,
		.copied_seq = tp->copied_seq,
	};
}

/* All of it; loads that nobody uses are dropped by the compiler. */
static __always_inline struct tcp_view tcp_view_of(const struct tcp_sock *tp)
{
	return (struct tcp_view){
		.bytes_acked = tp->bytes_acked,
		.bytes_received = tp->bytes_received,
		.bytes_sent = tp->bytes_sent,
		.bytes_retrans = tp->bytes_retrans,
		.write_seq = tp->write_seq,
		.snd_una = tp->snd_una,
		.snd_nxt = tp->snd_nxt,
		.rcv_nxt = tp->rcv_nxt,
		.copied_seq = tp->copied_seq,
		.state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state,
	};
}

/* The same through bpf_probe_read_kernel(), for an untrusted pointer. */
static __always_inline struct tcp_view tcp_view_probe(const struct tcp_sock *tp)
{
	return (struct tcp_view){
		.bytes_acked = BPF_CORE_READ(tp, bytes_acked),
		.bytes_received = BPF_CORE_READ(tp, bytes_received),
		.bytes_sent = BPF_CORE_READ(tp, bytes_sent),
		.bytes_retrans = BPF_CORE_READ(tp, bytes_retrans),
		.write_seq = BPF_CORE_READ(tp, write_seq),
		.snd_una = BPF_CORE_READ(tp, snd_una),
		.snd_nxt = BPF_CORE_READ(tp, snd_nxt),
		.rcv_nxt = BPF_CORE_READ(tp, rcv_nxt),
		.copied_seq = BPF_CORE_READ(tp, copied_seq),
		.state = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_state),
	};
}

/* bytes_acked counts the SYN of an active opener (tcp_ack() sees it acknowledged), never of a passive one. */
static __always_inline __u64 tcp_sent_position(const struct tcp_view *v, __u8 role)
{
	return v->bytes_acked + (__u32)(v->write_seq - v->snd_una) - (role == ROLE_ACTIVE);
}

static __always_inline __u64 tcp_read_position(const struct tcp_view *v)
{
	return v->bytes_received - (__u32)(v->rcv_nxt - v->copied_seq);
}

static __always_inline __u32 tcp_own_isn(const struct tcp_view *v, __u8 role)
{
	return v->snd_una - (__u32)v->bytes_acked - (role == ROLE_PASSIVE);
}

static __always_inline __u32 tcp_peer_isn(const struct tcp_view *v)
{
	return v->rcv_nxt - (__u32)v->bytes_received - 1;
}

/* Without lock_sock(): the low 32 bits of a position come from a sequence number that only this thread moves
 * (write_seq, copied_seq), the high ones from the counters, which may be half updated. */
static __always_inline __u64 tcp_settle(__u64 naive, __u32 seq, __u32 isn)
{
	return naive + (__s32)(seq - isn - 1 - (__u32)naive);
}

/* bytes_acked counts the SYN of an active opener, bytes_sent never does. Once our FIN is sent it would be
 * mistaken for the SYN. */
static __always_inline __u8 tcp_role_by_bytes(const struct tcp_view *v)
{
	__u64 d = v->bytes_acked + (__u32)(v->snd_nxt - v->snd_una) - (v->bytes_sent - v->bytes_retrans);

	if (v->state != TCP_ESTABLISHED && v->state != TCP_CLOSE_WAIT)
		return ROLE_UNKNOWN;
	return d == 1 ? ROLE_ACTIVE : d == 0 ? ROLE_PASSIVE : ROLE_UNKNOWN;
}

/* connect()'s own bind buckets have fastreuse == -1, a listener's have not (inet_hash_connect()). */
static __always_inline __u8 tcp_role_by_bind(const struct tcp_sock *tp)
{
	const struct inet_bind_bucket___sonde *tb = (void *)BPF_CORE_READ(tp, inet_conn.icsk_bind_hash);

	if (!tb)
		return ROLE_UNKNOWN;
	if (BPF_CORE_READ(tb, fastreuse) < 0 ||
	    (BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_userlocks) & 8 /* SOCK_BINDPORT_LOCK */))
		return ROLE_ACTIVE;
	return ROLE_PASSIVE;
}

/* Fills in what set_state did not tell (an older connection, or the firing was skipped). Under lock_sock(). */
static __always_inline void tcp_learn(struct conn *c, const struct tcp_view *v, const struct tcp_sock *tp)
{
	if (!c->role)
		c->role = tcp_role_by_bytes(v) ?: tcp_role_by_bind(tp);
	c->iss = tcp_own_isn(v, c->role);
	c->irs = tcp_peer_isn(v);
	c->flags |= CONN_ISN;
}

/* ---- arrivals: how long the first byte of a read waited in the socket ------------------------------
 * sk_data_ready runs after tcp_rcv_nxt_update(), so bytes_received already counts the new bytes. While all
 * slots hold unread bytes the newest one is stretched: late bytes then look a little too old. */
static __always_inline void arrival_note(struct conn *c, const struct tcp_view *v, __u64 now)
{
	__u32 n = c->n_came, last = (n - 1) & (ARRIVALS - 1), next = n & (ARRIVALS - 1);

	if (n >= ARRIVALS && c->came[next].end > tcp_read_position(v)) {
		c->came[last].end = v->bytes_received;
		return;
	}
	c->came[next].end = v->bytes_received;
	c->came[next].ns = now;
	c->n_came = n + 1;
}

/* How long the byte at pos had waited, ~0u when nobody saw it come. */
static __always_inline __u32 arrival_wait(const struct conn *c, __u64 pos, __u64 now)
{
	__u64 came = 0, wait;

#pragma unroll
	for (__u32 i = 1; i <= ARRIVALS; i++) {		/* newest to oldest */
		__u32 k = (c->n_came - i) & (ARRIVALS - 1);

		if (i <= c->n_came && c->came[k].end > pos)
			came = c->came[k].ns;
	}
	wait = now - came;
	return came && wait < 0xffffffffull ? (__u32)wait : ~0u;
}

#endif
