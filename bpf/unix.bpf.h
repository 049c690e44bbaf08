/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Unix stream sockets: one firing at the reader serves both ends. In: an skb as it is read; its socket is the
 * writer's (skb_set_owner_w() in unix_stream_sendmsg()), whose peer is the reader. Out: records, turns.
 *
 * There are no counters, sequence numbers or state changes as in TCP: positions are our own counts, from the
 * first byte that was seen. Both ends' state is one unix_pair, found from the storage of either socket, since
 * a writer that has closed has no peer any more while its last bytes are still to be read. */
#ifndef SONDE_UNIX_BPF_H
#define SONDE_UNIX_BPF_H

#include "io.bpf.h"
#include "regs.bpf.h"

#define SUN_PATH_MAX	108
#define MSG_PEEK_FLAG	2

static __always_inline bool sock_is_unix_stream(const struct sock *sk)
{
	return sk->__sk_common.skc_family == FAMILY_UNIX && sk->sk_type == 1 /* SOCK_STREAM */;
}

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

/* ---- who is who -------------------------------------------------------------------------------- */

static __always_inline __u32 pid_number(const struct pid *pid)
{
	__u32 nr = 0;	/* numbers[0] is that of the initial namespace; struct upid begins with it */

	bpf_probe_read_kernel(&nr, sizeof(nr), (const void *)pid + bpf_core_field_offset(struct pid, numbers));
	return nr;
}

/* An accepted socket shares its listener's address object (unix_stream_connect()), which then has several
 * references; one that a client bound for itself has one. */
static __always_inline bool unix_holds_listeners_address(const struct unix_sock *own, const struct unix_sock *peer)
{
	if (!own->addr)
		return false;
	return !peer->addr || (own->addr->refcnt.refs.counter > 1 && peer->addr->refcnt.refs.counter == 1);
}

static __always_inline void unix_path_read(char *path, const struct unix_sock *server)
{
	const struct unix_address *addr = server->addr;
	__s32 n = addr->len - 2;	/* of the family */

	if (n <= 0)
		return;
	barrier_var(n);
	if (n > SUN_PATH_MAX)
		n = SUN_PATH_MAX;
	bpf_probe_read_kernel(path, n, (const void *)addr + bpf_core_field_offset(struct unix_address, name) +
					       bpf_core_field_offset(struct sockaddr_un, sun_path));
	if (!path[0])
		path[0] = '@';
}

static __always_inline struct unix_pair *unix_pair_new(__u64 key)
{
	__u32 first = 0;
	void *zero = bpf_map_lookup_elem(&zeroes, &first);

	_Static_assert(sizeof(struct unix_pair) <= sizeof(struct turn_value), "zeroes must cover a struct unix_pair");
	if (zero)
		bpf_map_update_elem(&unix_pairs, &key, zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&unix_pairs, &key);
}

static __always_inline void unix_roles(struct unix_pair *pair, __u32 side, const struct unix_sock *writer,
				       const struct unix_sock *reader)
{
	side &= 1;
	if (unix_holds_listeners_address(writer, reader)) {
		pair->end[side].role = ROLE_PASSIVE;
		pair->end[!side].role = ROLE_ACTIVE;
		unix_path_read(pair->path, writer);
	} else if (unix_holds_listeners_address(reader, writer)) {
		pair->end[side].role = ROLE_ACTIVE;
		pair->end[!side].role = ROLE_PASSIVE;
		unix_path_read(pair->path, reader);
	}
}

static __always_inline const struct process_policy *process_of(__u32 tgid)
{
	return bpf_map_lookup_elem(&processes, &tgid);
}

static __always_inline bool unix_end_decide(struct unix_pair *pair, __u32 side, const struct process_policy *p)
{
	side &= 1;
	pair->end[side].service = p && p->service < SERVICES_MAX ? p->service : 0;
	pair->end[side].runtime = p ? p->runtime : RUNTIME_NATIVE;
	return pair->end[side].service;
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

/* ---- what goes up ------------------------------------------------------------------------------ */

SONDE_FUNCTION unix_announce_now(struct unix_pair *pair, __u32 side, __u64 now)
{
	__u32 generation = policy.generation, other;
	struct service_counters *n;
	struct rec_conn *r;

	if (!pair)
		return 0;
	side &= 1;
	other = !side;
	n = counters_of(pair->end[side].service);
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		rec_dropped(n);
		return 0;
	}
	__builtin_memset(r, 0, sizeof(*r));
	rec_head_fill(&r->h, REC_OPEN, TRANSPORT_UNIX, pair->end[side].service, pair->end[side].cookie, now);
	r->h.tgid = pair->end[side].tgid;
	r->h.tid = pair->end[side].tid;
	r->family = FAMILY_UNIX;
	r->role = pair->end[side].role;
	r->peer_service = pair->end[other].service;
	r->peer_conn = pair->end[other].cookie;
	r->sent_pos = pair->end[side].sent;
	r->recv_pos = pair->end[other].sent;
	r->accept_wait_ns = ABSENT_NS;
	__builtin_memcpy(r->path, pair->path, sizeof(r->path));
	if (n && !pair->end[side].announced)
		__sync_fetch_and_add(&n->opened, 1);
	pair->end[side].announced = generation;
	rec_counted(n, 0);
	rec_submit(r);
	return 0;
}

static __always_inline void unix_announce(struct unix_pair *pair, __u32 side, __u64 now)
{
	side &= 1;
	if (pair->end[side].service && pair->end[side].announced != policy.generation)
		unix_announce_now(pair, side, now);
}

/* The bytes of one firing, as the reader got them; an end that is not watched is not named. */
static __always_inline void unix_emit(struct unix_pair *pair, __u32 from, __u64 pos, __u32 len, const struct payload *p,
				      __u32 wanted, __u64 now)
{
	__u32 to = !(from & 1), seen_by;
	struct service_counters *n;
	struct rec_data *r;
	__u64 task;
	bool both;

	from &= 1;
	both = pair->end[from].service && pair->end[to].service;
	seen_by = pair->end[to].service ? to : from;
	n = counters_of(pair->end[seen_by].service);
	task = seen_by == to ? task_logical(pair->end[to].runtime) : 0;
	r = rec_data_new(wanted, p);
	if (!r) {
		rec_dropped(n);
		return;
	}
	wanted = r->cap;
	rec_head_fill(&r->h, REC_DATA, TRANSPORT_UNIX, pair->end[seen_by].service, pair->end[seen_by].cookie, now);
	r->h.flags = both ? REC_F_MIRROR : 0;
	r->h.tgid = pair->end[seen_by].tgid;
	r->h.tid = seen_by == to ? pair->end[to].tid : 0;	/* which thread wrote is not known here */
	r->pos = pos;
	r->len = len;
	r->queue_ns = ~0u;
	r->task = task;
	r->dir = seen_by == to ? IO_RECV : IO_SEND;
	r->role = pair->end[seen_by].role;
	r->pad = 0;
	pair->payload_left -= wanted;
	rec_counted(n, wanted);
	rec_submit(r);
}

/* The policy that asks for more, of the two ends'. */
static __always_inline const struct service_policy *unix_policy(const struct unix_pair *pair)
{
	const struct service_policy *a = bpf_map_lookup_elem(&services, &pair->end[0].service);
	const struct service_policy *b = bpf_map_lookup_elem(&services, &pair->end[1].service);

	if (!a || !b)
		return NULL;
	if (!pair->end[0].service)
		return b;
	return pair->end[1].service && b->mode > a->mode ? b : a;
}

static __always_inline void unix_count_bytes(const struct unix_pair *pair, __u32 from, __u32 len)
{
	struct service_counters *sender = counters_of(pair->end[from & 1].service);
	struct service_counters *receiver = counters_of(pair->end[!(from & 1)].service);

	if (sender && pair->end[from & 1].service)
		__sync_fetch_and_add(&sender->bytes_sent, len);
	if (receiver && pair->end[!(from & 1)].service)
		__sync_fetch_and_add(&receiver->bytes_received, len);
}

/* Counts the bytes and the turn. */
SONDE_FUNCTION unix_turn(struct unix_pair *pair, __u32 from, __u32 len, __u64 now)
{
	struct turn closed;
	__u64 pos;

	if (!pair)
		return 0;
	from &= 1;
	pos = pair->end[from].sent;
	unix_count_bytes(pair, from, len);
	if (pair->end[from].role &&
	    turn_step(&pair->turn, pair->end[from].role == ROLE_ACTIVE, pos, pos + len, now, &closed))
		unix_turn_count(pair, &closed);
	return 0;
}

/* How many bytes of this firing are to be captured; a new message gets a new budget. */
SONDE_FUNCTION unix_wanted(struct unix_pair *pair, __u32 from, __u32 len)
{
	const struct service_policy *sp;
	const struct verdict *said;
	__u32 to, wanted = len;

	if (!pair)
		return 0;
	sp = unix_policy(pair);
	from &= 1;
	to = !from;
	said = verdict_of(pair->end[to].service ? pair->end[to].cookie : pair->end[from].cookie);
	if (!sp)
		return 0;
	pair->payload_left = payload_budget(pair->payload_left, pair->dir_side != from + 1,
					    said && said->proto && pair->end[from].role == ROLE_PASSIVE ?
						    sp->response_budget : sp->request_budget, said);
	pair->dir_side = from + 1;
	if (sp->mode == CAPTURE_FULL)
		pair->payload_left = CAPTURE_MAX;
	if (said && (said->flags & VERDICT_TURNS_ONLY))
		return 0;
	if (wanted > pair->payload_left)
		wanted = pair->payload_left;
	return wanted > CAPTURE_MAX ? CAPTURE_MAX : wanted;
}

static __always_inline void unix_bytes(struct unix_pair *pair, __u32 from, __u32 len, const struct payload *p)
{
	const struct service_policy *sp = unix_policy(pair);
	__u64 now = bpf_ktime_get_ns(), who = bpf_get_current_pid_tgid(), pos;

	if (!sp || sp->mode == CAPTURE_IGNORE)
		return;
	from &= 1;
	pair->end[!from].tgid = who >> 32;
	pair->end[!from].tid = who;
	unix_turn(pair, from, len, now);
	pos = pair->end[from].sent;
	pair->end[from].sent = pos + len;
	if (sp->mode == CAPTURE_TURNS)
		return;
	unix_announce(pair, from, now);
	unix_announce(pair, !from, now);
	unix_emit(pair, from, pos, len, p, unix_wanted(pair, from, len), now);
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
	unix_bytes(pair, end->side, len, &p);
}

#endif
