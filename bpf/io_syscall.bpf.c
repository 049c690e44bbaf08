/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Tier "syscall" (any kernel with BTF, 5.11 and later): the end of the system calls that move bytes of a
 * stream. In: tp_btf sys_exit, with the arguments still in the saved registers. Out: io_bytes().
 *
 * It runs at every system call of the host, so it leaves at the first of: the number, a result that is not
 * positive, nothing is selected, the process is not watched, the descriptor is no TCP socket.
 *
 * What it cannot see are bytes that no such call moves (io_uring): later positions show them as gaps.
 * The socket's lock is gone by now: see tcp_settle(). */
#include "fd.bpf.h"
#include "io.bpf.h"

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

/* ---- registers: number and arguments, as the call was made ------------------------------------- */

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT	2	/* the call came through a 32-bit entry, whose numbers are others */

static __always_inline __u64 regs_number(const struct pt_regs *r) { return r->orig_ax; }
static __always_inline bool regs_compat(void)
{
	return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
}
static __always_inline __u64 regs_arg0(const struct pt_regs *r) { return r->di; }
static __always_inline __u64 regs_arg1(const struct pt_regs *r) { return r->si; }
static __always_inline __u64 regs_arg2(const struct pt_regs *r) { return r->dx; }
static __always_inline __u64 regs_arg3(const struct pt_regs *r) { return r->r10; }
#elif defined(__TARGET_ARCH_arm64)
#define TIF_32BIT	(1 << 22)

static __always_inline __u64 regs_number(const struct pt_regs *r) { return (__u32)r->syscallno; }
static __always_inline bool regs_compat(void)
{
	return bpf_get_current_task_btf()->thread_info.flags & TIF_32BIT;
}
static __always_inline __u64 regs_arg0(const struct pt_regs *r) { return r->orig_x0; }	/* x0 is the result */
static __always_inline __u64 regs_arg1(const struct pt_regs *r) { return r->regs[1]; }
static __always_inline __u64 regs_arg2(const struct pt_regs *r) { return r->regs[2]; }
static __always_inline __u64 regs_arg3(const struct pt_regs *r) { return r->regs[3]; }
#endif

/* ---- the call: which socket, how many bytes, where they lie -------------------------------------- */

#define MSG_PEEK	2	/* nothing was consumed */
#define MSG_TRUNC	0x20	/* consumed, but not copied */
#define MSG_ERRQUEUE	0x2000	/* not of the stream */

static __always_inline __u32 call_fd(const struct call *call, const struct pt_regs *r)
{
	return call->shape == SHAPE_SPLICE ? regs_arg2(r) : regs_arg0(r);
}

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

static __always_inline void payload_of_message(struct payload *p, const struct user_msghdr *message)
{
	struct user_msghdr m;

	if (bpf_probe_read_user(&m, sizeof(m), message))
		return;
	p->kind = PAYLOAD_USER_VECTOR;
	p->vector = m.msg_iov;
	p->n_vector = m.msg_iovlen;
}

static __always_inline struct payload call_payload(const struct call *call, const struct pt_regs *r)
{
	struct payload p = { .kind = PAYLOAD_UNREADABLE };

	switch (call->shape) {
	case SHAPE_BUFFER:
	case SHAPE_ADDRESSED:
		p.kind = PAYLOAD_USER;
		p.buffer = (const void *)regs_arg1(r);
		break;
	case SHAPE_VECTOR:
		p.kind = PAYLOAD_USER_VECTOR;
		p.vector = (const struct iovec *)regs_arg1(r);
		p.n_vector = regs_arg2(r);
		break;
	case SHAPE_MESSAGE:
		payload_of_message(&p, (const struct user_msghdr *)regs_arg1(r));
		break;
	}
	return p;
}

/* ---- the socket --------------------------------------------------------------------------------- */

static __always_inline bool sock_is_tcp_probe(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP_ONLY && BPF_CORE_READ(sk, sk_type) == 1 /* SOCK_STREAM */ &&
	       (family == FAMILY_INET || family == FAMILY_INET6);
}

/* Its state, created for a TCP socket that has none. The process is known to be watched. */
static __always_inline struct conn *sock_conn(struct sock *sk, const struct process_policy *process)
{
	__u64 address = (__u64)sk;
	struct conn *c = bpf_map_lookup_elem(&conns_by_address, &address);

	if (!c) {
		if (!sock_is_tcp_probe(sk))
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

/* An identity for the connection: the helper refuses the pointer, and the socket may have no cookie yet.
 * An address and the time at which it was first seen name one socket. */
static __always_inline __u64 sock_identity(const struct sock *sk)
{
	__u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);

	return cookie ? cookie : ((__u64)sk * 0x9E3779B97F4A7C15ull) ^ bpf_ktime_get_ns();
}

/* n more bytes of the socket, ending at its present position. */
static __always_inline void sock_bytes(struct sock *sk, struct conn *c, __u8 dir, __u64 n, struct payload *p)
{
	struct tcp_view v = tcp_view_probe((struct tcp_sock *)sk);
	struct io io = { .dir = dir, .len = n };

	if (!c->cookie)
		c->cookie = sock_identity(sk);
	tcp_learn(c, &v, (struct tcp_sock *)sk);
	io.sent_now = tcp_settle(tcp_sent_position(&v, c->role), v.write_seq, c->iss);
	io.read_now = tcp_settle(tcp_read_position(&v), v.copied_seq, c->irs);
	if (dir == IO_SEND)
		io.pos = io.sent_now -= n;
	else
		io.pos = io.read_now -= n;
	io_bytes(sk, c, &v, &io, p);
}

/* ---- several messages in one call: the last ones first would need all their lengths ------------- */

/* What the messages of one call carry together, and the payload of the first. */
static __always_inline __u64 messages_bytes(const struct mmsghdr *messages, __u64 count, struct payload *p)
{
	struct mmsghdr m;
	__u64 bytes = 0;

	for (__u32 i = 0; i < SEGMENTS_MAX; i++) {
		if (i >= count || bpf_probe_read_user(&m, sizeof(m), messages + i))
			break;
		if (i == 0)
			payload_of_message(p, (const struct user_msghdr *)messages);
		bytes += m.msg_len;
	}
	return bytes;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tp_sys_exit, struct pt_regs *regs, long result)
{
	__u64 number = regs_number(regs), n = result;
	const struct process_policy *process;
	struct hook_counter *h;
	struct payload p;
	struct call call;
	struct sock *sk;
	struct conn *c;
	__u32 tgid;

	if (result <= 0 || number >= CALLS_MAX || calls[number].shape == SHAPE_NONE || !policy.active)
		return 0;
	h = hook_fired(HOOK_SYSCALL);
	tgid = bpf_get_current_pid_tgid() >> 32;
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process || regs_compat())
		return 0;
	call = calls[number];
	if (call_flags(&call, regs) & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	sk = fd_sock(call_fd(&call, regs));
	c = sk ? sock_conn(sk, process) : NULL;
	if (!c)
		return 0;
	hook_watched(h);
	p = call_payload(&call, regs);
	if (call.shape == SHAPE_MESSAGES)
		n = messages_bytes((const struct mmsghdr *)regs_arg1(regs), n, &p);
	if (call.dir == IO_RECV && (call_flags(&call, regs) & MSG_TRUNC))
		p.kind = PAYLOAD_UNREADABLE;
	sock_bytes(sk, c, call.dir, n, &p);
	return 0;
}
