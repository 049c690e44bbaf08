/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the iterators of bpf/scan.bpf.c: an iterator works while its descriptor is read.
 * In: the loaded programs. Out: decided sockets in the kernel, rows about listeners. Owns nothing. */
#include <bpf/bpf.h>
#include <unistd.h>

#include "capture/capture_internal.h"

/* Reads an iterator to its end; f (if any) gets what it wrote, n bytes at a time. */
static int iterator_read(int fd, void (*f)(void *ctx, const void *rows, size_t n), void *ctx)
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

static int iterator_run(struct bpf_program *prog, void (*f)(void *ctx, const void *rows, size_t n), void *ctx)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	int fd, err;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : iterator_read(fd, f, ctx);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

int capture_scan_sockets(struct capture *c)
{
	int err = iterator_run(c->skel->progs.it_sockets, NULL, NULL);

	return err ? err : iterator_run(c->skel->progs.it_positions, NULL, NULL);
}

struct listeners {
	void (*f)(void *ctx, uint32_t tgid, uint16_t port, uint32_t netns);
	void *ctx;
};

static void on_listener_rows(void *ctx, const void *rows, size_t n)
{
	const struct scan_listener *row = rows;
	const struct listeners *l = ctx;

	for (size_t i = 0; i < n / sizeof(*row); i++)
		l->f(l->ctx, row[i].tgid, row[i].port, row[i].netns);
}

int capture_scan_listeners(struct capture *c, void (*f)(void *ctx, uint32_t tgid, uint16_t port, uint32_t netns),
			   void *ctx)
{
	struct listeners l = { f, ctx };

	return iterator_run(c->skel->progs.it_listeners, on_listener_rows, &l);
}
