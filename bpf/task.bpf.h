/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Who runs: what can be told about the logical task from registers and memory, without any uprobe. */
#ifndef SONDE_TASK_BPF_H
#define SONDE_TASK_BPF_H

#include "regs.bpf.h"

/* runtime.g.goid, from the DWARF of Go 1.26 (unchanged since 1.23); the ABI keeps g in r14 on x86-64. */
#define GO_GOID_OFFSET	152

/* The goroutine that makes this system call, 0 unknown. */
static __always_inline __u64 task_goroutine(void)
{
	__u64 goid = 0;
#if defined(__TARGET_ARCH_x86)
	const struct pt_regs *regs = regs_current();

	bpf_probe_read_user(&goid, sizeof(goid), (const void *)(regs->r14 + GO_GOID_OFFSET));
#endif
	return goid;
}

static __always_inline __u64 task_logical(__u8 runtime)
{
	return runtime == RUNTIME_GO ? task_goroutine() : 0;
}

#endif
