/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Turns of a connection into the histograms. In: firings with their positions. Out: `turns`, keyed by
 * service, role and the protocol that user space found; the logic itself is turn.h. */
#ifndef SONDE_TURN_BPF_H
#define SONDE_TURN_BPF_H

#include "maps.bpf.h"

static __always_inline struct turn_value *turn_value_of(const struct turn_key *key)
{
	struct turn_value *value = bpf_map_lookup_elem(&turns, key);
	__u32 first = 0;
	void *zero;

	if (value)
		return value;
	zero = bpf_map_lookup_elem(&zeroes, &first);
	if (zero)
		bpf_map_update_elem(&turns, key, zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&turns, key);
}

static __always_inline void turn_count_repaired(__u32 service)
{
	struct service_counters *n = bpf_map_lookup_elem(&service_counters, &service);

	if (n)
		__sync_fetch_and_add(&n->repaired_turns, 1);
}

/* The verifier walks its branches once, and not at each use. */
SONDE_FUNCTION turn_bucket_of(__u64 ns)
{
	return turn_bucket(ns);
}

/* Adds a closed turn to the histograms of one end. */
SONDE_FUNCTION turn_count(__u32 service, __u32 role, __u64 cookie, const struct turn *t)
{
	const struct verdict *said = verdict_of(cookie);
	struct turn_key key = {
		.service = service,
		.role = role,
		.proto = said ? said->proto : 0,
		.overlaps = said && (said->flags & VERDICT_OVERLAPS),
	};
	struct turn_value *value = turn_value_of(&key);
	__u64 first, last;
	__u32 bucket;

	if (!t || !value)
		return 0;
	first = t->response_first_ns - t->request_first_ns;
	last = t->response_last_ns - t->request_first_ns;
	value->count++;
	value->request_bytes += t->request_end - t->request_pos;
	value->response_bytes += t->response_end - t->response_pos;
	if (t->repaired) {
		value->repaired++;
		turn_count_repaired(service);
		return 0;
	}
	value->first_sum_ns += first;
	value->last_sum_ns += last;
	bucket = turn_bucket_of(first);
	barrier_var(bucket);
	if (bucket < TURN_BUCKETS)
		value->first[bucket]++;
	if (last != first)	/* answered in one piece: the same bucket */
		bucket = turn_bucket_of(last);
	barrier_var(bucket);
	if (bucket < TURN_BUCKETS)
		value->last[bucket]++;
	return 0;
}

/* A turn of a unix connection, which is one of both its ends. */
static __always_inline void unix_turn_count(struct unix_pair *pair, const struct turn *closed)
{
	for (__u32 side = 0; side < 2; side++)
		if (pair->end[side].service)
			turn_count(pair->end[side].service, pair->end[side].role, pair->end[side].cookie, closed);
}

#endif
