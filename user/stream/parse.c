/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h. The parser's position is flow.want. It runs ahead of flow.next while a body is skipped, and stays
 * behind it while a head is incomplete. Where the capture has a hole (a budget ended) and the parser needs
 * those bytes, the lane is lost until its next turn. */
#include "stream/parse.h"

#include "stream/sniff.h"

#define FAILURES_MAX 8

static unsigned proto_place(const struct stream_table *t, const struct proto *p)
{
	for (unsigned i = 0; p && t->opt.protos[i]; i++)
		if (t->opt.protos[i] == p)
			return i + 1;
	return 0;
}

void parse_tell_verdict(struct stream_table *t, const struct conn *c, const struct dialog *d)
{
	struct verdict v = {
		.conn = c->cookie,
		.proto = (uint8_t)proto_place(t, d->proto),
		.flags = (d->opaque ? VERDICT_TURNS_ONLY : 0) | (d->overlaps ? VERDICT_OVERLAPS : 0),
	};

	if (t->sink.verdict)
		t->sink.verdict(t->sink.ctx, &v);
}

static struct side *side_in(const struct work *w, unsigned lane, struct pending *p)
{
	return conn_dir(w->conn, lane) == DIR_REQUEST ? &p->x.request : &p->x.response;
}

/* ---- messages --------------------------------------------------------------------------------- */

static void side_begin(struct side *side, const struct flow *f)
{
	const struct mark *m = flow_mark(f, f->want);

	side->seen = true;
	side->pos = side->end = f->want;
	side->queue_ns = ABSENT_NS;
	if (!m)
		return;
	side->first_ns = side->last_ns = m->ts_ns;
	side->task = m->task;
	side->tgid = m->tgid;
	side->tid = m->tid;
	if (!m->send && m->queue_ns != ~0u)
		side->queue_ns = m->queue_ns;
}

static void side_end(struct pending *p, struct side *side, const struct flow *f)
{
	const struct mark *m = flow_mark(f, f->want ? f->want - 1 : 0);

	side->end = f->want;
	side->complete = !side->cut;
	if (!m)
		return;
	side->last_ns = m->ts_ns;
	p->big_claim = m->send && m->len > BIG_CLAIM_BYTES;
}

static struct pending *pending_make(struct stream_table *t)
{
	struct pending *p = t->pendings.n ? pool_take_zeroed(&t->pendings) : pending_new();

	if (p)
		p->x.request.arena.pool = p->x.response.arena.pool = &t->blocks;
	return p;
}

/* Who a message that begins now belongs to. NULL: out of memory. */
static struct pending *message_owner(struct stream_table *t, struct work *w, enum dir dir, const struct msg *m)
{
	struct dialog *d = w->dialog;
	struct pending *p = NULL;

	if (m->kind == MSG_RESPONSE && dir == DIR_RESPONSE)
		p = pairs_match(&w->pairs, m->id);
	if (p)
		return p;
	p = pending_make(t);
	if (!p)
		return NULL;
	p->x.proto = d->proto;
	p->x.id = m->id;
	p->x.request.queue_ns = p->x.response.queue_ns = ABSENT_NS;
	p->turn = w->turn.ordinal;
	p->x.oneway = m->kind == MSG_ONEWAY;
	p->orphan = !p->x.oneway && (dir == DIR_RESPONSE || m->kind == MSG_RESPONSE);
	if (p->orphan && dir == DIR_RESPONSE && d->requested && !d->distrust)
		table_service(t, w->conn)->unmatched++;
	return p;
}

static void request_begin(struct stream_table *t, struct work *w, struct pending *p)
{
	struct dialog *d = w->dialog;

	p->x.first_on_conn = !d->requested && !w->conn->old;
	d->requested = true;
	if (p->x.oneway)
		return;
	p->unpaired = d->distrust && !p->x.id;
	if (p->unpaired)
		return;
	if (t->opt.pending_max && w->pairs.n >= t->opt.pending_max)
		outcome_shed_oldest(t, w);
	pairs_add(&w->pairs, p);
}

/* A message of a lane that begins while one is open there: the older one has no end of its own. */
static void message_abandon(struct stream_table *t, struct work *w, struct lane *l)
{
	struct pending *p = l->open;

	l->open = NULL;
	if (p && (p->orphan || p->x.oneway || p->unpaired))
		outcome_discard(t, w, p);
}

static bool message_begin(struct stream_table *t, struct work *w, unsigned lane, const struct msg *m)
{
	struct lane *l = &w->lanes[lane];
	enum dir dir = conn_dir(w->conn, lane);
	struct pending *p;
	struct side *side;

	message_abandon(t, w, l);
	p = message_owner(t, w, dir, m);
	if (!p)
		return false;
	side = side_in(w, lane, p);
	side_begin(side, &l->flow);
	if (!p->x.key)
		p->x.key = conn_key(w->conn, dir, l->flow.want);
	if (dir == DIR_REQUEST && !p->orphan)
		request_begin(t, w, p);
	l->open = p;
	return true;
}

/* Several requests were under way at a time: nothing was missed, and one more was made before this answer
 * (by its time: its record may only have come early). */
static void notice_overlap(struct stream_table *t, struct work *w, const struct pending *answered)
{
	const struct pending *next = w->pairs.waiting.head;
	struct dialog *d = w->dialog;

	if (!next || next->doubtful || answered->x.response.repaired ||
	    next->x.request.first_ns >= answered->x.response.last_ns)
		return;
	d->async |= next->turn != answered->turn;
	if (d->overlaps)
		return;
	d->overlaps = true;
	parse_tell_verdict(t, w->conn, d);
}

/* The open message of the lane is over; the exchange may be. */
static void message_close(struct stream_table *t, struct work *w, unsigned lane)
{
	struct lane *l = &w->lanes[lane];
	struct pending *p = l->open;
	bool response = p == NULL ? false : &p->x.response == side_in(w, lane, p);

	l->open = NULL;
	if (!p)
		return;
	if (p->orphan) {
		outcome_discard(t, w, p);
	} else if (response || p->x.oneway) {
		outcome_finish(t, w, p, END_COMPLETE);
		if (response && !p->x.oneway)
			notice_overlap(t, w, p);
	} else if (p->unpaired) {
		outcome_finish(t, w, p, END_LOST);
	}
}

static void message_end(struct stream_table *t, struct work *w, unsigned lane)
{
	struct lane *l = &w->lanes[lane];
	bool handoff = l->handoff;

	l->ending = l->handoff = false;
	if (l->open)
		side_end(l->open, side_in(w, lane, l->open), &l->flow);
	message_close(t, w, lane);
	w->dialog->failures = 0;
	if (handoff)
		dialog_opaque(t, w->conn, w->dialog);
}

void parse_end_unframed(struct stream_table *t, struct work *w, unsigned lane, bool known)
{
	struct lane *l = &w->lanes[lane];
	struct side *side;

	if (!l->open)
		return;
	side = side_in(w, lane, l->open);
	side->end = l->flow.next;
	side->last_ns = l->last_ns;
	side->complete = known && !side->cut && !side->repaired;
	message_close(t, w, lane);
}

void parse_reach(struct stream_table *t, struct work *w, unsigned lane, uint64_t pos)
{
	if (w->lanes[lane].ending && w->lanes[lane].flow.want <= pos)
		message_end(t, w, lane);
}

/* ---- steps ------------------------------------------------------------------------------------ */

/* Where the step's memory and data go; NULL: to no message. */
static struct pending *step_target(struct work *w, unsigned lane, const struct msg *m)
{
	struct pending *p = w->lanes[lane].open;

	if (!m->id || (p && p->x.id == m->id))
		return p;
	for (p = w->pairs.waiting.head; p && p->x.id != m->id; )
		p = pending_next(p);
	return p ? p : w->lanes[lane].open;
}

static void step_apply(struct stream_table *t, struct work *w, unsigned lane, const struct msg *m, size_t n)
{
	struct lane *l = &w->lanes[lane];
	struct pending *p;

	if (m->begin && m->kind != MSG_NONE && !message_begin(t, w, lane, m))
		dialog_lose(w, lane);
	p = step_target(w, lane, m);
	if (p) {
		struct side *side = side_in(w, lane, p);

		arena_absorb(&side->arena, &l->scratch);
		if (m->data)
			side->data = m->data;
		side->cut |= m->partial;
		p->until_close |= m->until_close;
		l->open = p;
		outcome_charge(t, p);
		if (conn_dir(w->conn, lane) == DIR_REQUEST)
			outcome_announce(t, w->conn, p);
	}
	l->flow.want += n;
	l->handoff |= m->handoff;
	l->ending = m->end || (m->handoff && !l->open);
	if (m->until_close && !m->end)
		l->flow.want = UINT64_MAX;
	parse_reach(t, w, lane, l->flow.next);
}

/* One step on `in`; what parse() returned. A protocol that does not interleave messages allocates straight
 * from the open one. */
static ssize_t step(struct stream_table *t, struct work *w, unsigned lane, struct str in, bool cut)
{
	struct dialog *d = w->dialog;
	struct lane *l = &w->lanes[lane];
	bool straight = l->open && !d->proto->overlaps;
	struct side *side = straight ? side_in(w, lane, l->open) : NULL;
	struct msg m = { .arena = side ? &side->arena : &l->scratch, .cut = cut, .data = side ? side->data : NULL };
	ssize_t n = d->proto->parse(d->state, &t->opt.proto, conn_dir(w->conn, lane), in, &m);

	if (n > 0 && ((straight && m.begin) || (uint64_t)n > POS_MAX))
		n = -EPROTO;
	if (n > 0)
		step_apply(t, w, lane, &m, (size_t)n);
	arena_release(&l->scratch);
	return n;
}

static void parse_failed(struct stream_table *t, struct work *w, unsigned lane)
{
	struct dialog *d = w->dialog;

	t->stats.parse_failures[proto_place(t, d->proto) % ARRAY_SIZE(t->stats.parse_failures)]++;
	dialog_lose(w, lane);
	if (++d->failures >= FAILURES_MAX)
		dialog_opaque(t, w->conn, d);
}

static bool can_parse(const struct dialog *d, unsigned lane)
{
	return !d->lost[lane] && !d->opaque && d->proto;
}

/* The bytes at `at` are in a hole of the capture; in: what there is before it. */
static void parse_hole(struct stream_table *t, struct work *w, unsigned lane, struct str in, uint64_t at)
{
	struct lane *l = &w->lanes[lane];
	bool in_body = l->open && side_in(w, lane, l->open)->data;
	uint64_t need = at - l->turn_pos + 1;

	if (in.n)
		step(t, w, lane, in, true);
	if (!w->dialog->opaque && !in_body) {
		w->turn_ok = false;
		table_service(t, w->conn)->head_cut++;
		if (t->sink.head_cut)
			t->sink.head_cut(t->sink.ctx, w->conn->service, conn_dir(w->conn, lane),
					 (uint32_t)MIN(need, (uint64_t)CAPTURE_MAX));
	}
	w->dialog->lost[lane] = true;
	l->ending = false;
	flow_jump(&l->flow, l->flow.next);
}

static void parse_input(struct stream_table *t, struct work *w, unsigned lane, struct str in, bool hole)
{
	struct dialog *d = w->dialog;
	struct flow *f = &w->lanes[lane].flow;
	uint64_t at = f->want + in.n;

	while (in.n && can_parse(d, lane)) {
		ssize_t n = step(t, w, lane, in, false);

		if (n < 0)
			parse_failed(t, w, lane);
		if (n <= 0)
			break;
		str_skip(&in, (size_t)n);
	}
	if (!can_parse(d, lane))
		return;
	if (hole && f->want < f->next)
		parse_hole(t, w, lane, in, at);
	else if (flow_keep(f, in))
		parse_hole(t, w, lane, in, at);
}

/* ---- classification --------------------------------------------------------------------------- */

static bool dialog_classify(struct stream_table *t, struct work *w, unsigned lane, const struct sniffed *found)
{
	struct dialog *d = w->dialog;

	d->state = calloc(1, MAX(found->proto->state_size, (size_t)1));
	if (!d->state)
		return false;
	t->stats.memory += found->proto->state_size;
	d->proto = found->proto;
	d->overlaps = found->proto->overlaps;
	if (w->conn->role == ROLE_UNKNOWN)
		w->conn->role = (found->dir == DIR_REQUEST) == (lane == LANE_SEND) ? ROLE_ACTIVE : ROLE_PASSIVE;
	parse_tell_verdict(t, w->conn, d);
	return true;
}

/* Decides on the head of a turn. True: d->proto is set. */
static bool parse_sniff(struct stream_table *t, struct work *w, unsigned lane, struct str head, bool last)
{
	struct dialog *d = w->dialog;
	struct sniffed found = sniff(t->opt.protos, head, conn_dir(w->conn, lane), w->conn->role == ROLE_UNKNOWN,
				     conn_server_port(w->conn), last);

	if (found.proto && dialog_classify(t, w, lane, &found))
		return true;
	if (found.more && flow_keep(&w->lanes[lane].flow, head) == 0)
		return false;
	dialog_lose(w, lane);
	if (++d->tries >= SNIFF_TURNS_MAX)
		dialog_opaque(t, w->conn, d);
	return false;
}

/* ---- a lane ----------------------------------------------------------------------------------- */

/* Bytes before the fresh ones are missing; it costs nothing if the parser skips them anyway. */
static void parse_gap(struct stream_table *t, struct work *w, unsigned lane, uint64_t from, uint64_t to)
{
	struct flow *f = &w->lanes[lane].flow;

	if (f->want > from && f->want <= to && w->lanes[lane].ending) {
		if (w->lanes[lane].open)
			side_in(w, lane, w->lanes[lane].open)->repaired = true;
		message_end(t, w, lane);
	}
	if (f->want < to)
		dialog_lose(w, lane);
}

static void parse_fresh_input(struct stream_table *t, struct work *w, unsigned lane, const struct fresh *fresh)
{
	struct dialog *d = w->dialog;
	struct flow *f = &w->lanes[lane].flow;
	bool hole = fresh_has_hole(fresh);
	struct str in;

	if (flow_input(f, fresh, &in)) {
		parse_hole(t, w, lane, in, f->want + in.n);
		return;
	}
	if (d->proto || parse_sniff(t, w, lane, in, hole))
		parse_input(t, w, lane, in, hole);
}

void parse_fresh(struct stream_table *t, struct work *w, unsigned lane, const struct fresh *fresh, uint64_t gap)
{
	struct dialog *d = w->dialog;
	struct flow *f = &w->lanes[lane].flow;

	if (gap && !d->lost[lane] && !d->opaque)
		parse_gap(t, w, lane, fresh->pos - gap, fresh->pos);
	parse_reach(t, w, lane, f->next);
	if (d->lost[lane] || d->opaque) {
		w->turn_ok = w->turn_ok && w->lanes[lane].open && !gap && !d->opaque;
		flow_jump(f, f->next);
	} else if (f->want < f->next) {
		parse_fresh_input(t, w, lane, fresh);
	}
}

void parse_turn_over(struct stream_table *t, struct work *w, unsigned lane)
{
	struct flow *f = &w->lanes[lane].flow;
	struct str in = { f->bytes, f->n };

	if (w->dialog->proto || !f->n || w->dialog->opaque)
		return;
	if (parse_sniff(t, w, lane, in, true))
		parse_input(t, w, lane, in, false);
}
