/* SPDX-License-Identifier: Apache-2.0 */
/* ring.h: the consumer page is ours to write, the producer page and the data are the kernel's.
 * The data area is mapped twice in a row by the kernel, so a record never wraps for us. */
#include "capture/ring.h"

#include <linux/bpf.h>
#include <sys/mman.h>

struct ring {
	int fd;
	size_t bytes;
	unsigned long *consumer;	/* one page */
	unsigned long *producer;	/* one page, then the data twice */
	size_t producer_map;
	const char *data;
};

int ring_new(struct ring **out, int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ring *r;

	if (!bytes || (bytes & (bytes - 1)) || bytes % page)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->bytes = bytes;
	r->producer_map = page + 2 * bytes;
	r->consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	r->producer = mmap(NULL, r->producer_map, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (r->consumer == MAP_FAILED || r->producer == MAP_FAILED) {
		int err = -errno;

		r->fd = -1;
		ring_free(r);
		return err;
	}
	r->fd = fd;
	r->data = (const char *)r->producer + page;
	*out = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	if (r->consumer != MAP_FAILED)
		munmap(r->consumer, (size_t)sysconf(_SC_PAGESIZE));
	if (r->producer != MAP_FAILED)
		munmap(r->producer, r->producer_map);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

int ring_fd(const struct ring *r)
{
	return r->fd;
}

size_t ring_drain(struct ring *r, size_t max, void (*f)(void *ctx, const void *rec, size_t n), void *ctx)
{
	unsigned long at = *r->consumer;	/* only we write it */
	unsigned long end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
	size_t calls = 0;

	while (at < end && calls < max) {
		const char *p = r->data + (at & (r->bytes - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
		uint32_t n = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
			f(ctx, p + BPF_RINGBUF_HDR_SZ, n);
			calls++;
		}
		at += (n + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	}
	return calls;
}

size_t ring_fill(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - *r->consumer;
}

size_t ring_size(const struct ring *r)
{
	return r->bytes;
}
