/* SPDX-License-Identifier: Apache-2.0 */
/* Consumer of a BPF ring buffer by its file descriptor alone: no bpf(2), so the worker may use it.
 * Layout: Documentation/bpf/ringbuf.rst (consumer page, producer page, data mapped twice). */
#ifndef SONDE_CAPTURE_RING_H
#define SONDE_CAPTURE_RING_H

#include "base/common.h"

struct ring;

/* Takes the fd over (closed by ring_free, and on failure not). bytes: data size, a power of two. */
int ring_new(struct ring **out, int fd, size_t bytes);
void ring_free(struct ring *r);
int ring_fd(const struct ring *r);	/* for epoll: readable when the kernel asked to be woken */

/* Calls f for each finished record, at most `max` of them; returns how many. The record is only valid in f. */
size_t ring_drain(struct ring *r, size_t max, void (*f)(void *ctx, const void *rec, size_t n), void *ctx);

/* Bytes written and not yet consumed, and the size: how full it is. */
size_t ring_fill(const struct ring *r);
size_t ring_size(const struct ring *r);

#endif
