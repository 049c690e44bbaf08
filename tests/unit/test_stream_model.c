/* SPDX-License-Identifier: Apache-2.0 */
/* stream/ against a model: a conversation whose truth is known is cut into records at random, reordered a
 * little, partly lost. What comes out is true, at most once, and all of it when nothing was lost. */
#include "unit.h"

#include "stream_line.h"

#define EXCHANGES 40
#define RECORDS_MAX 4096

struct model {
	uint64_t seed;
	bool pipelined, ids, truncate;
	struct cut cuts[RECORDS_MAX];
	size_t n;
	char bytes[2][1 << 18];
	uint64_t pos[2];
	uint64_t now;
};

static uint32_t roll(struct model *m, uint32_t below)
{
	m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(m->seed >> 33) % below;
}

/* One side speaks: n bytes in records of random size. */
static void speak(struct model *m, enum io_dir io, size_t n)
{
	while (n) {
		uint32_t len = roll(m, 4) ? (uint32_t)n : 1 + roll(m, (uint32_t)n);

		m->cuts[m->n++] = (struct cut){ io, m->pos[io - 1], m->now += 1000, len, len, 0 };
		m->pos[io - 1] += len;
		n -= len;
	}
}

static size_t write_line(struct model *m, enum io_dir io, char kind, size_t i, size_t from)
{
	size_t body = roll(m, 3) ? roll(m, 60) : 0;
	char *p = m->bytes[io - 1] + m->pos[io - 1] + from;
	int n = sprintf(p, "%c%zu %zu t%zu\n", kind, m->ids ? i + 1 : 0, body, i);

	memset(p + n, 'b', body);
	return (size_t)n + body;
}

static void talk(struct model *m, enum role role)
{
	enum io_dir ask = role == ROLE_ACTIVE ? IO_SEND : IO_RECV, answer = role == ROLE_ACTIVE ? IO_RECV : IO_SEND;

	for (size_t i = 0; i < EXCHANGES;) {
		size_t batch = m->pipelined ? 1 + roll(m, 5) : 1, n = 0;

		batch = MIN(batch, EXCHANGES - i);
		for (size_t k = 0; k < batch; k++)
			n += write_line(m, ask, 'Q', i + k, n);
		speak(m, ask, n);
		n = 0;
		for (size_t k = 0; k < batch; k++)
			n += write_line(m, answer, 'R', m->ids ? i + batch - 1 - k : i + k, n);
		speak(m, answer, n);
		i += batch;
	}
}

/* Whether two CPUs could have written these the other way round: what answers a record comes after it, but
 * for a sender's own record, which its system call writes when it returns. */
static bool may_swap(const struct model *m, enum io_dir ask, const struct cut *a, const struct cut *b)
{
	return a->io == b->io || (!m->pipelined && a->io == ask);
}

/* Gives the records with loss (per mille), duplicates and swaps of neighbours, a tick now and then. */
static void give(struct model *m, struct stream_table *t, enum role role, uint32_t loss, bool swap)
{
	enum io_dir ask = role == ROLE_ACTIVE ? IO_SEND : IO_RECV;

	for (size_t i = 0; i + 1 < m->n && swap; i++)
		if (roll(m, 5) == 0 && may_swap(m, ask, &m->cuts[i], &m->cuts[i + 1])) {
			struct cut c = m->cuts[i];

			m->cuts[i] = m->cuts[i + 1];
			m->cuts[i + 1] = c;
			i++;
		}
	for (size_t i = 0; i < m->n; i++) {
		struct cut c = m->cuts[i];

		if (loss && roll(m, 1000) < loss)
			continue;
		data_record(t, LINE_CONN, role, c, m->bytes[c.io - 1] + c.pos);
		if (roll(m, 20) == 0)
			data_record(t, LINE_CONN, role, c, m->bytes[c.io - 1] + c.pos);
		if (roll(m, 10) == 0 && (!swap || i + 1 == m->n || m->cuts[i + 1].ts_ns > c.ts_ns))
			stream_tick(t, c.ts_ns);
	}
}

static void run(uint64_t seed, uint32_t loss, bool swap)
{
	static struct model m;
	static struct ear e;
	enum role role = seed & 1 ? ROLE_ACTIVE : ROLE_PASSIVE;
	bool told[EXCHANGES] = { 0 };
	struct stream_table *t = line_table(&e, 0);
	size_t complete = 0;

	memset(&m, 0, sizeof(m));
	memset(&e, 0, sizeof(e));
	m.seed = seed * 77 + 5;
	m.pipelined = seed & 2;
	m.ids = seed & 4;
	open_conn(t, LINE_CONN, role, 0, 0);
	talk(&m, role);
	give(&m, t, role, loss, swap);
	close_conn(t, LINE_CONN, CLOSE_FIN, m.pos[0], m.pos[1]);
	for (int i = 0; i < 3; i++)
		stream_tick(t, m.now);
	for (size_t i = 0; i < e.n; i++) {
		size_t k = strtoul(e.x[i].request + 1, NULL, 10);

		assert_true(k < EXCHANGES);
		assert_false(told[k]);
		told[k] = true;
		if (e.x[i].end != END_COMPLETE) {
			assert_string_equal(e.x[i].response, "");
			continue;
		}
		complete++;
		if (strcmp(e.x[i].request, e.x[i].response))
			fail_msg("seed %" PRIu64 ": %s answered by %s", seed, e.x[i].request, e.x[i].response);
	}
	if (!loss && complete != EXCHANGES)
		fail_msg("seed %" PRIu64 ": %zu of %d", seed, complete, EXCHANGES);
	if (!loss) {
		const struct stream_service_stats *s = stream_service_stats(t, LINE_SERVICE);

		/* A request's record that came late also splits its turn. */
		assert_true(swap ? s->turns_understood + 4 >= s->turns : s->turns_understood == s->turns);
		assert_int_equal(s->unmatched + s->gaps + s->unanswered, 0);
	}
	assert_int_equal(stream_stats(t)->memory, 0);
	stream_table_free(t);
}

TEST(nothing_lost_means_every_exchange_exactly_once)
{
	for (uint64_t seed = 0; seed < 2000; seed++)
		run(seed, 0, false);
}

TEST(records_of_two_cpus_may_pass_each_other)
{
	for (uint64_t seed = 0; seed < 2000; seed++)
		run(seed, 0, true);
}

TEST(loss_costs_exchanges_but_never_makes_a_wrong_one)
{
	for (uint64_t seed = 0; seed < 4000; seed++)
		run(seed, 5 + (uint32_t)(seed % 120), seed & 8);
}

RUN_TESTS
