/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* From a file descriptor to its socket, where no hook hands the socket out. In: the current task, or a
 * struct file. Out: a struct sock that the verifier does not trust: for probes and casts only. */
#ifndef SONDE_FD_BPF_H
#define SONDE_FD_BPF_H

#include "maps.bpf.h"

#define FILE_TYPE_MASK	0170000		/* S_IFMT */
#define FILE_TYPE_SOCKET 0140000	/* S_IFSOCK */

/* NULL if the file is not a socket. */
static __always_inline struct sock *file_sock(const struct file *f)
{
	const struct socket *s;

	if ((BPF_CORE_READ(f, f_inode, i_mode) & FILE_TYPE_MASK) != FILE_TYPE_SOCKET)
		return NULL;
	s = BPF_CORE_READ(f, private_data);
	return BPF_CORE_READ(s, sk);
}

/* The table is an array of pointers, whose elements have no type for the verifier. */
static __always_inline struct sock *fd_sock(__u32 fd)
{
	struct fdtable *table = bpf_get_current_task_btf()->files->fdt;
	struct file **files = table->fd, *f = NULL;

	if (fd >= table->max_fds)
		return NULL;
	bpf_probe_read_kernel(&f, sizeof(f), files + fd);
	return f ? file_sock(f) : NULL;
}

#endif
