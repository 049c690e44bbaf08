/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_turns(): what the kernel's turn histograms grew by. A turn is named a turn, never a request: on
 * connections that overlap it is none (sonde.overlaps). */
#include "bpf/turn.h"
#include "metrics/series.h"

/* turn.h has 8 buckets per octave: finer exponential buckets would show precision that is not there. */
#define TURN_SCALE 3

#define TURN_ATTRS 4

static const struct metric_def turn_duration = {
	"sonde.turn.duration", "s",
	"Time from a request's first byte to the response's first or last byte, as counted in the kernel.",
	METRIC_HISTOGRAM, &bounds_http_seconds, TURN_SCALE
};
static const struct metric_def turn_count = {
	"sonde.turn.count", "{turn}", "Turns of conversations, as counted in the kernel.",
	METRIC_COUNTER, NULL, 0
};
static const struct metric_def turn_repaired = {
	"sonde.turn.repaired", "{turn}",
	"Turns of which one side was found by stream position only; not in the durations.",
	METRIC_COUNTER, NULL, 0
};
static const struct metric_def turn_request_size = {
	"sonde.turn.request.size", "By", "Bytes of requests' sides of turns.", METRIC_COUNTER, NULL, 0
};
static const struct metric_def turn_response_size = {
	"sonde.turn.response.size", "By", "Bytes of responses' sides of turns.", METRIC_COUNTER, NULL, 0
};

static const char *const role_names[] = {
	[ROLE_UNKNOWN] = "unknown", [ROLE_ACTIVE] = "client", [ROLE_PASSIVE] = "server"
};

struct turn_labels {
	uint32_t service;
	uint32_t n;
	struct attr attrs[TURN_ATTRS];
};

static void label_str(struct turn_labels *l, const char *key, const char *v)
{
	l->attrs[l->n++] = (struct attr){ .key = key, .type = ATTR_STR, .s = str_of(v) };
}

static struct turn_labels turn_labels(const struct turn_key *key, const char *protocol)
{
	struct turn_labels l = { .service = key->service };

	label_str(&l, "sonde.role", role_names[key->role < ARRAY_SIZE(role_names) ? key->role : ROLE_UNKNOWN]);
	if (protocol && *protocol)
		label_str(&l, ATTR_NETWORK_PROTOCOL_NAME, protocol);
	l.attrs[l.n++] = (struct attr){ .key = "sonde.overlaps", .type = ATTR_BOOL, .b = key->overlaps };
	return l;
}

static void turn_counter(struct metrics *m, const struct turn_labels *l, const struct metric_def *def,
			 uint64_t more)
{
	struct metric *metric = metric_get(m, def);
	struct series *s = metric ? series_get(m, metric, l->service, "sonde", l->attrs, l->n) : NULL;

	if (s)
		s->value += (double)more;
}

/* The middle of a bucket stands for what fell into it; the last bucket is open. */
static double bucket_seconds(uint32_t b)
{
	double lower = (double)turn_bucket_us(b);
	double upper = b + 1 < TURN_BUCKETS ? (double)turn_bucket_us(b + 1) : lower;

	return (lower + upper) / 2 / 1e6;
}

static void turn_histogram(struct metrics *m, struct turn_labels l, const char *kind,
			   const __u64 *buckets, uint64_t sum_ns)
{
	struct metric *metric = metric_get(m, &turn_duration);
	struct series *s;

	label_str(&l, "sonde.turn", kind);
	s = metric ? series_get(m, metric, l.service, "sonde", l.attrs, l.n) : NULL;
	if (!s)
		return;
	for (uint32_t b = 0; b < TURN_BUCKETS; b++)
		if (buckets[b])
			distribution_add_binned(&s->now, &metric->binning, bucket_seconds(b), buckets[b],
						&m->room);
	s->now.sum += (double)sum_ns / NSEC_PER_SEC;
}

void metrics_turns(struct metrics *m, const struct ipc_turns *t, const char *protocol)
{
	struct turn_labels l = turn_labels(&t->key, protocol);

	turn_counter(m, &l, &turn_count, t->value.count);
	turn_counter(m, &l, &turn_repaired, t->value.repaired);
	turn_counter(m, &l, &turn_request_size, t->value.request_bytes);
	turn_counter(m, &l, &turn_response_size, t->value.response_bytes);
	turn_histogram(m, l, "first_byte", t->value.first, t->value.first_sum_ns);
	turn_histogram(m, l, "last_byte", t->value.last, t->value.last_sum_ns);
}
