/* SPDX-License-Identifier: Apache-2.0 */
/* The turn histograms of the kernel. In: the per-CPU map `turns`, which only grows. Out: what each key grew by
 * since the last time, summed over CPUs. Owns the capture's table of what was read last. */
#include <string.h>

#include "capture/capture_internal.h"

/* A key of `turns` and what was read last; the kernel only ever adds. */
struct turns_seen {
	struct turn_key key;
	struct turn_value value;
};
_Static_assert(sizeof(struct turn_key) == sizeof(uint64_t), "a turn key is a number");

/* turn_value holds nothing but u64s, which add up. */
static void value_add(struct turn_value *sum, const struct turn_value *v, int sign)
{
	__u64 *to = (__u64 *)sum;
	const __u64 *from = (const __u64 *)v;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += sign > 0 ? from[i] : -from[i];
}

static struct turns_seen *turns_seen_of(struct capture *c, const struct turn_key *key)
{
	struct turns_seen *t;
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	t = hash_get(&c->turns, k);
	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->key = *key;
	if (!hash_put(&c->turns, k, t))
		return t;
	free(t);
	return NULL;
}

static int read_turns_of(struct capture *c, const struct turn_key *key, struct ipc_turns *grown)
{
	size_t size = sizeof(struct turn_value) * c->cpus;
	const struct turn_value *v = c->per_cpu;
	struct turns_seen *seen = turns_seen_of(c, key);
	int err;

	if (!seen)
		return -ENOMEM;
	err = bpf_map__lookup_elem(c->skel->maps.turns, key, sizeof(*key), c->per_cpu, size, 0);
	if (err)
		return err;
	memset(grown, 0, sizeof(*grown));
	grown->key = *key;
	for (int i = 0; i < c->cpus; i++)
		value_add(&grown->value, &v[i], 1);
	value_add(&grown->value, &seen->value, -1);
	value_add(&seen->value, &grown->value, 1);
	return 0;
}

static void turns_forget(struct capture *c, const struct turn_key *key)
{
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	bpf_map__delete_elem(c->skel->maps.turns, key, sizeof(*key), 0);
	free(hash_del(&c->turns, k));
}

/* No hook shows when a unix connection ends: its last turn is closed here. In tier syscall the pairs tell
 * themselves whether their sockets are still there. */
static void sweep_unix(struct capture *c)
{
	__atomic_add_fetch(&c->skel->bss->unix_round, 1, __ATOMIC_RELAXED);
	if (c->skel->rodata->conns_in_hash ||
	    !iterator_run(c->skel->progs.it_unix_ends, c->skel->maps.unix_ends, NULL, NULL))
		iterator_run(c->skel->progs.it_unix_pairs, c->skel->maps.unix_pairs, NULL, NULL);
}

int capture_read_turns(struct capture *c, void (*f)(void *ctx, const struct ipc_turns *t), void *ctx)
{
	struct turn_key key, next = {};
	struct ipc_turns grown;
	int err = 0;
	bool more;

	sweep_unix(c);
	more = !bpf_map__get_next_key(c->skel->maps.turns, NULL, &key, sizeof(key));
	while (more) {
		int e = read_turns_of(c, &key, &grown);

		more = !bpf_map__get_next_key(c->skel->maps.turns, &key, &next, sizeof(key));
		if (e)
			err = e;
		else if (grown.value.count)
			f(ctx, &grown);
		else if (c->gone[key.service])
			turns_forget(c, &key);
		key = next;
	}
	return err;
}

void capture_forget_service(struct capture *c, uint32_t service)
{
	c->gone[service] = true;
}

void turns_release(struct capture *c)
{
	struct turns_seen *t;

	for (size_t i = 0; (t = hash_next(&c->turns, &i));)
		free(t);
	hash_release(&c->turns);
}
