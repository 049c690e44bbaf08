/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a parser under test: bytes of both directions go in, described exchanges come out, paired
 * in order as stream/ does. Every input ends at a PROT_NONE page. */
#ifndef SONDE_TESTS_TALK_H
#define SONDE_TESTS_TALK_H

#include <arpa/inet.h>

#include "fixture.h"
#include "unit.h"

#include "proto/proto.h"

#define TALK_MAX 256

struct talk {
	const struct proto *proto;
	void *state;
	struct conn_facts facts;
	struct { char bytes[1 << 18]; size_t n; uint64_t skip; bool lost; } flow[DIR_COUNT];
	struct exchange *open[DIR_COUNT];
	struct exchange *waiting[TALK_MAX];
	size_t n_waiting, answered;	/* waiting[answered..n_waiting) have no whole response yet */
	struct span *spans[TALK_MAX];
	size_t n_spans, unmatched, oneways, failures, untold;
	bool handoff;
};

static inline struct talk *talk_new(const struct proto *proto)
{
	struct talk *t = calloc(1, sizeof(*t));

	t->proto = proto;
	t->state = calloc(1, proto->state_size);
	t->facts = (struct conn_facts){ .family = AF_INET, .role = ROLE_ACTIVE, .peer_port = 5555,
					.peer_addr = { 10, 0, 0, 1 } };
	return t;
}

static inline void talk_tell(struct talk *t, struct exchange *x)
{
	struct span *sp;
	int err;

	x->facts = &t->facts;
	assert_int_equal(span_new(&sp), 0);
	err = t->proto->describe(x, &(struct proto_options){ 0 }, sp);
	if (err == 0 && t->n_spans < TALK_MAX) {
		t->spans[t->n_spans++] = sp;
	} else {
		assert_true(err == -ENOENT || err == 0);
		t->untold++;
		span_free(sp);
	}
	arena_release(&x->request.arena);
	arena_release(&x->response.arena);
	free(x);
}

static inline struct exchange *talk_begin(struct talk *t, enum dir dir, enum msg_kind kind)
{
	struct exchange *x;

	if (dir == DIR_RESPONSE && kind == MSG_RESPONSE) {
		if (t->answered < t->n_waiting)
			return t->waiting[t->answered];
		t->unmatched++;
		return NULL;
	}
	x = calloc(1, sizeof(*x));
	x->proto = t->proto;
	x->oneway = kind == MSG_ONEWAY;
	if (!x->oneway && t->n_waiting < TALK_MAX)
		t->waiting[t->n_waiting++] = x;
	return x;
}

static inline void talk_apply(struct talk *t, enum dir dir, struct msg *m, struct arena *scratch)
{
	struct exchange *x;
	struct side *side;

	if (m->begin)
		t->open[dir] = talk_begin(t, dir, m->kind);
	t->handoff |= m->handoff;
	x = t->open[dir];
	if (!x)
		return;
	side = dir == DIR_REQUEST ? &x->request : &x->response;
	side->seen = true;
	side->cut |= m->partial;
	if (m->data) {
		arena_absorb(&side->arena, scratch);
		side->data = m->data;
	}
	if (!m->end)
		return;
	side->complete = true;
	t->open[dir] = NULL;
	if (x->oneway) {
		t->oneways++;
		talk_tell(t, x);
	} else if (dir == DIR_RESPONSE) {
		t->answered++;
		talk_tell(t, x);
	}
}

/* Parses what is there. Returns false when the parser gave up. */
static inline bool talk_parse(struct talk *t, enum dir dir, bool cut)
{
	while (t->flow[dir].n) {
		struct str in = guarded(t->flow[dir].bytes, t->flow[dir].n);
		struct arena scratch = { 0 };
		struct msg m = { .arena = &scratch, .cut = cut };
		ssize_t n = t->proto->parse(t->state, &(struct proto_options){ 0 }, dir, in, &m);
		size_t taken = n > 0 ? MIN((size_t)n, t->flow[dir].n) : 0;

		munmap((void *)((uintptr_t)in.p & ~4095ul), ((in.n + 4095) & ~(size_t)4095) + 4096);
		if (n < 0)
			t->failures++;
		if (n > 0)
			talk_apply(t, dir, &m, &scratch);
		arena_release(&scratch);
		if (n <= 0)
			return n == 0;
		t->flow[dir].skip += (size_t)n - taken;
		t->flow[dir].n -= taken;
		memmove(t->flow[dir].bytes, t->flow[dir].bytes + taken, t->flow[dir].n);
	}
	return true;
}

static inline bool talk_bytes(struct talk *t, enum dir dir, const void *bytes, size_t n)
{
	size_t skipped = MIN((uint64_t)n, t->flow[dir].skip);

	t->flow[dir].skip -= skipped;
	assert_true(t->flow[dir].n + n - skipped <= sizeof(t->flow[dir].bytes));
	memcpy(t->flow[dir].bytes + t->flow[dir].n, (const char *)bytes + skipped, n - skipped);
	t->flow[dir].n += n - skipped;
	return talk_parse(t, dir, false);
}

#define talk_request(t, literal) talk_bytes(t, DIR_REQUEST, literal, sizeof(literal) - 1)
#define talk_response(t, literal) talk_bytes(t, DIR_RESPONSE, literal, sizeof(literal) - 1)

/* The rest of the turn was not captured: the parser gets what there is, then the next turn begins anew. In a
 * recording the turn lasts until the other side speaks. */
static inline void talk_cut(struct talk *t, enum dir dir)
{
	struct exchange *x;

	talk_parse(t, dir, true);
	x = t->open[dir];
	t->open[dir] = NULL;
	if (x && dir == DIR_RESPONSE) {
		t->answered++;
		talk_tell(t, x);
	}
	t->flow[dir].n = t->flow[dir].skip = 0;
	t->flow[dir].lost = true;
	t->proto->resync(t->state, dir);
}

/* All connections of a recording, in chunks of at most `chunk` bytes (0: as recorded). */
static inline void talk_fixture(struct talk *t, const char *path, size_t chunk)
{
	struct fixture f;
	enum fixture_event e;

	fixture_open(&f, path);
	while ((e = fixture_next(&f)) != FIXTURE_END) {
		enum dir dir = f.response ? DIR_RESPONSE : DIR_REQUEST;

		if (e == FIXTURE_CONNECTION) {
			if (t->proto->done)
				t->proto->done(t->state);
			memset(t->state, 0, t->proto->state_size);
			memset(t->flow, 0, sizeof(t->flow));
		}
		t->flow[DIR_COUNT - 1 - dir].lost = false;
		if (e != FIXTURE_CONNECTION && t->flow[dir].lost)
			continue;
		if (e == FIXTURE_NOT_KEPT && t->flow[dir].skip >= f.n)
			t->flow[dir].skip -= f.n;
		else if (e == FIXTURE_NOT_KEPT)
			talk_cut(t, dir);
		for (size_t n; e == FIXTURE_BYTES && f.bytes.n; str_skip(&f.bytes, n)) {
			n = chunk ? MIN(chunk, f.bytes.n) : f.bytes.n;
			talk_bytes(t, dir, f.bytes.p, n);
		}
	}
	fixture_close(&f);
}

static inline void talk_free(struct talk *t)
{
	for (size_t i = 0; i < t->n_spans; i++)
		span_free(t->spans[i]);
	for (size_t i = t->answered; i < t->n_waiting; i++) {
		arena_release(&t->waiting[i]->request.arena);
		arena_release(&t->waiting[i]->response.arena);
		free(t->waiting[i]);
	}
	if (t->proto->done)
		t->proto->done(t->state);
	free(t->state);
	free(t);
}

/* The string attribute of the i-th span, "" when it has none. */
static inline const char *talk_attr(const struct talk *t, size_t i, const char *key)
{
	static char text[4][4096];
	static unsigned next;
	const struct attr *a = i < t->n_spans ? span_attr(t->spans[i], key) : NULL;
	char *to = text[next++ % 4];

	if (!a)
		return "";
	if (a->type == ATTR_INT)
		snprintf(to, sizeof(text[0]), "%lld", (long long)a->i);
	else
		snprintf(to, sizeof(text[0]), "%.*s", (int)a->s.n, a->s.p);
	return to;
}

static inline const char *talk_name(const struct talk *t, size_t i)
{
	static char text[4][512];
	static unsigned next;
	char *to = text[next++ % 4];

	if (i >= t->n_spans)
		return "(no span)";
	snprintf(to, sizeof(text[0]), "%.*s", (int)t->spans[i]->name.n, t->spans[i]->name.p);
	return to;
}

#endif
