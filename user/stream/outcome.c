/* SPDX-License-Identifier: Apache-2.0 */
/* outcome.h. A send claims its bytes before the socket took them, so a response is told only when no later
 * claim of the same bytes can come: after a later record, or after time. */
#include "stream/outcome.h"

void outcome_charge(struct stream_table *t, struct pending *p)
{
	size_t bytes = pending_bytes(p);

	t->stats.memory += bytes - p->charged;
	p->charged = (uint32_t)bytes;
}

void outcome_discard(struct stream_table *t, struct work *w, struct pending *p)
{
	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (w->lanes[i].open == p)
			w->lanes[i].open = NULL;
	t->stats.memory -= p->charged;
	pending_release(p);
	pool_give(&t->pendings, p);
}

void outcome_announce(struct stream_table *t, const struct conn *c, struct pending *p)
{
	struct conn_facts facts;

	if (p->announced || p->orphan || !p->x.request.data)
		return;
	p->announced = true;
	if (!t->sink.request)
		return;
	conn_facts(c, &facts);
	p->x.facts = &facts;
	t->sink.request(t->sink.ctx, &p->x);
	p->x.facts = NULL;
}

/* Tells an exchange that is in no list any more. */
static void outcome_tell(struct stream_table *t, struct work *w, struct pending *p)
{
	struct stream_service_stats *stats = table_service(t, w->conn);
	struct conn_facts facts;

	outcome_announce(t, w->conn, p);
	conn_facts(w->conn, &facts);
	p->x.facts = &facts;
	stats->exchanges++;
	stats->unanswered += !p->x.response.seen && !p->x.oneway;
	if (t->sink.exchange)
		t->sink.exchange(t->sink.ctx, &p->x);
	outcome_discard(t, w, p);
}

void outcome_finish(struct stream_table *t, struct work *w, struct pending *p, enum exchange_end end)
{
	p->x.end = end;
	p->tick = t->ticks;
	pairs_finish(&w->pairs, p);
}

/* The side that ends the exchange, and the lane it flows in. */
static const struct side *last_side(const struct work *w, const struct pending *p, unsigned *lane)
{
	bool response = p->x.response.seen;

	*lane = conn_dir(w->conn, LANE_SEND) == (response ? DIR_RESPONSE : DIR_REQUEST) ? LANE_SEND : LANE_RECV;
	return response ? &p->x.response : &p->x.request;
}

static bool is_settled_by(const struct work *w, const struct pending *p, const struct segment *s)
{
	unsigned lane, mine = s->io == IO_RECV;
	const struct side *side = last_side(w, p, &lane);

	return lane == mine ? s->pos >= side->end : p->big_claim;
}

void outcome_settle(struct stream_table *t, struct work *w, const struct segment *s)
{
	struct pending *p = w->pairs.done.head, *next;

	for (; p; p = next) {
		next = pending_next(p);
		if (!is_settled_by(w, p, s))
			continue;
		pending_take(&w->pairs.done, p);
		outcome_tell(t, w, p);
	}
}

static void tell_done(struct stream_table *t, struct work *w)
{
	struct pending *p;

	while ((p = w->pairs.done.head)) {
		pending_take(&w->pairs.done, p);
		outcome_tell(t, w, p);
	}
}

/* A request that got no response, for the reason `end` or because we may have missed the response. */
static void tell_unanswered(struct stream_table *t, struct work *w, struct pending *p, enum exchange_end end)
{
	p->x.end = p->doubtful ? END_LOST : end;
	pairs_give_up(&w->pairs, p);
	outcome_tell(t, w, p);
}

static void give_up_old(struct stream_table *t, struct work *w)
{
	struct pending *p = w->pairs.waiting.head, *next;

	for (; p; p = next) {
		uint64_t since = p->x.request.last_ns;

		next = pending_next(p);
		if (t->opt.pending_timeout_ns && !p->x.response.seen && t->now_ns > since &&
		    t->now_ns - since > t->opt.pending_timeout_ns)
			tell_unanswered(t, w, p, END_TIMEOUT);
		else if (!p->x.id)
			break;
	}
}

void outcome_tick(struct stream_table *t, struct work *w)
{
	struct pending *p = w->pairs.done.head, *next;

	for (; p; p = next) {
		next = pending_next(p);
		if (t->ticks - p->tick < (p->big_claim ? 2u : 1u))
			continue;
		pending_take(&w->pairs.done, p);
		outcome_tell(t, w, p);
	}
	give_up_old(t, w);
}

void outcome_lose_waiting(struct stream_table *t, struct work *w)
{
	struct pending *p = w->pairs.waiting.head, *next;

	for (; p; p = next) {
		next = pending_next(p);
		if (!p->x.id && !p->x.response.seen)
			tell_unanswered(t, w, p, END_LOST);
	}
	w->pairs.given_up = 0;
}

void outcome_shed_oldest(struct stream_table *t, struct work *w)
{
	struct pending *p = w->pairs.waiting.head;

	if (!p)
		return;
	t->stats.shed_exchanges++;
	tell_unanswered(t, w, p, END_LOST);
}

/* Messages that are on no list: one-way requests under way, and responses without a request. */
static void discard_open(struct stream_table *t, struct work *w)
{
	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (w->lanes[i].open)
			outcome_discard(t, w, w->lanes[i].open);
}

void outcome_end_all(struct stream_table *t, struct work *w, enum exchange_end end)
{
	tell_done(t, w);
	while (w->pairs.waiting.head)
		tell_unanswered(t, w, w->pairs.waiting.head, end);
	discard_open(t, w);
	w->pairs.given_up = 0;
}

void outcome_flush(struct stream_table *t, struct work *w)
{
	struct pending *p;

	tell_done(t, w);
	while ((p = w->pairs.waiting.head)) {
		pairs_give_up(&w->pairs, p);
		outcome_discard(t, w, p);
	}
	discard_open(t, w);
}
