/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What existed before the agent, found by walking it once: who listens where, and the connections and
 * listeners of watched processes. In: BPF iterators that the loader reads (user/capture/scan.c).
 * Out: rows of struct scan_listener; decided state for sockets, so that the first byte finds it. */
#include "fd.bpf.h"
#include "policy.bpf.h"
#include "tcp.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define IPPROTO_MULTIPATH	262	/* IPPROTO_MPTCP: Go listens on it by default */

static __always_inline bool sock_listens(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN &&
	       (family == FAMILY_INET || family == FAMILY_INET6) &&
	       (protocol == IPPROTO_TCP_ONLY || protocol == IPPROTO_MULTIPATH);
}

SEC("iter/task_file")
int it_listeners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct scan_listener row = {};
	struct sock *sk;

	if (!task || !file)
		return 0;
	sk = file_sock(file);
	if (!sk || !sock_listens(sk))
		return 0;
	row.tgid = task->tgid;
	row.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	row.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

/* A pointer that the verifier trusts; the helper is younger than the iterator (5.11). */
static __always_inline struct sock *file_sock_trusted(struct file *file)
{
	struct socket *s;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_sock_from_file))
		return NULL;
	s = bpf_sock_from_file(file);
	return s ? s->sk : NULL;
}

/* Gives a socket that has no current decision the one of the process that holds it. */
static __always_inline void sock_claim(struct sock *sk, const struct process_policy *p)
{
	struct conn *c = conn_find(sk);

	if (conn_is_current(c))
		return;
	if (!c) {
		c = conn_create(sk);
		if (!c) {
			conn_not_stored(p->service);
			return;
		}
		c->flags = sk->__sk_common.skc_state == TCP_LISTEN ? CONN_LISTENER : CONN_OLD;
	}
	conn_decide(c, p);
}

SEC("iter/task_file")
int it_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	const struct process_policy *p;
	struct sock *sk;
	__u32 tgid;

	if (!task || !file)
		return 0;
	tgid = task->tgid;
	p = bpf_map_lookup_elem(&processes, &tgid);
	if (!p)
		return 0;
	sk = file_sock_trusted(file);
	if (sk && sock_is_tcp(sk) && sk->__sk_common.skc_state != TCP_CLOSE)
		sock_claim(sk, p);
	return 0;
}

/* Runs under lock_sock() (from 5.15 on, bpf_iter_tcp_seq_show()), so what is learned here is exact even for
 * the tiers that later look at the counters without it. */
SEC("iter/tcp")
int it_positions(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp = skc ? bpf_skc_to_tcp_sock(skc) : NULL;
	struct tcp_view v;
	struct conn *c;

	if (!tp)
		return 0;
	c = conn_find((struct sock *)tp);
	if (!c || !c->service || (c->flags & (CONN_LISTENER | CONN_ISN)))
		return 0;
	v = tcp_view_of(tp);
	tcp_learn(c, &v, tp);
	return 0;
}
