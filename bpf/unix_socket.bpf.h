/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Unix stream sockets in tier "socket": one firing at the reader serves both ends. In: an skb as it is read; its
 * socket is the writer's (skb_set_owner_w() in unix_stream_sendmsg()), whose peer is the reader.
 * Out: unix_bytes(). Both ends' state is found from the storage of either socket, since a writer that has closed
 * has no peer any more while its last bytes are still to be read. */
#ifndef SONDE_UNIX_SOCKET_BPF_H
#define SONDE_UNIX_SOCKET_BPF_H

#include "unix.bpf.h"

#define MSG_PEEK_FLAG	2

/* A peek copies the same bytes that a later read will copy again. (io_uring's flags are not to be seen.) */
static __always_inline bool unix_is_peek(void)
{
	const struct pt_regs *r = regs_current();

	switch (regs_number(r)) {
	case CALL_RECVMSG:
		return regs_arg2(r) & MSG_PEEK_FLAG;
	case CALL_RECVFROM:
	case CALL_RECVMMSG:
		return regs_arg3(r) & MSG_PEEK_FLAG;
	}
	return false;
}

/* Both ends at once. The reader's process runs; the writer's is the one that read there last, else the one that
 * the reader was told of when it was connected (sk_peer_pid: whoever called connect() or listen()). */
static __always_inline struct unix_end *unix_decide(struct sock *writer_sk)
{
	struct sock *plain = writer_sk->sk_socket->sk;	/* not an RCU pointer to the verifier */
	struct unix_sock *writer = plain ? bpf_skc_to_unix_sock(plain) : NULL, *reader;
	const struct process_policy *p_reader, *p_writer;
	struct unix_end *own, *peer;
	__u64 own_cookie, peer_cookie;
	struct unix_pair *pair;
	struct sock *peer_sk;
	bool watched;

	peer_sk = writer ? writer->peer : NULL;
	reader = peer_sk ? bpf_skc_to_unix_sock(peer_sk) : NULL;
	if (!reader)
		return NULL;
	own = bpf_sk_storage_get(&unix_ends, plain, 0, BPF_SK_STORAGE_GET_F_CREATE);
	peer = bpf_sk_storage_get(&unix_ends, peer_sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!own || !peer)
		return NULL;
	own->generation = peer->generation = policy.generation;
	p_reader = process_of(bpf_get_current_pid_tgid() >> 32);
	p_writer = process_of(pid_number(peer_sk->sk_peer_pid));
	pair = own->pair ? bpf_map_lookup_elem(&unix_pairs, &own->pair) : NULL;
	if (!p_reader && !p_writer && !pair) {
		own->pair = peer->pair = 0;
		return own;
	}
	if (!pair) {
		own_cookie = bpf_get_socket_cookie(plain);
		peer_cookie = bpf_get_socket_cookie(peer_sk);
		own->side = own_cookie > peer_cookie;
		peer->side = !own->side;
		own->pair = peer->pair = own->side ? peer_cookie : own_cookie;
		pair = unix_pair_new(own->pair);
		if (!pair)
			return NULL;
		pair->end[own->side & 1].cookie = own_cookie;
		pair->end[peer->side & 1].cookie = peer_cookie;
		pair->seen_round = unix_round;
		pair->seen_ends = 2;
		unix_roles(pair, own->side, writer, reader);
	} else if (process_of(pair->end[own->side & 1].tgid)) {
		p_writer = process_of(pair->end[own->side & 1].tgid);
	}
	watched = unix_end_decide(pair, own->side, p_writer);
	watched |= unix_end_decide(pair, peer->side, p_reader);
	if (!watched)
		own->pair = peer->pair = 0;
	return own;
}

/* UNIXCB(skb).consumed: where in the skb this read begins. */
static __always_inline __u32 skb_unix_consumed(struct sk_buff *skb)
{
	return *(__u32 *)((void *)skb->cb + bpf_core_field_offset(struct unix_skb_parms, consumed));
}

static __always_inline void unix_received(struct sk_buff *skb, struct sock *writer, int len, struct hook_counter *h)
{
	struct unix_end *end = bpf_sk_storage_get(&unix_ends, writer, 0, 0);
	struct payload p = { .kind = PAYLOAD_SKB, .skb = skb };
	struct unix_pair *pair;

	if (!end || end->generation != policy.generation)
		end = unix_decide(writer) ?: end;
	if (!end || !end->pair || unix_is_peek())
		return;
	pair = bpf_map_lookup_elem(&unix_pairs, &end->pair);
	if (!pair)
		return;
	hook_watched(h);
	p.skb_offset = skb_unix_consumed(skb);
	unix_bytes(pair, end->side, !end->side, len, &p);
}

#endif
