/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes, in any order and cut anywhere, through the HTTP/1 parser and describe(). The first byte of
 * the input chooses the options; then each step is {op, length, bytes}. */
#include <sys/socket.h>

#include "proto/http1.h"
#include "proto/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side_under_way {
	struct str in;		/* of the last step, not consumed yet */
	void *data;
	struct arena arena;
};

static void describe(struct side_under_way *sides, uint8_t options, const struct proto_options *opt)
{
	struct conn_facts facts = { .family = options & 2 ? AF_INET6 : AF_INET, .peer_port = 80,
				    .role = options & 4 ? ROLE_ACTIVE : ROLE_PASSIVE };
	struct exchange x = { .proto = &proto_http1, .facts = &facts, .end = options >> 3 & 3,
			      .request.data = sides[DIR_REQUEST].data, .response.data = sides[DIR_RESPONSE].data };
	struct span *sp;

	if (span_new(&sp))
		return;
	proto_http1.describe(&x, opt, sp);
	span_free(sp);
}

static void feed(void *state, struct side_under_way *sides, enum dir dir, bool cut, struct str in,
		 const struct proto_options *opt)
{
	struct side_under_way *side = &sides[dir];
	/* A copy of its own, so that reading past it is seen. */
	char *copy = malloc(in.n + 1);

	memcpy(copy, in.p, in.n);
	proto_http1.sniff((struct str){ copy, in.n }, dir);
	for (struct str rest = { copy, in.n }; rest.n;) {
		struct msg m = { .arena = &side->arena, .cut = cut, .data = side->data };
		ssize_t used = proto_http1.parse(state, opt, dir, rest, &m);

		if (used == 0 && cut)
			abort();
		if (used <= 0) {
			if (used < 0)
				proto_http1.resync(state, dir);
			break;
		}
		if (m.data)
			side->data = m.data;
		str_skip(&rest, (size_t)used);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "x-user-id", "cookie" };
	struct http1_state state = { 0 };
	struct side_under_way sides[DIR_COUNT] = { 0 };
	struct str in = { (const char *)data, size }, bytes;
	struct proto_options opt = { names, 0 };
	uint8_t options = 0, op;
	uint16_t n;

	if (take_u8(&in, &options))
		opt.n_headers = options & 1 ? ARRAY_SIZE(names) : 0;
	while (take_u8(&in, &op) && take_u16be(&in, &n) && take_bytes(&in, MIN(n, in.n), &bytes)) {
		if (op & 4)
			proto_http1.resync(&state, op & 1);
		feed(&state, sides, op & 1, op & 2, bytes, &opt);
	}
	describe(sides, options, &opt);
	for (int dir = 0; dir < DIR_COUNT; dir++)
		arena_release(&sides[dir].arena);
	return 0;
}
