/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a sequence of records: nothing crashes, every request is told at most once as begun and once
 * as over, and all memory is given back. */
#include <string.h>

#include "base/common.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNS 3

struct count { size_t begun, over; };

static void on_request(void *ctx, const struct exchange *x)
{
	(void)x;
	((struct count *)ctx)->begun++;
}

static void on_exchange(void *ctx, const struct exchange *x)
{
	if (!x->facts || !x->proto)
		abort();
	((struct count *)ctx)->over++;
}

/* What the fuzzer chooses for one step. */
struct choice { uint8_t kind, conn, flags, jump, len, cap, tick; };

union record {
	struct rec_head h;
	struct rec_data data;
	struct rec_conn conn;
	struct rec_close close;
	char room[sizeof(struct rec_data) + 256];
};

static void open_record(struct stream_table *t, const struct choice *c, uint64_t pos)
{
	union record r = { .conn = { .h = { .kind = REC_OPEN, .conn = 1u + c->conn % CONNS, .service = c->conn },
				     .family = c->flags & 1 ? 1 : 2, .role = c->flags >> 1 & 3, .old = c->flags >> 3 & 1,
				     .peer_conn = 1u + (c->conn + 1u) % CONNS, .sent_pos = pos, .recv_pos = c->jump } };

	stream_record(t, &r, sizeof(r.conn));
}

static size_t data_record(struct stream_table *t, const struct choice *c, uint64_t *pos, const uint8_t *bytes, size_t n,
			  uint64_t now)
{
	size_t cap = MIN((size_t)c->cap, n);
	unsigned dir = 1 + (c->flags & 1);
	uint64_t *at = &pos[(c->conn % CONNS) * 2 + dir - 1];
	union record r = { .data = { .h = { .kind = REC_DATA, .conn = 1u + c->conn % CONNS, .layer = c->flags >> 7,
					    .flags = c->flags >> 1 & 15, .ts_ns = now },
				     .pos = *at + (c->jump & 0x80 ? c->jump & 15 : 0), .len = (uint32_t)(cap + c->len / 16),
				     .cap = (uint16_t)cap, .dir = (uint8_t)dir, .role = c->flags >> 5 & 3 } };

	memcpy(r.data.data, bytes, cap);
	stream_record(t, &r, sizeof(r.data) + cap);
	*at = r.data.pos + r.data.len - (c->jump & 0x40 ? MIN(r.data.len, (uint32_t)c->jump & 15) : 0);
	return cap;
}

static void close_record(struct stream_table *t, const struct choice *c, const uint64_t *pos)
{
	const uint64_t *at = &pos[(c->conn % CONNS) * 2];
	union record r = { .close = { .h = { .kind = REC_CLOSE, .conn = 1u + c->conn % CONNS }, .sent_pos = at[0],
				      .recv_pos = at[1] + c->jump / 64, .how = c->flags & 3 } };

	stream_record(t, &r, sizeof(r.close));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct count count = { 0 };
	struct stream_options opt = { .memory_max = 64 << 10, .pending_max = 8, .pending_timeout_ns = 1000000 };
	struct stream_sink sink = { .ctx = &count, .request = on_request, .exchange = on_exchange };
	struct stream_table *t = NULL;
	uint64_t pos[CONNS * 2] = { 0 }, now = 1;
	struct choice c;

	if (stream_table_new(&t, &opt, &sink))
		return 0;
	for (size_t i = 0; i < CONNS; i++)
		open_record(t, &(struct choice){ .conn = (uint8_t)i, .flags = 2 }, 0);
	while (size >= sizeof(c)) {
		memcpy(&c, data, sizeof(c));
		data += sizeof(c);
		size -= sizeof(c);
		now += c.tick;
		if (c.kind < 8) {
			open_record(t, &c, c.len);
		} else if (c.kind < 16) {
			close_record(t, &c, pos);
		} else if (c.kind < 24) {
			union record r = { 0 };		/* aligned, as the ring's are */

			memcpy(&r, data, MIN((size_t)c.len, size));
			stream_record(t, &r, MIN((size_t)c.len, size));
		} else {
			size_t used = data_record(t, &c, pos, data, size, now);

			data += used;
			size -= used;
		}
		if (c.tick & 1)
			stream_tick(t, now += (uint64_t)c.tick << 20);
	}
	stream_flush(t, now);
	if (count.begun > count.over + CONNS * 2 * 8 + 64)
		abort();
	stream_table_free(t);
	return 0;
}
