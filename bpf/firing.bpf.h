/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What tier "syscall" knows of one message that a system call moved. In a map, since all frames of a program
 * together have 512 bytes. */
#ifndef SONDE_FIRING_BPF_H
#define SONDE_FIRING_BPF_H

#include "payload.bpf.h"
#include "tcp.bpf.h"

struct firing {
	__u32 n;	/* bytes; no call moves more than MAX_RW_COUNT, 2 GiB */
	__u32 after;	/* bytes that the same call moved after it */
	__u8  dir;	/* enum io_dir */
	__u8  side;	/* unix: the end at which the call was made, index in unix_pair.end */
	struct payload payload;
	struct tcp_view view;
};

/* One element for each CPU. Writer, reader: tp_sys_exit, which does not run twice at a time on a CPU
 * (bpf_prog_get_recursion_context()), also where it can be preempted. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct firing);
} firings __weak SEC(".maps");

static __always_inline struct firing *firing_of_cpu(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&firings, &first);
}

#endif
