/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The system call under way: its number and arguments as they were made, from the saved registers. */
#ifndef SONDE_REGS_BPF_H
#define SONDE_REGS_BPF_H

#include "maps.bpf.h"

static __always_inline const struct pt_regs *regs_current(void)
{
	return (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT	2	/* the call came through a 32-bit entry, whose numbers are others */

enum call_number { CALL_RECVMSG = 47, CALL_RECVFROM = 45, CALL_RECVMMSG = 299, CALL_ACCEPT = 43, CALL_ACCEPT4 = 288 };

static __always_inline __u64 regs_number(const struct pt_regs *r) { return r->orig_ax; }
static __always_inline bool regs_compat(void)
{
	return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
}
static __always_inline __u64 regs_arg0(const struct pt_regs *r) { return r->di; }
static __always_inline __u64 regs_arg1(const struct pt_regs *r) { return r->si; }
static __always_inline __u64 regs_arg2(const struct pt_regs *r) { return r->dx; }
static __always_inline __u64 regs_arg3(const struct pt_regs *r) { return r->r10; }
#elif defined(__TARGET_ARCH_arm64)
#define TIF_32BIT	(1 << 22)

enum call_number { CALL_RECVMSG = 212, CALL_RECVFROM = 207, CALL_RECVMMSG = 243, CALL_ACCEPT = 202, CALL_ACCEPT4 = 242 };

static __always_inline __u64 regs_number(const struct pt_regs *r) { return (__u32)r->syscallno; }
static __always_inline bool regs_compat(void)
{
	return bpf_get_current_task_btf()->thread_info.flags & TIF_32BIT;
}
static __always_inline __u64 regs_arg0(const struct pt_regs *r) { return r->orig_x0; }	/* x0 is the result */
static __always_inline __u64 regs_arg1(const struct pt_regs *r) { return r->regs[1]; }
static __always_inline __u64 regs_arg2(const struct pt_regs *r) { return r->regs[2]; }
static __always_inline __u64 regs_arg3(const struct pt_regs *r) { return r->regs[3]; }
#endif

#endif
