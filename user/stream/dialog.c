/* SPDX-License-Identifier: Apache-2.0 */
/* dialog.h. Both directions share the parser's state, so segments are taken in the order of their times.
 * What makes one wait: bytes before it are missing (another CPU's record may bring them), or it is an answer
 * and nothing was asked. Nothing waits longer than two ticks.
 *
 * After a loss a lane is parsed again from its next turn. Answers in order are matched again from there too,
 * which is right where a client waits for its answers before it asks again. Where requests were seen to
 * overtake older answers (`async`), nothing tells whose answer comes next: there, pairing in order rests
 * until the connection paused. */
#include "stream/dialog.h"

#include "stream/parse.h"
#include "stream/sniff.h"

#define HOLD_TICKS 2
#define QUIET_NS NSEC_PER_SEC
/* A request's record may come after its answer's, stamped later, only by what a system call takes to return. */
#define LATE_STAMP_NS NSEC_PER_MSEC

static unsigned other(unsigned lane)
{
	return LANE_COUNT - 1 - lane;
}

void dialog_init(struct dialog *d, const struct conn *c, uint8_t layer)
{
	*d = (struct dialog){ .layer = layer };
	for (unsigned i = 0; i < LANE_COUNT; i++)
		d->lost[i] = c->old && layer;
}

/* ---- the working part ------------------------------------------------------------------------- */

static void work_link(struct stream_table *t, struct work *w)
{
	w->older = t->newest;
	w->newer = NULL;
	if (t->newest)
		t->newest->newer = w;
	else
		t->oldest = w;
	t->newest = w;
}

static void work_unlink(struct stream_table *t, struct work *w)
{
	if (w->older)
		w->older->newer = w->newer;
	else
		t->oldest = w->newer;
	if (w->newer)
		w->newer->older = w->older;
	else
		t->newest = w->older;
}

static struct work *dialog_work(struct stream_table *t, struct conn *c, struct dialog *d)
{
	struct work *w = d->work;

	if (w) {
		work_unlink(t, w);
		work_link(t, w);
		return w;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->conn = c;
	w->dialog = d;
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		flow_open(&w->lanes[i].flow, d->next[i]);
		w->lanes[i].scratch.pool = &t->blocks;
	}
	d->work = w;
	work_link(t, w);
	t->stats.memory += sizeof(*w);
	return w;
}

void dialog_charge(struct stream_table *t, struct work *w)
{
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		struct lane *l = &w->lanes[i];

		t->stats.memory += (size_t)l->flow.size - l->charged;
		l->charged = l->flow.size;
	}
}

/* A turn is counted on the layer that is read: where TLS plaintext is seen, not on the bytes that carry it. */
static void turn_count(struct stream_table *t, struct work *w)
{
	struct stream_service_stats *stats = table_service(t, w->conn);
	unsigned response = conn_dir(w->conn, LANE_SEND) == DIR_RESPONSE ? LANE_SEND : LANE_RECV;

	if (w->conn->tls && w->dialog != w->conn->tls)
		return;
	stats->turns++;
	stats->turns_understood += w->turn_ok && w->lanes[response].flow.n == 0;
}

static void held_free(struct stream_table *t, struct work *w)
{
	while (w->hold.first) {
		uint32_t before = w->hold.bytes;

		free(hold_take(&w->hold, &w->hold.first));
		t->stats.memory -= before - w->hold.bytes;
	}
}

static void work_free(struct stream_table *t, struct work *w)
{
	struct dialog *d = w->dialog;
	struct turn closed;

	if (turn_finish(&w->turn, &closed))
		turn_count(t, w);
	held_free(t, w);
	outcome_flush(t, w);
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		d->next[i] = w->lanes[i].flow.next;
		flow_release(&w->lanes[i].flow);
		arena_release(&w->lanes[i].scratch);
	}
	dialog_charge(t, w);
	work_unlink(t, w);
	t->stats.memory -= sizeof(*w);
	d->work = NULL;
	free(w);
}

static void state_free(struct stream_table *t, struct dialog *d)
{
	if (!d->state)
		return;
	if (d->proto->done)
		d->proto->done(d->state);
	t->stats.memory -= d->proto->state_size;
	free(d->state);
	d->state = NULL;
	d->proto = NULL;
}

void dialog_release(struct stream_table *t, struct dialog *d)
{
	if (d->work)
		work_free(t, d->work);
	state_free(t, d);
}

/* ---- losing and finding the way --------------------------------------------------------------- */

void dialog_lose(struct work *w, unsigned lane)
{
	struct dialog *d = w->dialog;
	struct lane *l = &w->lanes[lane];

	d->lost[lane] = true;
	d->distrust |= d->async;
	w->turn_ok = false;
	l->ending = l->handoff = false;
	flow_jump(&l->flow, l->flow.next);
	if (conn_dir(w->conn, lane) == DIR_REQUEST)
		return;
	if (l->open)
		l->open->x.response.repaired = true;
	for (struct pending *p = w->pairs.waiting.head; p; p = pending_next(p))
		p->doubtful |= !p->x.response.seen;
}

void dialog_opaque(struct stream_table *t, struct conn *c, struct dialog *d)
{
	struct work *w = d->work;

	if (d->opaque)
		return;
	d->opaque = true;
	outcome_lose_waiting(t, w);
	for (unsigned i = 0; i < LANE_COUNT; i++)
		flow_jump(&w->lanes[i].flow, w->lanes[i].flow.next);
	state_free(t, d);
	parse_tell_verdict(t, c, d);
}

static void dialog_resync(struct dialog *d, enum dir dir)
{
	if (!d->state)
		return;
	if (d->proto->resync) {
		d->proto->resync(d->state, dir);
		return;
	}
	if (d->proto->done)
		d->proto->done(d->state);
	memset(d->state, 0, d->proto->state_size);
}

/* ---- turns ------------------------------------------------------------------------------------ */

/* The other side speaks now, in `lane` from `pos` on. What the side before left open is decided by that. */
static void dialog_flip(struct stream_table *t, struct work *w, unsigned lane, uint64_t pos, uint64_t ts_ns)
{
	struct dialog *d = w->dialog;
	unsigned before = other(lane);
	enum dir dir = conn_dir(w->conn, lane);

	parse_turn_over(t, w, before);
	if (d->lost[before] && d->last)
		parse_end_unframed(t, w, before, true);
	if (dir == DIR_REQUEST && d->lost[before])
		outcome_lose_waiting(t, w);
	if (dir == DIR_REQUEST && ts_ns > d->last_ns && ts_ns - d->last_ns >= QUIET_NS)
		d->distrust = false;
	w->lanes[lane].turn_pos = pos;
	/* The very first record of an old connection may be in the middle of a turn; a request's content tells. */
	if (!d->lost[lane] || (!d->last && (dir != DIR_REQUEST || d->proto)))
		return;
	parse_end_unframed(t, w, lane, false);
	dialog_resync(d, dir);
	d->lost[lane] = false;
	flow_jump(&w->lanes[lane].flow, pos);
	w->lanes[lane].flow.next = pos;
}

static void dialog_turn(struct stream_table *t, struct work *w, unsigned lane, uint64_t pos, uint64_t end,
			uint64_t ts_ns)
{
	bool is_request = conn_dir(w->conn, lane) == DIR_REQUEST;
	struct turn closed;

	if (is_request && w->turn.phase == TURN_RESPONSE)
		turn_count(t, w);
	if (is_request && w->turn.phase != TURN_REQUEST)
		w->turn_ok = true;
	turn_step(&w->turn, is_request, pos, end, ts_ns, &closed);
}

/* The kernel skipped a firing of the other direction: a turn that nobody saw lies before this segment. */
static void dialog_hidden_turn(struct stream_table *t, struct work *w, unsigned lane, uint64_t ts_ns)
{
	struct dialog *d = w->dialog;
	unsigned hidden = other(lane);
	uint64_t pos = w->lanes[hidden].flow.next;

	dialog_flip(t, w, hidden, pos, ts_ns);
	dialog_turn(t, w, hidden, pos, pos, ts_ns);
	dialog_lose(w, hidden);
	d->hidden[hidden] = true;
	d->last = (uint8_t)(hidden + 1);
}

/* ---- one segment in its place ------------------------------------------------------------------ */

/* A send showed old bytes again: the socket had not taken them. Their time is now. */
static void dialog_reclaim(struct work *w, unsigned lane, const struct segment *s)
{
	bool response = conn_dir(w->conn, lane) == DIR_RESPONSE;
	struct pending *lists[] = { w->pairs.waiting.head, w->pairs.done.head, w->lanes[lane].open };

	if (s->io != IO_SEND)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (struct pending *p = lists[i]; p; p = pending_next(p)) {
			struct side *side = response ? &p->x.response : &p->x.request;

			if (side->seen && side->end > s->pos && side->end <= s->pos + s->len)
				side->last_ns = MAX(side->last_ns, s->ts_ns);
		}
}

/* The first segment of a lane tells where it stands; position 0 is never the middle of anything. */
static void dialog_place(struct work *w, unsigned lane, uint64_t pos)
{
	struct dialog *d = w->dialog;

	if (d->lost[lane] || pos < w->lanes[lane].flow.next)
		flow_open(&w->lanes[lane].flow, pos);
	d->lost[lane] = d->lost[lane] && pos;
	d->placed[lane] = true;
}

/* The lane's turn begins with this segment. After a lost turn there may be bytes missing in front: if not
 * all of them are accounted for, the beginning of this turn may be among them. */
static void dialog_turn_begins(struct stream_table *t, struct work *w, const struct segment *s, uint64_t gap)
{
	struct dialog *d = w->dialog;
	unsigned lane = s->io == IO_RECV;
	bool was_lost = d->lost[lane], explained = d->hidden[lane] && !(s->flags & REC_F_REPAIRED);

	dialog_flip(t, w, lane, MAX(s->pos, w->lanes[lane].flow.next), s->ts_ns);
	d->hidden[lane] = false;
	if (gap && was_lost && !d->lost[lane] && !explained)
		dialog_lose(w, lane);
}

static void dialog_take(struct stream_table *t, struct work *w, const struct segment *s)
{
	struct dialog *d = w->dialog;
	unsigned lane = s->io == IO_RECV;
	struct lane *l = &w->lanes[lane];
	struct fresh fresh;
	uint64_t gap;

	if (!d->placed[lane])
		dialog_place(w, lane, s->pos);
	if (s->pos < l->flow.next)
		dialog_reclaim(w, lane, s);
	if (s->pos + s->len <= l->flow.next)
		return;
	outcome_settle(t, w, s);
	if ((s->flags & REC_F_REPAIRED) && d->last == lane + 1 && !d->opaque)
		dialog_hidden_turn(t, w, lane, s->ts_ns);
	gap = flow_gap(&l->flow, s);
	if (gap) {
		table_service(t, w->conn)->gaps++;
		table_service(t, w->conn)->gap_bytes += gap;
	}
	if (d->last != lane + 1)
		dialog_turn_begins(t, w, s, gap);
	d->last = (uint8_t)(lane + 1);
	d->last_ns = MAX(d->last_ns, s->ts_ns);
	dialog_turn(t, w, lane, s->pos, s->pos + s->len, s->ts_ns);
	l->last_ns = s->ts_ns;
	if (flow_accept(&l->flow, s, &fresh))
		parse_fresh(t, w, lane, &fresh, gap);
}

/* ---- order ------------------------------------------------------------------------------------ */

/* The protocol of a lane's segment, also of the very first one. */
static const struct proto *expected_proto(const struct stream_table *t, const struct work *w, const struct segment *s)
{
	const struct dialog *d = w->dialog;
	struct str head = { s->data, s->cap };

	if (d->proto || d->last || d->opaque)
		return d->proto;
	return sniff(t->opt.protos, head, DIR_RESPONSE, false, conn_server_port(w->conn), false).proto;
}

/* An answer, where only answers to something are expected, and nothing was asked. */
static bool is_early(const struct stream_table *t, const struct work *w, const struct segment *s)
{
	const struct dialog *d = w->dialog;
	unsigned lane = s->io == IO_RECV;
	const struct lane *l = &w->lanes[lane];
	const struct proto *p;

	if (conn_dir(w->conn, lane) != DIR_RESPONSE || w->conn->role == ROLE_UNKNOWN || pairs_expect(&w->pairs) ||
	    (s->flags & REC_F_REPAIRED) || d->lost[lane])
		return false;
	if (l->open || l->flow.n || l->flow.want != l->flow.next || s->pos + s->len <= l->flow.next)
		return false;
	p = expected_proto(t, w, s);
	return p && !p->server_speaks_first && !p->overlaps;
}

static bool is_ahead(const struct work *w, const struct segment *s)
{
	unsigned lane = s->io == IO_RECV;

	return (w->dialog->placed[lane] || !w->dialog->lost[lane]) && !w->dialog->opaque && s->pos > w->lanes[lane].flow.next;
}

/* The first held segment that may be taken now. One that waits for missing bytes blocks the other direction
 * behind it; an early answer lets a request pass that was stamped just after it, unless a lost request is
 * why nothing waits for the answer. */
static struct held **hold_ready(const struct stream_table *t, struct work *w)
{
	bool lost = w->dialog->lost[LANE_SEND] || w->dialog->lost[LANE_RECV];
	uint64_t late = lost ? 0 : LATE_STAMP_NS;
	const struct segment *early = NULL;
	int blocked = -1;

	for (struct held **at = &w->hold.first; *at; at = &(*at)->next) {
		const struct segment *s = &(*at)->s;
		int lane = s->io == IO_RECV;

		if ((blocked >= 0 && blocked != lane) || (early && s->ts_ns > early->ts_ns + late))
			continue;
		if (is_ahead(w, s))
			blocked = lane;
		else if (is_early(t, w, s))
			early = early ? early : s;
		else
			return at;
	}
	return NULL;
}

static void hold_release(struct stream_table *t, struct work *w, struct held **at)
{
	uint32_t before = w->hold.bytes;
	struct held *h = hold_take(&w->hold, at);

	t->stats.memory -= before - w->hold.bytes;
	dialog_take(t, w, &h->s);
	free(h);
}

static void hold_release_ready(struct stream_table *t, struct work *w)
{
	struct held **at;

	while ((at = hold_ready(t, w)))
		hold_release(t, w, at);
}

void dialog_drain(struct stream_table *t, struct dialog *d)
{
	while (d->work && d->work->hold.first) {
		hold_release(t, d->work, &d->work->hold.first);
		hold_release_ready(t, d->work);
	}
}

static void dialog_hold(struct stream_table *t, struct work *w, const struct segment *s)
{
	uint32_t before = w->hold.bytes;

	if (hold_add(&w->hold, s, t->ticks))
		return;
	t->stats.memory += w->hold.bytes - before;
	hold_release_ready(t, w);
	while (hold_is_full(&w->hold)) {
		hold_release(t, w, &w->hold.first);
		hold_release_ready(t, w);
	}
}

void dialog_segment(struct stream_table *t, struct conn *c, struct dialog *d, const struct segment *s)
{
	struct work *w = dialog_work(t, c, d);

	if (!w)
		return;
	if (w->hold.first || is_ahead(w, s) || is_early(t, w, s))
		dialog_hold(t, w, s);
	else
		dialog_take(t, w, s);
	dialog_charge(t, w);
}

/* ---- time and end ----------------------------------------------------------------------------- */

static bool is_quiet(const struct stream_table *t, const struct work *w)
{
	const struct dialog *d = w->dialog;

	if (w->hold.first || w->pairs.waiting.head || w->pairs.done.head || w->pairs.given_up)
		return false;
	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (w->lanes[i].open || w->lanes[i].flow.n || w->lanes[i].flow.want != w->lanes[i].flow.next)
			return false;
	return t->now_ns > d->last_ns && t->now_ns - d->last_ns > QUIET_NS;
}

void dialog_tick(struct stream_table *t, struct conn *c, struct dialog *d)
{
	struct work *w = d->work;
	bool paused = t->now_ns > d->last_ns && t->now_ns - d->last_ns > QUIET_NS;

	while (w->hold.first && t->ticks - w->hold.first->tick >= HOLD_TICKS) {
		hold_release(t, w, &w->hold.first);
		hold_release_ready(t, w);
	}
	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (paused && d->lost[i] && conn_dir(c, i) == DIR_RESPONSE)
			parse_end_unframed(t, w, i, false);
	outcome_tick(t, w);
	dialog_charge(t, w);
	if (is_quiet(t, w))
		work_free(t, w);
}

static const enum exchange_end ends[] = {
	[CLOSE_FIN] = END_CLOSED,
	[CLOSE_RESET] = END_RESET,
	[CLOSE_TIMEOUT] = END_TIMEOUT,
	[CLOSE_UNKNOWN] = END_CLOSED,
};

/* What was claimed beyond the final position never left: such a response is not complete. */
static void clip_done(struct work *w, unsigned lane, uint64_t final, enum exchange_end end)
{
	for (struct pending *p = w->pairs.done.head; p; p = pending_next(p)) {
		struct side *side = conn_dir(w->conn, lane) == DIR_REQUEST ? &p->x.request : &p->x.response;

		if (!side->seen || side->end <= final)
			continue;
		side->end = MAX(side->pos, final);
		side->complete = false;
		if (side == &p->x.response && !p->until_close)
			p->x.end = end;
	}
}

static void lane_close(struct stream_table *t, struct work *w, unsigned lane, const struct rec_close *r)
{
	uint64_t final = lane == LANE_SEND ? r->sent_pos : r->recv_pos;
	struct lane *l = &w->lanes[lane];
	bool exact = r->how != CLOSE_UNKNOWN && w->dialog->layer == 0;
	bool missed = exact && final > l->flow.next;

	parse_turn_over(t, w, lane);
	if (missed) {
		table_service(t, w->conn)->gaps++;
		table_service(t, w->conn)->gap_bytes += final - l->flow.next;
		if (l->ending && l->open && l->flow.want <= final)
			l->open->x.response.repaired = true;
		parse_reach(t, w, lane, final);
	}
	if (l->open && (l->open->until_close || w->dialog->lost[lane]) &&
	    (r->how == CLOSE_FIN || r->how == CLOSE_UNKNOWN))
		parse_end_unframed(t, w, lane, r->how == CLOSE_FIN && !missed);
	if (missed)
		dialog_lose(w, lane);
	if (exact)
		clip_done(w, lane, final, ends[r->how]);
}

void dialog_close(struct stream_table *t, struct dialog *d, const struct rec_close *r)
{
	dialog_drain(t, d);
	if (!d->work)
		return;
	for (unsigned i = 0; i < LANE_COUNT; i++)
		lane_close(t, d->work, i, r);
	outcome_end_all(t, d->work, ends[r->how]);
}
