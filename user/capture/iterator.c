/* SPDX-License-Identifier: Apache-2.0 */
/* Runs BPF iterators: one works while its descriptor is read. In: a loaded program. Owns nothing. */
#include <bpf/bpf.h>

#include "capture/capture_internal.h"

static int iterator_read(int fd, iterator_rows f, void *ctx)
{
	struct scan_listener rows[256];		/* the kernel never cuts a row: bpf_seq_write() is whole or not */
	ssize_t n;

	for (;;) {
		n = read(fd, rows, sizeof(rows));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		if (f)
			f(ctx, rows, (size_t)n);
	}
}

int iterator_run(struct bpf_program *prog, struct bpf_map *map, iterator_rows f, void *ctx)
{
	union bpf_iter_link_info info = {};
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link;
	int fd, err;

	if (bpf_program__fd(prog) < 0)
		return -ENOTSUP;
	if (map)
		info.map.map_fd = (__u32)bpf_map__fd(map);
	link = bpf_program__attach_iter(prog, map ? &opts : NULL);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : iterator_read(fd, f, ctx);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}
