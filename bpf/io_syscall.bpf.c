/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Tier "syscall" (any kernel with BTF, 5.11 and later): the end of the system calls that move bytes of a
 * stream. In: tp_btf sys_exit, with the arguments still in the saved registers. Out: io_bytes(), unix_bytes().
 *
 * It runs at every system call of the host, so it leaves at the first of: the number, a result that is not
 * positive, nothing is selected, the process is not watched, the descriptor is no
 * stream socket.
 *
 * What it cannot see are bytes that no such call moves (io_uring): later positions show them as gaps.
 * The socket's lock is gone by now: see tcp_settle(). */
#include "fd.bpf.h"
#include "io.bpf.h"
#include "regs.bpf.h"
#include "unix_syscall.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* ---- which calls, by number ------------------------------------------------------------------- */

enum shape {
	SHAPE_NONE,
	SHAPE_BUFFER,		/* (fd, buffer, n) */
	SHAPE_ADDRESSED,	/* (fd, buffer, n, flags, ...) */
	SHAPE_VECTOR,		/* (fd, iovec, n) */
	SHAPE_MESSAGE,		/* (fd, msghdr, flags) */
	SHAPE_MESSAGES,		/* (fd, mmsghdr, n, flags), the result counts messages */
	SHAPE_PAGES,		/* sendfile(out, in, ...) */
	SHAPE_SPLICE,		/* splice(in, offset, out, ...) */
};
struct call {
	__u8 shape;
	__u8 dir;	/* enum io_dir */
};

#if defined(__TARGET_ARCH_x86)
#define CALLS_MAX	320
static const struct call calls[CALLS_MAX] = {
	[0] = { SHAPE_BUFFER, IO_RECV },	/* read */
	[1] = { SHAPE_BUFFER, IO_SEND },	/* write */
	[19] = { SHAPE_VECTOR, IO_RECV },	/* readv */
	[20] = { SHAPE_VECTOR, IO_SEND },	/* writev */
	[40] = { SHAPE_PAGES, IO_SEND },	/* sendfile */
	[44] = { SHAPE_ADDRESSED, IO_SEND },	/* sendto */
	[45] = { SHAPE_ADDRESSED, IO_RECV },	/* recvfrom */
	[46] = { SHAPE_MESSAGE, IO_SEND },	/* sendmsg */
	[47] = { SHAPE_MESSAGE, IO_RECV },	/* recvmsg */
	[275] = { SHAPE_SPLICE, IO_SEND },	/* splice */
	[299] = { SHAPE_MESSAGES, IO_RECV },	/* recvmmsg */
	[307] = { SHAPE_MESSAGES, IO_SEND },	/* sendmmsg */
};
#elif defined(__TARGET_ARCH_arm64)
#define CALLS_MAX	272
static const struct call calls[CALLS_MAX] = {
	[63] = { SHAPE_BUFFER, IO_RECV },	/* read */
	[64] = { SHAPE_BUFFER, IO_SEND },	/* write */
	[65] = { SHAPE_VECTOR, IO_RECV },	/* readv */
	[66] = { SHAPE_VECTOR, IO_SEND },	/* writev */
	[71] = { SHAPE_PAGES, IO_SEND },	/* sendfile */
	[76] = { SHAPE_SPLICE, IO_SEND },	/* splice */
	[206] = { SHAPE_ADDRESSED, IO_SEND },	/* sendto */
	[207] = { SHAPE_ADDRESSED, IO_RECV },	/* recvfrom */
	[211] = { SHAPE_MESSAGE, IO_SEND },	/* sendmsg */
	[212] = { SHAPE_MESSAGE, IO_RECV },	/* recvmsg */
	[243] = { SHAPE_MESSAGES, IO_RECV },	/* recvmmsg */
	[269] = { SHAPE_MESSAGES, IO_SEND },	/* sendmmsg */
};
#endif

/* ---- the call: which socket, how many bytes, where they lie --------------------------------------
 * call_sock() is not inlined: its variables would lie in the frame of the program, which together with those of
 * sock_bytes() and of what it calls, all must fit into 512 bytes. */

#define MSG_PEEK	2	/* nothing was consumed */
#define MSG_TRUNC	0x20	/* receive: consumed, but not copied */
#define MSG_ERRQUEUE	0x2000	/* not of the stream */
#define MESSAGES_MAX	8	/* of one call; later ones are a gap */

static __always_inline __u32 call_flags(const struct call *call, const struct pt_regs *r)
{
	switch (call->shape) {
	case SHAPE_ADDRESSED:
	case SHAPE_MESSAGES:
		return regs_arg3(r);
	case SHAPE_MESSAGE:
		return regs_arg2(r);
	}
	return 0;
}

static __noinline int payload_of_message(struct payload *p, const struct user_msghdr *message)
{
	struct {
		const struct iovec *vector;
		__u64 n;
	} m;			/* msg_iov and msg_iovlen */

	p->kind = PAYLOAD_UNREADABLE;
	if (bpf_probe_read_user(&m, sizeof(m), &message->msg_iov))
		return 0;
	p->kind = PAYLOAD_USER_VECTOR;
	p->vector = m.vector;
	p->n_vector = m.n;
	return 0;
}

static __always_inline void call_payload(struct payload *p, const struct call *call, const struct pt_regs *r)
{
	*p = (struct payload){ .kind = PAYLOAD_UNREADABLE };
	if (call->dir == IO_RECV && (call_flags(call, r) & MSG_TRUNC))
		return;
	switch (call->shape) {
	case SHAPE_BUFFER:
	case SHAPE_ADDRESSED:
		p->kind = PAYLOAD_USER;
		p->buffer = (const void *)regs_arg1(r);
		break;
	case SHAPE_VECTOR:
		p->kind = PAYLOAD_USER_VECTOR;
		p->vector = (const struct iovec *)regs_arg1(r);
		p->n_vector = regs_arg2(r);
		break;
	case SHAPE_MESSAGE:
		payload_of_message(p, (const struct user_msghdr *)regs_arg1(r));
		break;
	}
}

/* ---- the socket --------------------------------------------------------------------------------- */

static __always_inline bool sock_is_tcp_probe(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP_ONLY && BPF_CORE_READ(sk, sk_type) == 1 /* SOCK_STREAM */ &&
	       (family == FAMILY_INET || family == FAMILY_INET6);
}

/* Its state, created for a TCP socket that has none. The process is known to be watched. */
static __noinline struct conn *sock_conn(struct sock *sk, const struct process_policy *process)
{
	__u64 address = (__u64)sk;
	struct conn *c = bpf_map_lookup_elem(&conns_by_address, &address);

	if (!c) {
		/* After TCP_CLOSE nobody would delete it, and the next socket at this address would be taken for it. */
		if (!sock_is_tcp_probe(sk) || BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE)
			return NULL;
		c = conn_create_by_address(address);
		if (!c) {
			conn_not_stored(process->service);
			return NULL;
		}
	}
	if (!conn_is_current(c))
		conn_decide(c, process);
	return c->service ? c : NULL;
}

/* Each field is a probe of some 25 ns: once the ISNs are known only what positions need. Not inlined: each
 * has a variable, too. */
static __noinline int sock_view(const struct tcp_sock *tp, const struct conn *c, struct tcp_view *v)
{
	if (!(c->flags & CONN_ISN)) {
		*v = tcp_view_probe(tp);
		return 0;
	}
	*v = (struct tcp_view){
		.bytes_acked = BPF_CORE_READ(tp, bytes_acked),
		.bytes_received = BPF_CORE_READ(tp, bytes_received),
		.write_seq = BPF_CORE_READ(tp, write_seq),
		.snd_una = BPF_CORE_READ(tp, snd_una),
		.rcv_nxt = BPF_CORE_READ(tp, rcv_nxt),
		.copied_seq = BPF_CORE_READ(tp, copied_seq),
		.state = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_state),
	};
	return 0;
}

/* f->n bytes of the socket that end f->after bytes before its present position. A global function: the
 * verifier looks at it once by itself, not again for each of several messages. */
__noinline int sock_bytes(__u64 address, struct conn *c, struct firing *f)
{
	struct sock *sk = (struct sock *)address;
	const struct tcp_sock *tp = (const struct tcp_sock *)address;
	struct tcp_view *v;
	struct io io = {};

	if (!c || !f)
		return 0;
	v = &f->view;
	sock_view(tp, c, v);
	io.dir = f->dir;
	io.len = f->n;
	io.state = v->state;
	if (!c->cookie)
		c->cookie = sock_identity(sk);
	if (!(c->flags & CONN_ISN))
		tcp_learn(c, v, tp);
	io.sent_now = tcp_settle(tcp_sent_position(v, c->role), v->write_seq, c->iss);
	io.read_now = tcp_settle(tcp_read_position(v), v->copied_seq, c->irs);
	if (f->dir == IO_SEND)
		io.pos = io.sent_now -= (__u64)f->n + f->after;
	else
		io.pos = io.read_now -= (__u64)f->n + f->after;
	io_bytes(sk, c, &io, &f->payload);
	return 0;
}

/* Bytes of a connection, which is one of c and pair. */
static __always_inline void call_bytes(struct sock *sk, struct conn *c, struct unix_pair *pair, struct firing *f)
{
	if (c)
		sock_bytes((__u64)sk, c, f);
	else
		unix_moved(pair, f);
}

/* sendmmsg() and recvmmsg(): one firing for each message. */
static __noinline int call_messages(struct sock *sk, struct conn *c, struct unix_pair *pair, struct firing *f,
				    const struct mmsghdr *messages)
{
	__u32 count = f->n, n;

	for (__u32 i = 0; i < MESSAGES_MAX; i++)
		if (i < count && !bpf_probe_read_user(&n, sizeof(n), &messages[i].msg_len))
			f->after += n;
	for (__u32 i = 0; i < MESSAGES_MAX; i++) {
		if (i >= count || bpf_probe_read_user(&n, sizeof(n), &messages[i].msg_len))
			break;
		f->n = n;
		f->after -= n;
		payload_of_message(&f->payload, (const struct user_msghdr *)(messages + i));
		call_bytes(sk, c, pair, f);
	}
	return 0;
}

/* splice() names two descriptors, one of which is a pipe. */
static __noinline struct sock *call_sock(struct call *call, const struct pt_regs *r)
{
	struct sock *sk;

	if (call->shape == SHAPE_SPLICE) {
		sk = fd_sock(regs_arg2(r));
		if (sk)
			return sk;
		call->dir = IO_RECV;
	}
	return fd_sock(regs_arg0(r));
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tp_sys_exit, struct pt_regs *regs, long result)
{
	__u64 number = regs_number(regs);
	const struct process_policy *process;
	struct unix_pair *pair = NULL;
	struct hook_counter *h;
	struct firing *f;
	struct call call;
	struct sock *sk;
	struct conn *c;

	if (result <= 0 || number >= CALLS_MAX || calls[number].shape == SHAPE_NONE || !policy.active)
		return 0;
	h = hook_fired(HOOK_SYSCALL);
	process = process_current();
	if (!process || regs_compat())
		return 0;
	call = calls[number];
	if (call_flags(&call, regs) & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	sk = call_sock(&call, regs);
	f = firing_of_cpu();
	if (!sk || !f)
		return 0;
	c = sock_conn(sk, process);
	if (!c)
		pair = unix_sock_pair(sk, &f->side);
	if (!c && !pair)
		return 0;
	hook_watched(h);
	f->n = result;
	f->after = 0;
	f->dir = call.dir;
	call_payload(&f->payload, &call, regs);
	if (call.shape == SHAPE_MESSAGES)
		call_messages(sk, c, pair, f, (const struct mmsghdr *)regs_arg1(regs));
	else
		call_bytes(sk, c, pair, f);
	return 0;
}
