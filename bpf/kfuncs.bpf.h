/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Functions of the kernel that are no helpers; weak, so that their absence fails no load.
 *
 * Only io_socket.bpf.c may include this, and first: the linker of libbpf 1.1 cannot join two objects that
 * both name a kfunc ("failed to resolve size of underlying type"). Others do without. */
#ifndef SONDE_KFUNCS_BPF_H
#define SONDE_KFUNCS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

extern int bpf_dynptr_from_skb(struct __sk_buff *s, __u64 flags, struct bpf_dynptr *d) __ksym __weak;
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

#endif
