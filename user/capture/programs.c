/* SPDX-License-Identifier: Apache-2.0 */
/* The table of BPF programs: which tier needs which, what for, and what a firing costs.
 *
 * The costs turn firing counters into an estimate of BPF time (BPF_ENABLE_STATS would tax every program on
 * the host). They are measured (6.18, small messages): an empty tp_btf hook 48-64 ns, a storage or hash miss 8
 * and 24, a firing with a record of 256 B 250-330, creating storage 450. The
 * kernel cannot run these hooks by BPF_PROG_TEST_RUN (-ENOTSUPP for tp_btf), so they are not calibrated
 * per machine.
 * The fexit tier (5.10 - 6.15 with trampolines) will be one more value of enum tier and its rows here. */
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_internal.h"

const struct program programs[] = {
	{ "tp_tcp_sendmsg_locked", "tp_btf/tcp_sendmsg_locked", "bytes sent (Linux 6.16 or newer)", TIER_SOCKET,
	  .counter = HOOK_SEND, .idle_ns = 85, .busy_ns = 300 },
	{ "tp_skb_copy_datagram_iovec", "tp_btf/skb_copy_datagram_iovec", "bytes received, TCP and unix", TIER_SOCKET,
	  .counter = HOOK_RECV, .idle_ns = 95, .busy_ns = 320 },
	{ "tp_sys_exit", "tp_btf/sys_exit", "bytes of system calls", TIER_SYSCALL,
	  .counter = HOOK_SYSCALL, .idle_ns = 100, .busy_ns = 550 },
	{ "tp_inet_sock_set_state", "tp_btf/inet_sock_set_state", "connections begin, fail and end; listeners", TIER_ANY,
	  .counter = HOOK_STATE, .idle_ns = 80, .busy_ns = 500 },
	{ "tp_sk_data_ready", "tp_btf/sk_data_ready", "time that bytes wait in the socket (Linux 6.3 or newer)",
	  TIER_ANY, .optional = true, .counter = HOOK_READY, .idle_ns = 45, .busy_ns = 115 },
	{ "cg_getpeername4", "cgroup/getpeername4", "time in the accept queue, IPv4", TIER_SOCKET, .optional = true,
	  .counter = HOOK_ACCEPT, .idle_ns = 60, .busy_ns = 110 },
	{ "cg_getpeername6", "cgroup/getpeername6", "time in the accept queue, IPv6", TIER_SOCKET, .optional = true,
	  .counter = -1 },
	{ "tp_sched_process_exec", "tp_btf/sched_process_exec", "new programs", TIER_ANY,
	  .counter = HOOK_EXEC, .idle_ns = 600, .busy_ns = 600 },
	{ "tp_sched_process_fork", "tp_btf/sched_process_fork", "children of watched processes", TIER_ANY,
	  .counter = HOOK_FORK, .idle_ns = 80, .busy_ns = 700 },
	{ "tp_sched_process_exit", "tp_btf/sched_process_exit", "ends of watched processes", TIER_ANY,
	  .counter = HOOK_EXIT, .idle_ns = 90, .busy_ns = 600 },
	{ "it_listeners", "iter/task_file", "who listens on a port", TIER_ANY, .on_demand = true, .counter = -1 },
	{ "it_sockets", "iter/task_file", "sockets older than the agent", TIER_ANY, .on_demand = true, .counter = -1 },
	{ "it_positions", "iter/tcp", "where older connections are", TIER_ANY, .on_demand = true, .counter = -1 },
	{ "it_unix_ends", "iter/bpf_sk_storage_map", "when unix connections end", TIER_SOCKET, .optional = true,
	  .on_demand = true, .counter = -1 },
	{ "it_unix_pairs", "iter/bpf_map_elem", "when unix connections end", TIER_ANY, .optional = true,
	  .on_demand = true, .counter = -1 },
};
_Static_assert(ARRAY_SIZE(programs) <= CAPTURE_LINKS_MAX, "room for a link of each program");
const size_t programs_n = ARRAY_SIZE(programs);

/* The root of the cgroup2 hierarchy, to which cgroup programs are attached: they see every accept(). */
static int cgroup_root_open(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *m;
	int fd = -ENOENT;

	if (!mounts)
		return -errno;
	while ((m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		fd = open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		break;
	}
	endmntent(mounts);
	return fd;
}

int program_attach(struct sonde_bpf *skel, const struct program *p, struct bpf_link **link)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(skel->obj, p->name);
	struct bpf_link *l;
	int cgroup;

	if (!prog)
		return -ENOENT;
	if (p->on_demand)	/* runs when somebody reads it; over a map it needs one to attach */
		return 0;
	if (bpf_program__type(prog) != BPF_PROG_TYPE_CGROUP_SOCK_ADDR) {
		l = bpf_program__attach(prog);
	} else {
		cgroup = cgroup_root_open();
		if (cgroup < 0)
			return cgroup;
		l = bpf_program__attach_cgroup(prog, cgroup);
		close(cgroup);
	}
	if (!l)
		return -errno;
	*link = l;
	return 0;
}

/* The type that tp_btf programs attach to, of include/trace/bpf_probe.h. */
bool program_has_hook(const struct program *p, const struct btf *btf)
{
	const char prefix[] = "tp_btf/";
	char type[96];

	if (strncmp(p->hook, prefix, sizeof(prefix) - 1) != 0)
		return true;
	snprintf(type, sizeof(type), "btf_trace_%s", p->hook + sizeof(prefix) - 1);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

int program_try(const struct program *p)
{
	static const struct capture_options smallest = { "auto", 4096, 4096 };
	struct sonde_bpf *skel = sonde_bpf__open();
	struct bpf_link *link = NULL;
	struct bpf_program *prog;
	int err;

	if (!skel)
		return -errno;
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), p->name));
	skel_configure(skel, &smallest, p->tiers & TIER_SOCKET ? TIER_SOCKET : TIER_SYSCALL);
	err = sonde_bpf__load(skel);
	if (!err)
		err = program_attach(skel, p, &link);
	bpf_link__destroy(link);
	sonde_bpf__destroy(skel);
	return err;
}
