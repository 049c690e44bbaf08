/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The end of unix stream connections, which no hook shows: the loader sweeps. In: two iterators, run one after
 * the other. Out: the last turn and REC_CLOSE of each connection of which a socket is gone.
 *
 * A socket's storage lives as long as bytes that it sent are still to be read, so nothing is cut off. */
#include "unix.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Of kernel/bpf/map_iter.c and net/core/bpf_sk_storage.c; older headers lack them. */
struct bpf_iter__bpf_sk_storage_map___sonde {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
} __attribute__((preserve_access_index));
struct bpf_iter__bpf_map_elem___sonde {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

SEC("iter/bpf_sk_storage_map")
int it_unix_ends(struct bpf_iter__bpf_sk_storage_map___sonde *ctx)
{
	const struct unix_end *end = ctx->value;
	struct unix_pair *pair;
	__u64 key;

	if (!ctx->sk || !end)
		return 0;
	key = end->pair;
	pair = key ? bpf_map_lookup_elem(&unix_pairs, &key) : NULL;
	if (!pair)
		return 0;
	if (pair->seen_round != unix_round) {
		pair->seen_round = unix_round;
		pair->seen_ends = 0;
	}
	pair->seen_ends++;
	return 0;
}

/* ---- tier syscall: no storage tells, so the sockets are looked at ------------------------------- */

static __always_inline bool unix_end_is_open(const struct unix_pair *pair, __u32 side)
{
	const struct sock *sk = (const struct sock *)pair->end[side].address;

	return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED &&
	       (__u64)BPF_CORE_READ((const struct unix_sock *)sk, peer) == pair->end[!side].address &&
	       (!pair->end[side].inode || pair->end[side].inode == sock_inode(sk));
}

/* An end that is open may still read what the other sent before it closed. */
static __always_inline bool unix_end_may_read(const struct unix_pair *pair, __u32 side)
{
	const struct sock *sk = (const struct sock *)pair->end[side].address;

	return unix_end_is_open(pair, side) && BPF_CORE_READ(sk, sk_receive_queue.qlen);
}

static __always_inline bool unix_pair_is_over(const struct unix_pair *pair)
{
	if (!conns_in_hash)
		return pair->seen_round != unix_round || pair->seen_ends < 2;
	return !(unix_end_is_open(pair, 0) && unix_end_is_open(pair, 1)) && !unix_end_may_read(pair, 0) &&
	       !unix_end_may_read(pair, 1);
}

SEC("iter/bpf_map_elem")
int it_unix_pairs(struct bpf_iter__bpf_map_elem___sonde *ctx)
{
	const __u64 *at = ctx->key;
	struct unix_pair *pair;
	__u64 key;

	if (!at)
		return 0;
	key = *at;
	pair = bpf_map_lookup_elem(&unix_pairs, &key);
	if (!pair || !unix_pair_is_over(pair))
		return 0;
	unix_pair_end(pair);
	bpf_map_delete_elem(&unix_pairs, &key);
	return 0;
}
