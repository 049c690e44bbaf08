/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes, in any order and cut anywhere, through a parser and describe(). The input is steps of {op, length,
 * bytes}; op: bit 0 direction, bit 1 cut behind it, bit 2 a gap before it. */
#ifndef SONDE_TESTS_FUZZ_TALK_H
#define SONDE_TESTS_FUZZ_TALK_H

#include <sys/socket.h>

#include "proto/list.h"

struct fuzz_talk {
	const struct proto *proto;
	void *state;
	struct side side[DIR_COUNT];
};

static inline void fuzz_describe(struct fuzz_talk *t)
{
	struct conn_facts facts = { .family = AF_INET, .role = ROLE_ACTIVE, .peer_port = 1 };
	struct exchange x = { .proto = t->proto, .facts = &facts, .request = t->side[DIR_REQUEST],
			      .response = t->side[DIR_RESPONSE] };
	struct span *sp;

	if (span_new(&sp))
		return;
	t->proto->describe(&x, &(struct proto_options){ 0 }, sp);
	span_free(sp);
}

/* The message is over: described and freed. */
static inline void fuzz_end(struct fuzz_talk *t, enum dir dir)
{
	if (dir == DIR_REQUEST)
		return;
	fuzz_describe(t);
	for (int d = 0; d < DIR_COUNT; d++) {
		arena_release(&t->side[d].arena);
		t->side[d] = (struct side){ 0 };
	}
}

static inline void fuzz_feed(struct fuzz_talk *t, enum dir dir, bool cut, struct str in)
{
	char *copy = malloc(in.n + 1);	/* its own, so that reading past it is seen */
	struct str rest = { copy, in.n };

	memcpy(copy, in.p, in.n);
	t->proto->sniff(rest, dir);
	while (rest.n) {
		struct arena scratch = { 0 };
		struct msg m = { .arena = &scratch, .cut = cut };
		ssize_t used = t->proto->parse(t->state, &(struct proto_options){ 0 }, dir, rest, &m);

		if (used == 0 && cut)
			abort();
		if (used > 0 && m.data) {
			arena_absorb(&t->side[dir].arena, &scratch);
			t->side[dir].data = m.data;
		}
		arena_release(&scratch);
		if (used < 0)
			t->proto->resync(t->state, dir);
		if (used > 0 && m.end)
			fuzz_end(t, dir);
		if (used <= 0)
			break;
		str_skip(&rest, (size_t)used);
	}
	free(copy);
}

static inline int fuzz_talk(const struct proto *proto, const uint8_t *data, size_t size)
{
	struct fuzz_talk t = { .proto = proto, .state = calloc(1, proto->state_size) };
	struct str in = { (const char *)data, size }, bytes;
	uint16_t n;
	uint8_t op;

	while (take_u8(&in, &op) && take_u16be(&in, &n) && take_bytes(&in, MIN(n, in.n), &bytes)) {
		if (op & 4)
			proto->resync(t.state, op & 1);
		fuzz_feed(&t, op & 1, op & 2, bytes);
	}
	fuzz_end(&t, DIR_RESPONSE);
	if (proto->done)
		proto->done(t.state);
	free(t.state);
	return 0;
}

#endif
