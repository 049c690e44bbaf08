/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h: records to the conversations they belong to; memory. */
#include "stream/table.h"

#include "proto/list.h"
#include "stream/outcome.h"

#define CLOSING_TICKS 2
#define SPARES_MAX 256		/* about as many exchanges as end between two ticks: 0.6 MiB */

int stream_table_new(struct stream_table **out, const struct stream_options *opt, const struct stream_sink *sink)
{
	struct stream_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->opt = *opt;
	t->sink = *sink;
	if (!t->opt.protos)
		t->opt.protos = protos;
	t->pendings = (struct pool){ .size = sizeof(struct pending), .max = SPARES_MAX };
	t->blocks = (struct pool){ .size = ARENA_BLOCK_BYTES, .max = 2 * SPARES_MAX };
	*out = t;
	return 0;
}

/* Where both ends of a connection are watched, they learn of each other. */
static void ends_meet(struct stream_table *t, struct conn *c)
{
	uint64_t key = conn_ends_key(c);
	struct conn *first = key ? hash_get(&t->ends, key) : NULL;

	if (!key)
		return;
	if (!first) {
		hash_put(&t->ends, key, c);	/* no memory: they stay strangers */
	} else if (conn_is_other_end(first, c)) {
		first->peer_service = c->service;
		c->peer_service = first->service;
	}
}

static void ends_part(struct stream_table *t, const struct conn *c)
{
	uint64_t key = conn_ends_key(c);

	if (key && hash_get(&t->ends, key) == c)
		hash_del(&t->ends, key);
}

static void conn_release(struct stream_table *t, struct conn *c)
{
	ends_part(t, c);
	dialog_release(t, &c->plain);
	if (c->tls)
		dialog_release(t, c->tls);
	t->stats.memory -= conn_bytes(c);
	t->stats.connections--;
	conn_free(c);
}

void stream_table_free(struct stream_table *t)
{
	struct conn *c;

	if (!t)
		return;
	while (t->closing) {
		struct closing *next = t->closing->next;

		free(t->closing);
		t->closing = next;
	}
	for (size_t i = 0; (c = hash_next(&t->conns, &i)); )
		conn_release(t, c);
	hash_release(&t->conns);
	hash_release(&t->ends);
	pool_release(&t->pendings);
	pool_release(&t->blocks);
	free(t);
}

/* ---- memory ----------------------------------------------------------------------------------- */

static bool is_over(const struct stream_table *t)
{
	return t->opt.memory_max && t->stats.memory > t->opt.memory_max;
}

static void shed_bytes(struct stream_table *t, struct work *w)
{
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		uint32_t n = w->lanes[i].flow.n;

		if (!n)
			continue;
		t->stats.shed_payload += n;
		dialog_lose(w, i);
	}
	dialog_charge(t, w);
}

static void shed_unclassified(struct stream_table *t, struct work *w)
{
	if (!w->dialog->proto)
		shed_bytes(t, w);
}

static void shed_exchanges(struct stream_table *t, struct work *w)
{
	while (is_over(t) && w->pairs.waiting.head)
		outcome_shed_oldest(t, w);
}

/* The published order of shedding; in each step the least recently used connections first. */
static void table_shed(struct stream_table *t)
{
	static void (*const steps[])(struct stream_table *, struct work *) = {
		shed_unclassified, shed_bytes, shed_exchanges,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		for (struct work *w = t->oldest; w && is_over(t); w = w->newer)
			steps[i](t, w);
}

/* ---- records ---------------------------------------------------------------------------------- */

static void take_open(struct stream_table *t, const struct rec_conn *r)
{
	struct conn *c = hash_get(&t->conns, r->h.conn);

	if (c) {
		t->stats.memory -= conn_bytes(c);
		ends_part(t, c);
		conn_update(c, r);
		ends_meet(t, c);
		t->stats.memory += conn_bytes(c);
		return;
	}
	if (r->sent_pos > POS_MAX || r->recv_pos > POS_MAX || is_over(t) || conn_new(&c, r))
		return;
	if (hash_put(&t->conns, c->cookie, c)) {
		conn_free(c);
		return;
	}
	ends_meet(t, c);
	t->stats.connections++;
	t->stats.memory += conn_bytes(c);
}

static struct dialog *conn_dialog(struct stream_table *t, struct conn *c, uint8_t layer)
{
	if (!layer || c->tls)
		return layer ? c->tls : &c->plain;
	c->tls = malloc(sizeof(*c->tls));
	if (!c->tls)
		return NULL;
	dialog_init(c->tls, c, layer);
	t->stats.memory += sizeof(*c->tls);
	return c->tls;
}

static void take_segment(struct stream_table *t, struct conn *c, uint8_t layer, const struct segment *s, uint8_t role)
{
	struct dialog *d = conn_dialog(t, c, layer);

	if (c->role == ROLE_UNKNOWN && (role == ROLE_ACTIVE || role == ROLE_PASSIVE))
		c->role = role;
	if (d)
		dialog_segment(t, c, d, s);
}

/* One firing at the reader of a unix socket stands for both ends. Who wrote it is not known from there. */
static void take_mirror(struct stream_table *t, const struct conn *reader, const struct rec_data *r,
			const struct segment *s)
{
	struct conn *c = reader->peer_conn ? hash_get(&t->conns, reader->peer_conn) : NULL;
	struct segment sent = *s;

	if (!c || c == reader || s->io != IO_RECV)
		return;
	sent.io = IO_SEND;
	sent.task = 0;
	sent.tgid = sent.tid = 0;
	sent.queue_ns = ~0u;
	take_segment(t, c, r->h.layer, &sent,
		     r->role == ROLE_ACTIVE ? ROLE_PASSIVE : r->role == ROLE_PASSIVE ? ROLE_ACTIVE : ROLE_UNKNOWN);
}

static void take_data(struct stream_table *t, const struct rec_data *r)
{
	struct conn *c = hash_get(&t->conns, r->h.conn);
	struct segment s = {
		.pos = r->pos, .ts_ns = r->h.ts_ns, .task = r->task, .len = r->len, .cap = r->cap,
		.tgid = r->h.tgid, .tid = r->h.tid, .queue_ns = r->queue_ns, .io = r->dir,
		.flags = r->h.flags, .data = (const char *)r->data,
	};

	if (!c) {
		t->stats.unknown_records++;
		return;
	}
	/* The rest of this firing comes in a record of its own. */
	if (s.flags & REC_F_MORE)
		s.len = s.cap;
	if (!s.len)
		return;
	take_segment(t, c, r->h.layer, &s, r->role);
	if (r->h.flags & REC_F_MIRROR)
		take_mirror(t, c, r, &s);
}

static void conn_end(struct stream_table *t, struct conn *c, const struct rec_close *r)
{
	if (c->tls)
		dialog_close(t, c->tls, r);
	dialog_close(t, &c->plain, r);
	hash_del(&t->conns, c->cookie);
	conn_release(t, c);
}

/* Whether records that the close counts are still under way. */
static bool close_is_early(const struct conn *c, const struct rec_close *r)
{
	const struct dialog *d = &c->plain;
	uint64_t sent = d->work ? d->work->lanes[LANE_SEND].flow.next : d->next[LANE_SEND];
	uint64_t received = d->work ? d->work->lanes[LANE_RECV].flow.next : d->next[LANE_RECV];

	return (d->work && d->work->hold.first) || sent < r->sent_pos || received < r->recv_pos;
}

static void take_close(struct stream_table *t, const struct rec_close *r)
{
	struct conn *c = hash_get(&t->conns, r->h.conn);
	struct closing *late;

	if (!c) {
		t->stats.unknown_records++;
		return;
	}
	if (c->closing)
		return;
	late = close_is_early(c, r) ? malloc(sizeof(*late)) : NULL;
	if (!late) {
		conn_end(t, c, r);
		return;
	}
	*late = (struct closing){ .next = t->closing, .conn = c, .rec = *r, .tick = t->ticks };
	c->closing = true;
	t->closing = late;
}

static bool data_is_sound(const struct rec_data *r, size_t size)
{
	return r->cap <= size - sizeof(*r) && r->cap <= r->len && r->pos <= POS_MAX &&
	       (r->dir == IO_SEND || r->dir == IO_RECV) && r->h.layer < 2;
}

void stream_record(struct stream_table *t, const void *rec, size_t size)
{
	const struct rec_head *h = rec;

	if (size < sizeof(*h) || !h->conn)
		return;
	t->now_ns = MAX(t->now_ns, h->ts_ns);
	if (h->kind == REC_DATA && size >= sizeof(struct rec_data) && data_is_sound(rec, size))
		take_data(t, rec);
	else if (h->kind == REC_OPEN && size >= sizeof(struct rec_conn))
		take_open(t, rec);
	else if (h->kind == REC_CLOSE && size >= sizeof(struct rec_close) &&
		 ((const struct rec_close *)rec)->how <= CLOSE_UNKNOWN)
		take_close(t, rec);
	else if (h->kind == REC_CONNECT_FAILED && size >= sizeof(struct rec_conn) && t->sink.connect_failed)
		t->sink.connect_failed(t->sink.ctx, rec);
	if (is_over(t))
		table_shed(t);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void end_closing(struct stream_table *t, bool all)
{
	struct closing **at = &t->closing;

	while (*at) {
		struct closing *c = *at;

		if (!all && t->ticks - c->tick < CLOSING_TICKS) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		conn_end(t, c->conn, &c->rec);
		free(c);
	}
}

void stream_tick(struct stream_table *t, uint64_t now_ns)
{
	struct work *w, *newer;

	t->ticks++;
	t->now_ns = MAX(t->now_ns, now_ns);
	for (w = t->oldest; w; w = newer) {
		newer = w->newer;
		dialog_tick(t, w->conn, w->dialog);
	}
	end_closing(t, false);
}

static void work_flush(struct stream_table *t, struct work *w)
{
	dialog_drain(t, w->dialog);
	outcome_flush(t, w);
}

void stream_flush(struct stream_table *t, uint64_t now_ns)
{
	t->now_ns = MAX(t->now_ns, now_ns);
	end_closing(t, true);
	for (struct work *w = t->oldest; w; w = w->newer)
		work_flush(t, w);
}

const struct stream_stats *stream_stats(const struct stream_table *t)
{
	return &t->stats;
}

const struct stream_service_stats *stream_service_stats(const struct stream_table *t, uint32_t service)
{
	return &t->services[service < SERVICES_MAX ? service : 0];
}
