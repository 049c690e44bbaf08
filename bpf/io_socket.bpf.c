/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Tier "socket" (kernel >= 6.16): the kernel's own tracepoints at the two places where bytes of a TCP
 * socket are copied. In: tp_btf tcp_sendmsg_locked, skb_copy_datagram_iovec. Out: io_bytes().
 *
 * Both fire under lock_sock() with the copy still to come: counters are consistent, positions exact. The send
 * hook fires once per skb and has no return value; the first firing tells the whole message.
 *   read/recv*, io_uring -> tcp_recvmsg_locked -> skb_copy_datagram_msg -> skb_copy_datagram_iter
 *   write/send*, io_uring -> tcp_sendmsg_locked */
#include "kfuncs.bpf.h"
#include "io.bpf.h"
#include "unix_socket.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* A socket seen as the TCP socket that it is, whichever kind of pointer the hook has; costs nothing. */
static __always_inline const struct tcp_sock *tcp_of(struct sock *sk)
{
	return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
}

static __always_inline void tcp_learn_once(struct conn *c, const struct tcp_sock *tp)
{
	struct tcp_view v;

	if (c->flags & CONN_ISN)
		return;
	v = tcp_view_of(tp);
	tcp_learn(c, &v, tp);
}

SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(tp_tcp_sendmsg_locked, struct sock *sk, struct msghdr *msg)
{
	const struct tcp_sock *tp;
	struct hook_counter *h;
	struct payload p;
	struct tcp_view v;
	struct conn *c;
	struct io io;

	if (!policy.active)
		return 0;
	h = hook_fired(HOOK_SEND);
	c = conn_watched(sk);
	if (!c || !bpf_rdonly_cast)
		return 0;
	hook_watched(h);
	if (!c->cookie)
		c->cookie = bpf_get_socket_cookie(sk);
	tp = tcp_of(sk);
	tcp_learn_once(c, tp);
	v = tcp_counters_of(tp);
	p = payload_of_iter(&msg->msg_iter);
	io.dir = IO_SEND;
	io.state = sk->__sk_common.skc_state;
	io.sent_now = io.pos = tcp_sent_position(&v, c->role);
	io.read_now = tcp_read_position(&v);
	io.len = msg->msg_iter.count;
	io_bytes(sk, c, &io, &p);
	return 0;
}

/* TCP_SKB_CB(skb)->seq: the verifier lets cb[] be read at any width. */
static __always_inline __u32 skb_tcp_seq(struct sk_buff *skb)
{
	return *(__u32 *)((void *)skb->cb + bpf_core_field_offset(struct tcp_skb_cb, seq));
}

/* Is it from the receive queue? The error queue's skbs (MSG_ERRQUEUE) carry the socket too, but other bytes, and
 * what is in cb[] then is no sequence number. */
static __always_inline bool skb_is_of_stream(const struct sk_buff *skb, const struct tcp_view *v, __s32 offset, int len)
{
	if (offset >= 0)
		return (__u32)offset + len <= skb->len;
	return (__u32)-offset + len <= v->rcv_nxt - v->copied_seq;
}

static __always_inline void tcp_received(struct sk_buff *skb, struct sock *sk, int len, struct hook_counter *h)
{
	struct payload p = { .kind = PAYLOAD_SKB, .skb = skb };
	struct io io = { .dir = IO_RECV, .len = len, .state = sk->__sk_common.skc_state };
	struct conn *c = conn_watched(sk);
	const struct tcp_sock *tp;
	struct tcp_view v;
	__s32 offset;

	if (!c || !bpf_rdonly_cast)
		return;
	hook_watched(h);
	/* skb->sk is an RCU pointer, which bpf_get_socket_cookie() refuses; the way round through its struct
	 * socket is a plain one. */
	if (!c->cookie) {
		struct sock *plain = sk->sk_socket->sk;

		if (!plain)
			return;
		c->cookie = bpf_get_socket_cookie(plain);
	}
	tp = tcp_of(sk);
	tcp_learn_once(c, tp);
	v = tcp_counters_of(tp);
	/* copied_seq moves after every skb of one recvmsg, so it is the first byte of this copy; only MSG_PEEK
	 * reads ahead of it, into an skb that starts later. */
	offset = v.copied_seq - skb_tcp_seq(skb);
	if (!skb_is_of_stream(skb, &v, offset, len))
		return;
	p.skb_offset = offset > 0 ? offset : 0;
	io.sent_now = tcp_sent_position(&v, c->role);
	io.read_now = tcp_read_position(&v);
	io.pos = io.read_now + (offset < 0 ? -offset : 0);
	io_bytes(sk, c, &io, &p);
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(tp_skb_copy_datagram_iovec, struct sk_buff *skb, int len)
{
	struct hook_counter *h;
	struct sock *sk;

	if (!policy.active)
		return 0;
	h = hook_fired(HOOK_RECV);
	sk = skb->sk;
	if (!sk || len <= 0)
		return 0;
	if (sk->__sk_common.skc_family != FAMILY_UNIX)
		tcp_received(skb, sk, len, h);
	else if (sk->sk_type == 1 /* SOCK_STREAM */)
		unix_received(skb, sk, len, h);
	return 0;
}
