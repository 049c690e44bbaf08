/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What happens to bytes of a unix stream connection, whichever tier saw them; one firing serves both ends.
 * In: its unix_pair and a payload. Out: records, turns.
 *
 * There are no counters, sequence numbers or state changes as in TCP: positions are our own counts, from the
 * first byte that was seen. */
#ifndef SONDE_UNIX_BPF_H
#define SONDE_UNIX_BPF_H

#include "io.bpf.h"
#include "regs.bpf.h"

#define SUN_PATH_MAX	108

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
	if (!BPF_CORE_READ(own, addr))
		return false;
	return !BPF_CORE_READ(peer, addr) || (BPF_CORE_READ(own, addr, refcnt.refs.counter) > 1 &&
					      BPF_CORE_READ(peer, addr, refcnt.refs.counter) == 1);
}

static __always_inline void unix_path_read(char *path, const struct unix_sock *server)
{
	const struct unix_address *addr = BPF_CORE_READ(server, addr);
	__s32 n = BPF_CORE_READ(addr, len) - 2;	/* of the family */

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

/* Number of the socket file; 0: none (not accepted yet, or closed). struct socket_alloc begins with the struct socket. */
static __always_inline __u64 sock_inode(const struct sock *sk)
{
	const struct socket_alloc *s = (const struct socket_alloc *)BPF_CORE_READ(sk, sk_socket);

	return s ? BPF_CORE_READ(s, vfs_inode.i_ino) : 0;
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

/* The bytes of one firing, as the reader got them if it is watched; an end that is not watched is not named. */
static __always_inline void unix_emit(struct unix_pair *pair, __u32 from, __u32 runs, __u64 pos, __u32 len,
				      const struct payload *p, __u32 wanted, __u64 now)
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
	task = seen_by == runs ? task_logical(pair->end[runs & 1].runtime) : 0;
	r = rec_data_new(wanted, p);
	if (!r) {
		rec_dropped(n);
		return;
	}
	wanted = r->cap;
	rec_head_fill(&r->h, REC_DATA, TRANSPORT_UNIX, pair->end[seen_by].service, pair->end[seen_by].cookie, now);
	r->h.flags = both ? REC_F_MIRROR : 0;
	r->h.tgid = pair->end[seen_by].tgid;
	r->h.tid = seen_by == runs ? pair->end[seen_by].tid : 0;	/* what another thread did is not known here */
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
	__u32 first = pair->end[0].service, second = pair->end[1].service;
	const struct service_policy *a = bpf_map_lookup_elem(&services, &first);
	const struct service_policy *b = bpf_map_lookup_elem(&services, &second);

	if (!a || !b)
		return NULL;
	if (!first)
		return b;
	return second && b->mode > a->mode ? b : a;
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

/* Bytes of the end `from`; `runs` is the end whose process makes the call. */
static __always_inline void unix_bytes(struct unix_pair *pair, __u32 from, __u32 runs, __u32 len,
				       const struct payload *p)
{
	const struct service_policy *sp = unix_policy(pair);
	__u64 now = bpf_ktime_get_ns(), who = bpf_get_current_pid_tgid(), pos;

	if (!sp || sp->mode == CAPTURE_IGNORE)
		return;
	from &= 1;
	runs &= 1;
	pair->end[runs].tgid = who >> 32;
	pair->end[runs].tid = who;
	unix_turn(pair, from, len, now);
	pos = pair->end[from].sent;
	pair->end[from].sent = pos + len;
	if (sp->mode == CAPTURE_TURNS)
		return;
	unix_announce(pair, from, now);
	unix_announce(pair, !from, now);
	unix_emit(pair, from, runs, pos, len, p, unix_wanted(pair, from, len), now);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static __always_inline void unix_close_record(const struct unix_pair *pair, __u32 side, __u64 now)
{
	struct service_counters *n = counters_of(pair->end[side].service);
	struct rec_close *r;

	if (n)
		__sync_fetch_and_add(&n->closed, 1);
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		rec_dropped(n);
		return;
	}
	rec_head_fill(&r->h, REC_CLOSE, TRANSPORT_UNIX, pair->end[side].service, pair->end[side].cookie, now);
	r->h.tgid = pair->end[side].tgid;
	r->h.tid = pair->end[side].tid;
	r->sent_pos = pair->end[side].sent;
	r->recv_pos = pair->end[!side].sent;
	r->how = CLOSE_UNKNOWN;
	r->pad = 0;
	rec_counted(n, 0);
	rec_submit(r);
}

/* The last turn and REC_CLOSE of each end that was announced; the caller deletes the pair. */
SONDE_FUNCTION unix_pair_end(struct unix_pair *pair)
{
	__u64 now = bpf_ktime_get_ns();
	struct turn closed;

	if (!pair)
		return 0;
	if (turn_finish(&pair->turn, &closed))
		unix_turn_count(pair, &closed);
	for (__u32 side = 0; side < 2; side++)
		if (pair->end[side].service && pair->end[side].announced)
			unix_close_record(pair, side, now);
	return 0;
}

#endif
