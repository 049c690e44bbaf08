/* SPDX-License-Identifier: Apache-2.0 */
/* Loading, attaching and the loader's reads and writes of maps. Owns the skeleton and all links; none is
 * pinned, so everything detaches when the process ends, however it ends. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_internal.h"

/* How much of the ring may be full before the worker is woken between two polls. */
#define RING_WAKE_SHARE 2

/* A key of `turns` and what was read last; the kernel only ever adds. */
struct turns_seen {
	struct turn_key key;
	struct turn_value value;
};
_Static_assert(sizeof(struct turn_key) == sizeof(uint64_t), "a turn key is a number");

int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

/* ---- load and attach ------------------------------------------------------------------------ */

/* A bit for each row of programs[]. */
typedef uint64_t program_set;
_Static_assert(CAPTURE_LINKS_MAX <= 64, "a program_set has a bit for each program");

static program_set programs_of(enum tier tier)
{
	program_set set = 0;

	for (size_t i = 0; i < programs_n; i++)
		if (programs[i].tiers & tier)
			set |= 1ull << i;
	return set;
}

/* One refused program fails the whole load, so find out which. */
static program_set without_refused(program_set set)
{
	for (size_t i = 0; i < programs_n; i++)
		if ((set >> i & 1) && programs[i].optional && program_try(&programs[i]))
			set &= ~(1ull << i);
	return set;
}

static void skel_choose_programs(struct sonde_bpf *skel, program_set set)
{
	for (size_t i = 0; i < programs_n; i++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(skel->obj, programs[i].name);

		if (prog)
			bpf_program__set_autoload(prog, set >> i & 1);
	}
}

void skel_configure(struct sonde_bpf *skel, const struct capture_options *opt, enum tier tier)
{
	bpf_map__set_max_entries(skel->maps.ring, opt->ring_bytes);
	bpf_map__set_max_entries(skel->maps.process_ring, opt->process_ring_bytes);
	skel->rodata->ring_wake_bytes = opt->ring_bytes / RING_WAKE_SHARE;
	skel->rodata->conns_in_hash = tier == TIER_SYSCALL;
	if (tier != TIER_SYSCALL)
		bpf_map__set_max_entries(skel->maps.conns_by_address, 1);
}

static int capture_load(struct capture *c, const struct capture_options *opt, enum tier tier, program_set set)
{
	struct sonde_bpf *skel = sonde_bpf__open();
	int err;

	if (!skel)
		return -errno;
	skel_choose_programs(skel, set);
	skel_configure(skel, opt, tier);
	err = sonde_bpf__load(skel);
	if (err) {
		sonde_bpf__destroy(skel);
		return err;
	}
	skel->bss->policy.generation = 1;
	c->skel = skel;
	return 0;
}

static void detach_all(struct capture *c)
{
	while (c->n_links)
		bpf_link__destroy(c->links[--c->n_links]);
	sonde_bpf__destroy(c->skel);
	c->skel = NULL;
}

static int attach_all(struct capture *c, program_set set)
{
	for (size_t i = 0; i < programs_n; i++) {
		const struct program *p = &programs[i];
		struct bpf_link *link = NULL;
		int err;

		if (!(set >> i & 1))
			continue;
		err = program_attach(c->skel, p, &link);
		if (err && !p->optional)
			return err;
		if (link)
			c->links[c->n_links++] = link;
	}
	return 0;
}

static int try_tier(struct capture *c, const struct capture_options *opt, enum tier tier)
{
	program_set set = programs_of(tier);
	int err = capture_load(c, opt, tier, set);

	if (err) {
		set = without_refused(set);
		err = capture_load(c, opt, tier, set);
	}
	if (err)
		return err;
	err = attach_all(c, set);
	if (err)
		detach_all(c);
	return err;
}

static int choose_tier(struct capture *c, const struct capture_options *opt)
{
	static const struct {
		const char *name;
		enum tier tier;
	} tiers[] = { { "socket", TIER_SOCKET }, { "syscall", TIER_SYSCALL } };	/* best first */
	bool automatic = !opt->tier || !strcmp(opt->tier, "auto");
	int err = -ENOTSUP;

	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		if (!automatic && strcmp(opt->tier, tiers[i].name) != 0)
			continue;
		err = try_tier(c, opt, tiers[i].tier);
		if (!err) {
			c->tier = tiers[i].name;
			return 0;
		}
	}
	return err;
}

int capture_new(struct capture **out, const struct capture_options *opt, char **why)
{
	struct capture *c = calloc(1, sizeof(*c));
	char text[256];
	int err = -ENOMEM;

	if (!c)
		return -ENOMEM;
	libbpf_set_print(print_nothing);
	c->cpus = libbpf_num_possible_cpus();
	c->per_cpu = c->cpus > 0 ? calloc(c->cpus, sizeof(struct turn_value)) : NULL;
	if (c->per_cpu)
		err = choose_tier(c, opt);
	if (err) {
		capture_free(c);
		capture_reason(text, sizeof(text), err);
		if (why)
			*why = strdup(text);
		return err;
	}
	*out = c;
	return 0;
}

void capture_free(struct capture *c)
{
	struct turns_seen *t;

	if (!c)
		return;
	detach_all(c);
	for (size_t i = 0; (t = hash_next(&c->turns, &i));)
		free(t);
	hash_release(&c->turns);
	free(c->per_cpu);
	free(c);
}

const char *capture_tier(const struct capture *c)
{
	return c->tier;
}

void capture_fds(const struct capture *c, int fds[IPC_FD_COUNT])
{
	fds[IPC_FD_RING] = bpf_map__fd(c->skel->maps.ring);
	fds[IPC_FD_VERDICTS] = bpf_map__fd(c->skel->maps.verdicts);
	fds[IPC_FD_COUNTERS] = bpf_map__fd(c->skel->maps.service_counters);
}

int capture_process_ring_fd(const struct capture *c)
{
	return bpf_map__fd(c->skel->maps.process_ring);
}

/* ---- policy ----------------------------------------------------------------------------------- */

int capture_watch_process(struct capture *c, uint32_t tgid, const struct process_policy *p)
{
	return bpf_map__update_elem(c->skel->maps.processes, &tgid, sizeof(tgid), p, sizeof(*p), BPF_ANY);
}

int capture_unwatch_process(struct capture *c, uint32_t tgid)
{
	int err = bpf_map__delete_elem(c->skel->maps.processes, &tgid, sizeof(tgid), 0);

	return err == -ENOENT ? 0 : err;
}

int capture_set_service(struct capture *c, uint32_t service, const struct service_policy *p)
{
	return bpf_map__update_elem(c->skel->maps.services, &service, sizeof(service), p, sizeof(*p), BPF_ANY);
}

void capture_new_generation(struct capture *c, bool active)
{
	struct policy_globals *g = &c->skel->bss->policy;

	__atomic_store_n(&g->active, active, __ATOMIC_RELAXED);
	__atomic_add_fetch(&g->generation, 1, __ATOMIC_RELEASE);
}

/* ---- turns ------------------------------------------------------------------------------------ */

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

/* No hook shows when a unix connection ends: its last turn is closed here. */
static void sweep_unix(struct capture *c)
{
	__atomic_add_fetch(&c->skel->bss->unix_round, 1, __ATOMIC_RELAXED);
	if (!iterator_run(c->skel->progs.it_unix_ends, c->skel->maps.unix_ends, NULL, NULL))
		iterator_run(c->skel->progs.it_unix_pairs, c->skel->maps.unix_pairs, NULL, NULL);
}

int capture_read_turns(struct capture *c, void (*f)(void *ctx, const struct ipc_turns *t), void *ctx)
{
	struct turn_key key, *previous = NULL;
	struct ipc_turns grown;
	int err = 0;

	sweep_unix(c);
	while (!bpf_map__get_next_key(c->skel->maps.turns, previous, &key, sizeof(key))) {
		int e = read_turns_of(c, &key, &grown);

		if (e)
			err = e;
		else if (grown.value.count)
			f(ctx, &grown);
		previous = &key;
	}
	return err;
}

/* ---- self --------------------------------------------------------------------------------------- */

static void read_hooks(struct capture *c, struct hook_counter sums[HOOK_COUNT])
{
	struct hook_counter *v = c->per_cpu;	/* smaller than a turn_value */

	for (uint32_t hook = 0; hook < HOOK_COUNT; hook++) {
		sums[hook] = (struct hook_counter){};
		if (bpf_map__lookup_elem(c->skel->maps.hook_counters, &hook, sizeof(hook), v, sizeof(*v) * c->cpus, 0))
			continue;
		for (int i = 0; i < c->cpus; i++) {
			sums[hook].fired += v[i].fired;
			sums[hook].watched += v[i].watched;
		}
	}
}

int capture_read_programs(struct capture *c, void (*f)(void *ctx, const struct ipc_program *p), void *ctx)
{
	struct hook_counter hooks[HOOK_COUNT];

	read_hooks(c, hooks);
	for (size_t i = 0; i < programs_n; i++) {
		const struct program *p = &programs[i];
		struct bpf_program *prog = bpf_object__find_program_by_name(c->skel->obj, p->name);
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);
		struct ipc_program out = {};

		if (!prog || bpf_program__fd(prog) < 0)
			continue;
		snprintf(out.name, sizeof(out.name), "%s", p->name);
		snprintf(out.hook, sizeof(out.hook), "%s", p->hook);
		if (!bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &size))
			out.recursion_misses = info.recursion_misses;
		if (p->counter >= 0) {
			out.fired = hooks[p->counter].fired;
			out.watched = hooks[p->counter].watched;
		}
		out.run_ns = (out.fired - out.watched) * p->idle_ns + out.watched * p->busy_ns;
		f(ctx, &out);
	}
	return 0;
}

/* What the kernel charges for a map, from its fdinfo. */
static uint64_t map_memlock(int fd)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %lu", &bytes) == 1)
			break;
	fclose(file);
	return bytes;
}

uint64_t capture_map_bytes(const struct capture *c)
{
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, c->skel->obj)
		if (bpf_map__fd(map) >= 0)
			sum += map_memlock(bpf_map__fd(map));
	return sum;
}
