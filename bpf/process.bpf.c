/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Life of processes. In: tp_btf sched_process_exec, fork and exit. Out: records on `process_ring`; `processes`,
 * so that a child of a watched process is watched from its first instruction, and an exec stays watched
 * until the loader has decided it anew. */
#include "emit.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Processes come and go rarely enough to wake the loader at once, which must name the short-lived ones. */
static __always_inline struct rec_process *rec_process_new(enum rec_kind kind, struct task_struct *task, __u32 service)
{
	struct rec_process *r = bpf_ringbuf_reserve(&process_ring, sizeof(*r), 0);

	if (!r) {
		rec_dropped(counters_of(NO_SERVICE));
		return NULL;
	}
	__builtin_memset(r, 0, sizeof(*r));
	rec_head_fill(&r->h, kind, TRANSPORT_TCP, service, 0, bpf_ktime_get_ns());
	r->h.tgid = task->tgid;
	r->h.tid = task->pid;
	r->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), task->comm);
	return r;
}

static __always_inline __u32 process_service(__u32 tgid)
{
	const struct process_policy *p = bpf_map_lookup_elem(&processes, &tgid);

	return p ? p->service : 0;
}

/* begin_new_exec() has run: comm and file are the new ones, the pid is the leader's. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(tp_sched_process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct hook_counter *h = hook_fired(HOOK_EXEC);
	__u32 service = process_service(task->tgid);
	struct rec_process *r;

	if (service)
		hook_watched(h);
	r = rec_process_new(REC_EXEC, task, service);
	if (!r)
		return 0;
	bpf_probe_read_kernel_str(r->file, sizeof(r->file), BPF_CORE_READ(bprm, filename));
	bpf_ringbuf_submit(r, 0);
	return 0;
}

/* In kernel_clone(), before wake_up_new_task(). Threads share their leader's entry. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(tp_sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct hook_counter *h;
	__u32 from = parent->tgid, to = child->tgid;
	const struct process_policy *p;
	struct process_policy copy;
	struct rec_process *r;

	if (!policy.active)
		return 0;
	h = hook_fired(HOOK_FORK);
	if (from == to)
		return 0;
	p = bpf_map_lookup_elem(&processes, &from);
	if (!p)
		return 0;
	hook_watched(h);
	copy = *p;
	if (!bpf_map_update_elem(&processes, &to, &copy, BPF_NOEXIST))
		process_hint(to, 1);
	else			/* of a process whose end was not seen */
		bpf_map_update_elem(&processes, &to, &copy, BPF_EXIST);
	r = rec_process_new(REC_FORK, child, copy.service);
	if (!r)
		return 0;
	r->ptgid = from;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

/* do_exit() has counted the task out of its thread group already: 0 live ones left means the process ends. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(tp_sched_process_exit, struct task_struct *task)
{
	struct hook_counter *h;
	__u32 tgid = task->tgid, service;
	struct rec_process *r;

	if (!policy.active)
		return 0;
	h = hook_fired(HOOK_EXIT);
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	service = process_service(tgid);
	if (!service)
		return 0;
	hook_watched(h);
	if (!bpf_map_delete_elem(&processes, &tgid))
		process_hint(tgid, -1);
	r = rec_process_new(REC_EXIT, task, service);
	if (r)
		bpf_ringbuf_submit(r, 0);
	return 0;
}
