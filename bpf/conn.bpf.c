/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Life of TCP connections: begin, accept, failed connect, arrival of bytes, end; and listeners.
 *
 * In:  tp_btf inet_sock_set_state and sk_data_ready, cgroup/getpeername*. Out: state in `conns`,
 * REC_CONNECT_FAILED and REC_CLOSE on `ring`, REC_LISTEN on `process_ring`. Everything here improves what is
 * known about a connection; none of it is needed for its bytes to be seen. */
#include "io.bpf.h"
#include "regs.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define SHUTDOWN_BOTH	3	/* RCV_SHUTDOWN | SEND_SHUTDOWN, include/net/sock.h */
#define ERR_PIPE	32
#define ERR_CONNRESET	104
#define ERR_TIMEDOUT	110

/* ---- begin ------------------------------------------------------------------------------------ */

/* port= selectors and the service's own picture need every listener, so this comes before any decision. */
static __always_inline void listen_began(struct sock *sk, __u64 now)
{
	struct rec_conn *r = bpf_ringbuf_reserve(&process_ring, sizeof(*r), 0);
	__u64 who = bpf_get_current_pid_tgid();

	if (!r) {
		rec_dropped(counters_of(NO_SERVICE));
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	rec_head_fill(&r->h, REC_LISTEN, TRANSPORT_TCP, 0, bpf_get_socket_cookie(sk), now);
	r->h.tgid = who >> 32;
	r->h.tid = who;
	r->role = ROLE_PASSIVE;
	r->accept_wait_ns = ABSENT_NS;
	rec_conn_addresses(r, sk);
	bpf_ringbuf_submit(r, 0);
}

static __always_inline void connect_began(struct sock *sk, __u64 now)
{
	struct conn *c = conn_current(sk);
	__u64 who = bpf_get_current_pid_tgid();

	if (!c)
		return;
	conn_reset(c);
	c->cookie = bpf_get_socket_cookie(sk);
	c->role = ROLE_ACTIVE;
	c->connect_ns = now;
	c->tgid = who >> 32;
	c->tid = who;
}

/* In softirq: whoever runs here has nothing to do with it. */
static __always_inline void conn_established(struct sock *sk, struct conn *c, int old, __u64 now)
{
	if (c->flags & CONN_LISTENER)
		conn_reset(c);
	if (!c->cookie)
		c->cookie = bpf_get_socket_cookie(sk);
	if (!c->role)
		c->role = old == TCP_SYN_SENT ? ROLE_ACTIVE : ROLE_PASSIVE;
	c->established_ns = now;
}

/* ---- end -------------------------------------------------------------------------------------- */

/* sk_err is set before the state changes (tcp_reset(), tcp_write_err(), tcp_v4_err()); 0: the application
 * gave up before there was an answer. */
static __always_inline void connect_failed(struct sock *sk, struct conn *c, const struct tcp_view *v, __u64 now)
{
	struct service_counters *n = counters_of(c->service);
	struct rec_conn *r = rec_conn_new(REC_CONNECT_FAILED, sk, c, tcp_sent_position(v, c->role),
					  tcp_read_position(v), now);

	if (n)
		__sync_fetch_and_add(&n->connect_failed, 1);
	if (!r) {
		rec_dropped(n);
		return;
	}
	r->error = sk->sk_err;
	r->established_ns = c->connect_ns;
	rec_counted(n, 0);
	rec_submit(r);
}

/* Does the application's end of the conversation end with this change? shutdown(SHUT_WR) sets only half of
 * sk_shutdown, close() both, and before the state changes (inet_shutdown(), __tcp_close()). */
static __always_inline bool conn_ends(struct sock *sk, int old, int new)
{
	if (new == TCP_CLOSE)
		return true;
	return (old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT) && (new == TCP_FIN_WAIT1 || new == TCP_LAST_ACK) &&
	       sk->sk_shutdown == SHUTDOWN_BOTH;
}

static __always_inline enum close_how close_how(struct sock *sk, int old, int new)
{
	int err = sk->sk_err;

	if (new != TCP_CLOSE)
		return CLOSE_FIN;
	if (err == ERR_TIMEDOUT)
		return CLOSE_TIMEOUT;
	/* Without an error of the peer's making: close() with unread bytes, SO_LINGER 0, an abort. */
	if (err == ERR_CONNRESET || err == ERR_PIPE || old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT)
		return CLOSE_RESET;
	return CLOSE_FIN;
}

/* Final positions: bytes only. Our own FIN has a place in the sequence once it is sent (the state changes
 * first); the peer's has when the application has read the end of file. */
static __always_inline struct io conn_final(struct sock *sk, const struct conn *c, const struct tcp_view *v, int old)
{
	struct io io = { .sent_now = tcp_sent_position(v, c->role), .read_now = tcp_read_position(v) };

	if (old != TCP_ESTABLISHED && old != TCP_CLOSE_WAIT)
		io.sent_now--;
	if (old != TCP_ESTABLISHED && (c->flags & CONN_POSITIONS) && io.read_now == c->read_end + 1)
		io.read_now--;
	return io;
}

/* The last turn ends with the connection. What the last send claimed too much is known now. */
static __always_inline void conn_last_turn(struct conn *c, struct io *io, __u64 now)
{
	struct service_counters *n = counters_of(c->service);
	struct turn closed;

	if (!(c->flags & CONN_POSITIONS) || !c->role)
		return;
	if (n && io->sent_now < c->sent_end)
		__sync_fetch_and_add(&n->bytes_sent, io->sent_now - c->sent_end);
	io_repair(c, io->sent_now, io->read_now, true, now);
	if (turn_finish(&c->turn, &closed))
		turn_count(c->service, c->role, c->cookie, &closed);
}

static __always_inline void conn_close_record(struct conn *c, const struct io *io, enum close_how how, __u64 now)
{
	struct service_counters *n = counters_of(c->service);
	struct rec_close *r;

	if (!c->announced)
		return;
	if (n)
		__sync_fetch_and_add(&n->closed, 1);
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		rec_dropped(n);
		return;
	}
	rec_head_fill(&r->h, REC_CLOSE, TRANSPORT_TCP, c->service, c->cookie, now);
	r->h.tgid = c->tgid;
	r->h.tid = c->tid;
	r->sent_pos = io->sent_now;
	r->recv_pos = io->read_now;
	r->how = how;
	r->pad = 0;
	rec_counted(n, 0);
	rec_submit(r);
}

static __always_inline void conn_ended(struct sock *sk, struct conn *c, const struct tcp_view *v, int old, int new,
				       __u64 now)
{
	struct io io = conn_final(sk, c, v, old);

	c->flags |= CONN_CLOSED;
	conn_last_turn(c, &io, now);
	conn_close_record(c, &io, close_how(sk, old, new), now);
}

static __always_inline void conn_changed(struct sock *sk, struct conn *c, int old, int new, __u64 now)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_view v;

	if (!tp || old == TCP_LISTEN)
		return;
	if (new == TCP_ESTABLISHED || (old == TCP_SYN_SENT && new == TCP_SYN_RECV)) {
		conn_established(sk, c, old, now);
		return;
	}
	v = tcp_view_of(tp);
	if (old == TCP_SYN_SENT && new == TCP_CLOSE)
		connect_failed(sk, c, &v, now);
	else if (!(c->flags & (CONN_CLOSED | CONN_LISTENER)) && conn_ends(sk, old, new))
		conn_ended(sk, c, &v, old, new, now);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tp_inet_sock_set_state, struct sock *sk, int old, int new)
{
	struct hook_counter *h;
	__u64 now, address = (__u64)sk;
	struct conn *c;

	if (!policy.active && new != TCP_LISTEN)
		return 0;
	h = hook_fired(HOOK_STATE);
	if (!sock_is_tcp(sk))
		return 0;
	now = bpf_ktime_get_ns();
	if (new == TCP_LISTEN) {
		listen_began(sk, now);
		c = policy.active ? conn_current(sk) : NULL;
		if (c)
			c->flags |= CONN_LISTENER;
		return 0;
	}
	if (new == TCP_SYN_SENT) {
		connect_began(sk, now);
		return 0;
	}
	c = conn_find(sk);
	if (!c || !c->service)
		return 0;
	hook_watched(h);
	/* What the hash holds of an accepted socket before it is established is an earlier socket's at that address. */
	if (!conns_in_hash || old != TCP_SYN_RECV)
		conn_changed(sk, c, old, new, now);
	if (conns_in_hash && (new == TCP_CLOSE || old == TCP_SYN_RECV))
		bpf_map_delete_elem(&conns_by_address, &address);
	return 0;
}

/* ---- arrival ---------------------------------------------------------------------------------- */

/* Fires for data only (not for pure ACKs), and on a listener when a child joins the accept queue. */
SEC("tp_btf/sk_data_ready")
int BPF_PROG(tp_sk_data_ready, struct sock *sk)
{
	struct hook_counter *h;
	struct tcp_sock *tp;
	struct tcp_view v;
	struct conn *c;

	if (!policy.active)
		return 0;
	h = hook_fired(HOOK_READY);
	if (conns_in_hash && !sock_is_tcp(sk))
		return 0;
	c = conn_find(sk);
	if (!c || !c->service || sk->__sk_common.skc_state == TCP_LISTEN)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	hook_watched(h);
	if (c->flags & CONN_LISTENER)
		conn_reset(c);
	v = tcp_view_of(tp);
	arrival_note(c, &v, bpf_ktime_get_ns());
	return 0;
}

/* getpeername() runs the same hook at any later time. */
static __always_inline bool in_accept(void)
{
	__u64 number = regs_number(regs_current());

	return number == CALL_ACCEPT || number == CALL_ACCEPT4;
}

/* accept4(fd, &addr, &len) asks the new socket for its peer's name, which runs this hook (do_accept() ->
 * inet_getname()): an accept hook without a trampoline. An accept with a NULL address is not seen. */
static __always_inline int conn_accepted(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *bs = ctx->sk;
	struct hook_counter *h;
	struct conn *c;

	if (!policy.active || conns_in_hash || !bs)
		return 1;
	h = hook_fired(HOOK_ACCEPT);
	c = bpf_sk_storage_get(&conns, bs, 0, 0);
	if (!c || !c->service || c->accepted_ns || c->role != ROLE_PASSIVE || !in_accept())
		return 1;
	hook_watched(h);
	c->accepted_ns = bpf_ktime_get_ns();
	return 1;
}

SEC("cgroup/getpeername4")
int cg_getpeername4(struct bpf_sock_addr *ctx)
{
	return conn_accepted(ctx);
}

SEC("cgroup/getpeername6")
int cg_getpeername6(struct bpf_sock_addr *ctx)
{
	return conn_accepted(ctx);
}
