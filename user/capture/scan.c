/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the iterators of bpf/scan.bpf.c: an iterator works while its descriptor is read.
 * In: the loaded programs. Out: decided sockets in the kernel, rows about listeners. Owns nothing. */
#include "capture/capture_internal.h"

int capture_scan_sockets(struct capture *c)
{
	int err = iterator_run(c->skel->progs.it_sockets, NULL, NULL, NULL);

	return err ? err : iterator_run(c->skel->progs.it_positions, NULL, NULL, NULL);
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

	return iterator_run(c->skel->progs.it_listeners, NULL, on_listener_rows, &l);
}
