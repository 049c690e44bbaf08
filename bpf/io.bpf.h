/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What happens to bytes of a watched TCP socket, whichever tier saw them: turn, budget, record.
 * In: the socket, its state and a struct io. Out: `ring`, `turns`, `service_counters`. */
#ifndef SONDE_IO_BPF_H
#define SONDE_IO_BPF_H

#include "emit.bpf.h"
#include "policy.bpf.h"
#include "task.bpf.h"
#include "turn.bpf.h"

/* One firing, as the tier resolved it. */
struct io {
	__u8  dir;		/* enum io_dir */
	__u8  state;		/* of TCP */
	__u64 pos;		/* position of its first byte */
	__u64 len;		/* bytes; a send may claim more than the socket will take */
	__u64 sent_now, read_now;	/* both positions of the socket just before this firing */
};

/* Drops what an earlier firing has shown already (MSG_PEEK). False: nothing is left. */
static __always_inline bool io_clip_read(const struct conn *c, struct io *io, struct payload *p)
{
	__u64 seen;

	if (io->pos >= c->read_end)
		return true;
	seen = c->read_end - io->pos;
	if (seen >= io->len)
		return false;
	io->pos += seen;
	io->len -= seen;
	p->skb_offset += seen;
	p->skip += seen;
	p->buffer += seen;
	return true;
}

/* Within one sendmsg() write_seq grows by what the iterator loses, so the end does not move, nor over the
 * retry of a short one: such a firing brings no new bytes. */
static __always_inline bool io_continues_send(const struct conn *c, const struct io *io)
{
	return io->dir == IO_SEND && c->dir == IO_SEND && io->pos < c->sent_end &&
	       io->pos + io->len == c->sent_end;
}

static __always_inline bool io_is_request(const struct conn *c, const struct io *io)
{
	return (io->dir == IO_SEND) == (c->role == ROLE_ACTIVE);
}

/* Puts bytes that no firing showed into the turn where they must belong. Returns whether there were any.
 * Numbers and no struct io, which then need not lie in memory. */
SONDE_FUNCTION io_repair(struct conn *c, __u64 sent_now, __u64 read_now, bool request, __u64 now)
{
	struct turn_edges edges;
	struct turn closed;

	if (!c)
		return 0;
	if (read_now < c->read_end)	/* peeked bytes were seen */
		read_now = c->read_end;
	if (c->role == ROLE_ACTIVE)
		edges = (struct turn_edges){ c->sent_end, sent_now, c->read_end, read_now };
	else
		edges = (struct turn_edges){ c->read_end, read_now, c->sent_end, sent_now };
	if (turn_repair(&c->turn, request, &edges, now, &closed))
		turn_count(c->service, c->role, c->cookie, &closed);
	return sent_now > c->sent_end || read_now > c->read_end;
}

/* The turn that this firing belongs to. Returns whether firings before it were skipped by the kernel. */
static __always_inline bool io_turn(struct conn *c, const struct io *io, __u64 now)
{
	bool request = io_is_request(c, io), repaired = false;
	struct turn closed;

	if (io->sent_now != c->sent_end || io->read_now != c->read_end)
		repaired = io_repair(c, io->sent_now, io->read_now, request, now);
	if (request && c->turn.phase == TURN_RESPONSE)
		turn_count(c->service, c->role, c->cookie, &c->turn);
	turn_step(&c->turn, request, io->pos, io->pos + io->len, now, &closed);
	return repaired;
}

/* The first firing of a connection: what went before was not to be seen. */
static __always_inline void io_begin(struct conn *c, const struct io *io)
{
	if (c->flags & CONN_POSITIONS)
		return;
	c->sent_end = io->sent_now;
	c->read_end = io->read_now;
	c->flags |= CONN_POSITIONS;
}

/* A FIN has a place in the sequence, behind the last byte: once it is sent, or when the end of file was read.
 * Where there can be one, a single byte that nobody saw is no skipped firing. */
static __always_inline void io_leave_out_fins(const struct conn *c, struct io *io)
{
	if (io->state == TCP_ESTABLISHED)
		return;
	if (io->sent_now == c->sent_end + 1)
		io->sent_now--;
	if (io->read_now == c->read_end + 1) {
		io->read_now--;
		if (io->dir == IO_RECV)		/* tier syscall: the same call read both */
			io->pos--;
	}
}

/* Remembers the positions; returns how many bytes of this direction are new (negative: an earlier send had
 * claimed too much). */
static __always_inline __s64 io_advance(struct conn *c, const struct io *io)
{
	__u64 end = io->pos + io->len, before = io->dir == IO_SEND ? c->sent_end : c->read_end;

	if (io->dir == IO_SEND) {
		c->sent_end = end;
		if (io->read_now > c->read_end)
			c->read_end = io->read_now;
	} else {
		c->read_end = end;
		c->sent_end = io->sent_now;
	}
	return end - before;
}

static __always_inline void io_budget(struct conn *c, const struct io *io, const struct service_policy *sp,
				      const struct verdict *said)
{
	bool response = c->role && said && said->proto && !io_is_request(c, io);

	c->payload_left = payload_budget(c->payload_left, c->dir != io->dir,
					 response ? sp->response_budget : sp->request_budget, said);
	c->dir = io->dir;
	if (sp->mode == CAPTURE_FULL)
		c->payload_left = CAPTURE_MAX;
}

static __always_inline __u32 io_wanted(const struct conn *c, const struct io *io, const struct payload *p,
				       const struct verdict *said)
{
	__u64 n = io->len;

	if (p->kind == PAYLOAD_UNREADABLE || (said && (said->flags & VERDICT_TURNS_ONLY)))
		return 0;
	if (n > c->payload_left)
		n = c->payload_left;
	return n > CAPTURE_MAX ? CAPTURE_MAX : n;
}

/* Reserves a record for up to n bytes of the payload and reads them into it. */
static __always_inline struct rec_data *rec_data_new(__u32 n, const struct payload *p)
{
	enum payload_kind kind = p->kind;
	const void *from = p->buffer;
	struct rec_data *r;
	__u32 room;

	if (n && payload_is_split(p, n)) {
		struct payload split = *p;	/* the compiler need not keep *p itself in memory */

		n = payload_join(&split, n);
		from = split.buffer;
		kind = PAYLOAD_KERNEL;
	} else if (n && kind >= PAYLOAD_USER_VECTOR) {
		from = segment_at(p, 0).base + p->skip;
	}
	r = rec_data_reserve(n, &room);
	if (r)
		r->cap = payload_read(r->data, n, room, kind, from, p);
	return r;
}

static __always_inline void io_emit(struct conn *c, const struct io *io, const struct payload *p, __u32 wanted,
				    bool repaired, __u64 now, struct service_counters *n)
{
	__u32 queue_ns = io->dir == IO_RECV ? arrival_wait(c, io->pos, now) : ~0u, cap;
	__u8 flags = (repaired ? REC_F_REPAIRED : 0) | (p->kind == PAYLOAD_UNREADABLE ? REC_F_KERNEL_PAGES : 0);
	__u64 task = task_logical(c->runtime);
	struct rec_data *r = rec_data_new(wanted, p);

	if (!r) {
		rec_dropped(n);
		return;
	}
	cap = r->cap;
	rec_head_fill(&r->h, REC_DATA, TRANSPORT_TCP, c->service, c->cookie, now);
	r->h.flags = flags;
	r->h.tgid = c->tgid;
	r->h.tid = c->tid;
	r->pos = io->pos;
	r->len = io->len;
	r->queue_ns = queue_ns;
	r->task = task;
	r->dir = io->dir;
	r->role = c->role;
	r->pad = 0;
	c->payload_left -= cap;
	rec_counted(n, cap);
	rec_submit(r);
}

/* Bytes of a watched socket. `sk` may be untrusted (it is only read); c->role is known as well as can be. */
static __always_inline void io_bytes(struct sock *sk, struct conn *c, struct io *io, struct payload *p)
{
	__u32 service = c->service;	/* a key on the stack: before 6.2 a function's argument is no map key */
	const struct service_policy *sp = bpf_map_lookup_elem(&services, &service);
	struct service_counters *n = counters_of(service);
	__u64 now, who;
	const struct verdict *said;
	bool repaired = false, continues;
	__s64 fresh;

	if (!sp || !n || sp->mode == CAPTURE_IGNORE || !io->len)
		return;
	io_begin(c, io);
	io_leave_out_fins(c, io);
	if (io->dir == IO_RECV && !io_clip_read(c, io, p))
		return;
	now = bpf_ktime_get_ns();
	who = bpf_get_current_pid_tgid();
	c->tgid = who >> 32;
	c->tid = who;
	continues = io_continues_send(c, io);
	if (c->role)
		repaired = io_turn(c, io, now);
	fresh = io_advance(c, io);
	__sync_fetch_and_add(io->dir == IO_SEND ? &n->bytes_sent : &n->bytes_received, fresh);
	if (continues || sp->mode == CAPTURE_TURNS)
		return;
	said = verdict_of(c->cookie);
	io_budget(c, io, sp, said);
	conn_announce(sk, c, io->sent_now, io->read_now, now);
	io_emit(c, io, p, io_wanted(c, io, p, said), repaired, now, n);
}

#endif
