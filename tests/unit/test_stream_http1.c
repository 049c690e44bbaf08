/* SPDX-License-Identifier: Apache-2.0 */
/* stream/ with a real parser: what a parser adds up over many steps of one message. */
#include "unit.h"

#include <sys/socket.h>

#include "stream/stream.h"

#define CONN 77

struct heard {
	uint32_t n;
	int64_t request_size, response_size;
};

static void on_exchange(void *ctx, const struct exchange *x)
{
	struct heard *h = ctx;
	struct span *sp;

	assert_int_equal(span_new(&sp), 0);
	assert_int_equal(x->proto->describe(x, &(struct proto_options){ 0 }, sp), 0);
	h->n++;
	h->request_size = sp->request_size;
	h->response_size = sp->response_size;
	span_free(sp);
}

static struct stream_table *table_new(struct heard *h)
{
	const struct stream_options opt = { .memory_max = 1 << 20, .pending_max = 16 };
	const struct stream_sink sink = { .ctx = h, .exchange = on_exchange };
	const struct rec_conn open = { .h = { .kind = REC_OPEN, .conn = CONN, .service = 1 }, .family = AF_INET,
				       .role = ROLE_PASSIVE, .accept_wait_ns = ABSENT_NS };
	struct stream_table *t;

	assert_int_equal(stream_table_new(&t, &opt, &sink), 0);
	stream_record(t, &open, sizeof(open));
	return t;
}

static void move(struct stream_table *t, enum io_dir io, uint64_t *pos, const char *bytes)
{
	uint16_t n = (uint16_t)strlen(bytes);
	struct rec_data *r = calloc(1, sizeof(*r) + n);

	*r = (struct rec_data){ .h = { .kind = REC_DATA, .conn = CONN, .service = 1, .ts_ns = 1000 + *pos },
				.pos = *pos, .len = n, .cap = n, .dir = io, .role = ROLE_PASSIVE, .queue_ns = ~0u };
	memcpy(r->data, bytes, n);
	stream_record(t, r, sizeof(*r) + n);
	*pos += n;
	free(r);
}

TEST(chunks_are_added_up_over_records)
{
	struct heard h = { 0 };
	struct stream_table *t = table_new(&h);
	uint64_t in = 0, out = 0;

	move(t, IO_RECV, &in, "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	move(t, IO_RECV, &in, "7\r\n, world\r\n");
	move(t, IO_RECV, &in, "0\r\n\r\n");
	move(t, IO_SEND, &out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	move(t, IO_SEND, &out, "a\r\n0123456789\r\n1");
	move(t, IO_SEND, &out, "0\r\n0123456789abcdef\r\n0\r\n\r\n");
	for (int i = 0; i < 3; i++)
		stream_tick(t, 5000);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.request_size, 12);
	assert_int_equal(h.response_size, 26);
	stream_table_free(t);
}

RUN_TESTS
