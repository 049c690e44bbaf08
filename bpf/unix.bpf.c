/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The end of unix stream connections, which no hook shows: the loader sweeps. In: two iterators, run one after
 * the other. Out: the last turn and REC_CLOSE of each connection of which a socket is gone.
 *
 * A socket's storage lives as long as bytes that it sent are still to be read, so nothing is cut off. */
#include "emit.bpf.h"
#include "turn.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Of kernel/bpf/map_iter.c and net/core/bpf_sk_storage.c; older headers lack them. */
struct bpf_iter__bpf_sk_storage_map___sonde {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
} __attribute__((preserve_access_index));
struct bpf_iter__bpf_map_elem___sonde {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

SEC("iter/bpf_sk_storage_map")
int it_unix_ends(struct bpf_iter__bpf_sk_storage_map___sonde *ctx)
{
	const struct unix_end *end = ctx->value;
	struct unix_pair *pair;
	__u64 key;

	if (!ctx->sk || !end)
		return 0;
	key = end->pair;
	pair = key ? bpf_map_lookup_elem(&unix_pairs, &key) : NULL;
	if (!pair)
		return 0;
	if (pair->seen_round != unix_round) {
		pair->seen_round = unix_round;
		pair->seen_ends = 0;
	}
	pair->seen_ends++;
	return 0;
}

static __always_inline void unix_close_record(const struct unix_pair *pair, __u32 side, __u64 now)
{
	struct service_counters *n = counters_of(pair->end[side].service);
	struct rec_close *r;

	if (n)
		__sync_fetch_and_add(&n->closed, 1);
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		rec_dropped(n);
		return;
	}
	rec_head_fill(&r->h, REC_CLOSE, TRANSPORT_UNIX, pair->end[side].service, pair->end[side].cookie, now);
	r->h.tgid = pair->end[side].tgid;
	r->h.tid = pair->end[side].tid;
	r->sent_pos = pair->end[side].sent;
	r->recv_pos = pair->end[!side].sent;
	r->how = CLOSE_UNKNOWN;
	r->pad = 0;
	rec_counted(n, 0);
	rec_submit(r);
}

SEC("iter/bpf_map_elem")
int it_unix_pairs(struct bpf_iter__bpf_map_elem___sonde *ctx)
{
	const __u64 *at = ctx->key;
	struct unix_pair *pair;
	struct turn closed;
	__u64 key, now;

	if (!at)
		return 0;
	key = *at;
	pair = bpf_map_lookup_elem(&unix_pairs, &key);
	if (!pair || (pair->seen_round == unix_round && pair->seen_ends > 1))
		return 0;
	now = bpf_ktime_get_ns();
	if (turn_finish(&pair->turn, &closed))
		unix_turn_count(pair, &closed);
	for (__u32 side = 0; side < 2; side++)
		if (pair->end[side].service && pair->end[side].announced)
			unix_close_record(pair, side, now);
	bpf_map_delete_elem(&unix_pairs, &key);
	return 0;
}
