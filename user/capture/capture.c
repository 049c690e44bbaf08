/* SPDX-License-Identifier: Apache-2.0 */
/* Loading, attaching and policy: what the loader tells the kernel. Owns the skeleton and all links; none is
 * pinned, so everything detaches when the process ends, however it ends. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_internal.h"

/* How much of the ring may be full before the worker is woken between two polls. */
#define RING_WAKE_SHARE 2

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

/* Leaves out what this kernel has no hook for; -ESRCH when one of these is needed. Hooks that every kernel has are
 * not looked for. Without BTF nothing is known: the load will say why. */
static int without_missing(program_set *set)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int err = 0;

	if (!btf)
		return 0;
	for (size_t i = 0; i < programs_n; i++) {
		const struct program *p = &programs[i];

		if (!(*set >> i & 1) || (p->tiers == TIER_ANY && !p->optional) || program_has_hook(p, btf))
			continue;
		*set &= ~(1ull << i);
		if (!p->optional)
			err = -ESRCH;
	}
	btf__free(btf);
	return err;
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
	int err = without_missing(&set);

	if (err)
		return err;
	err = capture_load(c, opt, tier, set);
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
	if (!c)
		return;
	detach_all(c);
	turns_release(c);
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

static void process_hint(struct capture *c, uint32_t tgid, int by)
{
	__atomic_add_fetch(&c->skel->bss->process_hints[tgid & (PROCESS_HINTS - 1)], by, __ATOMIC_RELAXED);
}

/* The hint is given first, so that nobody finds none for a process that is watched. */
int capture_watch_process(struct capture *c, uint32_t tgid, const struct process_policy *p)
{
	struct bpf_map *map = c->skel->maps.processes;
	int err;

	process_hint(c, tgid, 1);
	err = bpf_map__update_elem(map, &tgid, sizeof(tgid), p, sizeof(*p), BPF_NOEXIST);
	if (!err)
		return 0;
	process_hint(c, tgid, -1);
	if (err != -EEXIST)
		return err;
	err = bpf_map__update_elem(map, &tgid, sizeof(tgid), p, sizeof(*p), BPF_EXIST);
	return err == -ENOENT ? 0 : err;	/* it ended meanwhile */
}

int capture_unwatch_process(struct capture *c, uint32_t tgid)
{
	int err = bpf_map__delete_elem(c->skel->maps.processes, &tgid, sizeof(tgid), 0);

	if (!err)
		process_hint(c, tgid, -1);
	return err == -ENOENT ? 0 : err;
}

int capture_set_service(struct capture *c, uint32_t service, const struct service_policy *p)
{
	c->gone[service] = false;
	return bpf_map__update_elem(c->skel->maps.services, &service, sizeof(service), p, sizeof(*p), BPF_ANY);
}

void capture_new_generation(struct capture *c, bool active)
{
	struct policy_globals *g = &c->skel->bss->policy;

	__atomic_store_n(&g->active, active, __ATOMIC_RELAXED);
	__atomic_add_fetch(&g->generation, 1, __ATOMIC_RELEASE);
}
