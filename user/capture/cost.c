/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel half costs. In: firing counters, program and map infos. Out: firings, skipped firings and
 * estimated run time of each program, bytes of all maps. */
#include <bpf/bpf.h>
#include <stdio.h>

#include "capture/capture_internal.h"

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
