/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Unix stream sockets in tier "syscall". In: the end of a system call of a watched process at one end of a connection.
 * Out: unix_bytes().
 *
 * Each end only shows what its own process does. Bytes are shown where they are read, as in tier "socket": so a
 * request is seen before its response. Only where nobody who is watched reads them, they are shown where they are
 * sent; never at both (shown_at_send). */
#ifndef SONDE_UNIX_SYSCALL_BPF_H
#define SONDE_UNIX_SYSCALL_BPF_H

#include "firing.bpf.h"
#include "unix.bpf.h"

static __always_inline bool sock_is_unix_stream_probe(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_family) == FAMILY_UNIX &&
	       BPF_CORE_READ(sk, sk_type) == 1 /* SOCK_STREAM */;
}

/* An identity for a socket: the helper refuses the pointer, and there may be no cookie yet.
 * An address and the time at which it was first seen name one socket. */
static __always_inline __u64 sock_identity(const struct sock *sk)
{
	__u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);

	return cookie ? cookie : ((__u64)sk * 0x9E3779B97F4A7C15ull) ^ bpf_ktime_get_ns();
}

/* Both ends' first calls may end at the same time, on two CPUs: whatever both write is the same, but for the identity,
 * which the first one gives. */
static __always_inline void unix_end_begin(struct unix_pair *pair, __u32 side, const struct sock *sk)
{
	side &= 1;
	pair->end[side].address = (__u64)sk;
	pair->end[side].inode = sock_inode(sk);
	__sync_val_compare_and_swap(&pair->end[side].cookie, 0, sock_identity(sk));
}

/* Both sockets stay where they are as long as one end is open, so their addresses name the connection; a later one may
 * lie at the same addresses, but has other inodes. */
static __always_inline bool unix_end_is_same(struct unix_pair *pair, __u32 side, const struct sock *sk)
{
	__u64 inode = sock_inode(sk);

	side &= 1;
	if (inode && pair->end[side].inode && pair->end[side].inode != inode)
		return false;
	if (inode)
		pair->end[side].inode = inode;
	return true;
}

#define RETIRE_LOOKS	1000	/* of 25 ns each */

/* An earlier connection at the same addresses is over: deletes its pair, then tells its end. Both ends of the new
 * connection may find that out at once: the one that takes the identity away does it, or the second would delete what
 * the first has begun. `id`: as read before the pair was judged; an entry that is reused meanwhile has another. */
static __always_inline bool unix_pair_retire(struct unix_pair *pair, const __u64 *key, __u64 id)
{
	__u32 first = 0;
	struct unix_pair *retired = bpf_map_lookup_elem(&unix_retired, &first);

	if (!retired || !id)
		return false;
	__builtin_memcpy(retired, pair, sizeof(*retired));
	retired->end[0].cookie = id;
	if (__sync_val_compare_and_swap(&pair->end[0].cookie, id, 0) != id)
		return false;
	bpf_map_delete_elem(&unix_pairs, key);
	unix_pair_end(retired);
	return true;
}

static __always_inline bool unix_pair_is_others(struct unix_pair *pair, __u32 side, const struct sock *sk,
						const struct sock *peer)
{
	return !unix_end_is_same(pair, side, sk) ||
	       (!pair->end[side & 1].tgid && !unix_end_is_same(pair, !side, peer));
}

static __always_inline struct unix_pair *unix_pair_of(const struct sock *sk, const struct sock *peer)
{
	__u64 key = sk < peer ? (__u64)sk : (__u64)peer;
	struct unix_pair *pair = bpf_map_lookup_elem(&unix_pairs, &key);
	__u64 id = pair ? pair->end[0].cookie : 0;
	__u32 side = sk > peer;

	barrier_var(id);
	if (pair && (!id || unix_pair_is_others(pair, side, sk, peer))) {
		if (unix_pair_retire(pair, &key, id))
			pair = NULL;
		/* Else the other end is retiring it or has begun a new one, which takes less than a microsecond; should it
		 * be preempted just there, these bytes are a gap. */
		for (int i = 0; i < RETIRE_LOOKS && pair && !pair->end[0].cookie; i++)
			pair = bpf_map_lookup_elem(&unix_pairs, &key);
		if (pair && !pair->end[0].cookie)
			return NULL;
	}
	if (pair)
		return pair;
	pair = unix_pair_new(key);
	if (!pair)
		return NULL;
	unix_end_begin(pair, side, sk);
	unix_end_begin(pair, !side, peer);
	unix_roles(pair, side, (const struct unix_sock *)sk, (const struct unix_sock *)peer);
	return pair;
}

/* The other end's process is the one that used it last, else the one that this end was told of when it was connected
 * (sk_peer_pid: whoever called connect() or listen()). */
static __always_inline void unix_pair_decide(struct unix_pair *pair, __u32 side, const struct sock *sk,
					     const struct process_policy *own)
{
	const struct process_policy *peer = process_of(pair->end[!side].tgid);

	if (!peer)
		peer = process_of(pid_number(BPF_CORE_READ(sk, sk_peer_pid)));
	unix_end_decide(pair, side, own);
	unix_end_decide(pair, !side, peer);
	pair->generation = policy.generation;
}

/* The connection of a unix stream socket at which this process makes a call, NULL if it is none. Not inlined: its
 * variables would lie in the frame of the program. */
static __noinline struct unix_pair *unix_sock_pair(const struct sock *sk, __u8 *at)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	const struct process_policy *own = process_of(tgid);
	const struct sock *peer;
	struct unix_pair *pair;
	__u32 side;

	if (!own || !sock_is_unix_stream_probe(sk))
		return NULL;
	peer = BPF_CORE_READ((const struct unix_sock *)sk, peer);
	pair = peer ? unix_pair_of(sk, peer) : NULL;
	if (!pair)
		return NULL;
	side = sk > peer;
	*at = side;
	if (pair->generation != policy.generation || !pair->end[side & 1].service)
		unix_pair_decide(pair, side & 1, sk, own);
	return pair;
}

/* Are bytes of the end `from` shown by calls at the end `side`? */
static __always_inline bool unix_is_shown_at(struct unix_pair *pair, __u32 side, __u32 from)
{
	from &= 1;
	if (side != from)
		return !pair->end[from].service || !pair->end[from].shown_at_send;
	if (!pair->end[!from].service)
		pair->end[from].shown_at_send = 1;
	return pair->end[from].shown_at_send;
}

/* f->n bytes of the connection. A global function: see sock_bytes(). */
__noinline int unix_moved(struct unix_pair *pair, struct firing *f)
{
	__u32 from, side;

	if (!pair || !f)
		return 0;
	side = f->side & 1;
	from = f->dir == IO_SEND ? side : !side;
	if (unix_is_shown_at(pair, side, from))
		unix_bytes(pair, from, side, f->n, &f->payload);
	return 0;
}

#endif
