/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Where the bytes of a firing lie, and how they get into a record: an skb, the kernel's iov_iter, or
 * the user's own buffers. In: a struct payload made by the tier. Out: bytes in memory of the ring. */
#ifndef SONDE_PAYLOAD_BPF_H
#define SONDE_PAYLOAD_BPF_H

#include "maps.bpf.h"

#define SEGMENTS_MAX	8	/* of one sendmsg; bytes of later ones are not captured */

enum payload_kind {
	PAYLOAD_UNREADABLE,	/* pages of the kernel: sendfile, splice, registered io_uring buffers */
	PAYLOAD_SKB,		/* skb from skb_offset on */
	PAYLOAD_USER,		/* one buffer in user memory */
	PAYLOAD_KERNEL,		/* one buffer in kernel memory */
	PAYLOAD_USER_VECTOR,	/* iovec in user memory, of user memory (tier syscall) */
	PAYLOAD_VECTOR,		/* iovec in kernel memory, of user memory */
	PAYLOAD_KERNEL_VECTOR,	/* kvec: a sender inside the kernel */
};

struct payload {
	enum payload_kind kind;
	struct sk_buff *skb;
	__u32 skb_offset;
	const void *buffer;		/* PAYLOAD_USER, PAYLOAD_KERNEL */
	const struct iovec *vector;	/* the others: n_vector segments, the first one from `skip` on */
	__u64 n_vector, skip;
};

struct segment {
	const void *base;
	__u64 len;
};

/* What sendmsg() is about to copy. The iterator changes shape with the kernel: here that of 6.4 and later
 * (the hook that hands it out is younger), its kinds by CO-RE. */
static __always_inline struct payload payload_of_iter(struct iov_iter *it)
{
	struct payload p = { .skip = it->iov_offset, .n_vector = it->nr_segs, .vector = it->__iov };
	__u8 type = it->iter_type;

	if (type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		p.kind = PAYLOAD_USER;
		p.buffer = it->ubuf + it->iov_offset;
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		p.kind = PAYLOAD_VECTOR;
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_KVEC)) {
		p.kind = PAYLOAD_KERNEL_VECTOR;
	} else {
		p.kind = PAYLOAD_UNREADABLE;
	}
	return p;
}

static __always_inline long payload_copy(void *to, __u32 n, const void *from, enum payload_kind kind)
{
	return kind == PAYLOAD_KERNEL || kind == PAYLOAD_KERNEL_VECTOR ? bpf_probe_read_kernel(to, n, from) : bpf_probe_read_user(to, n, from);
}

static __always_inline struct segment segment_at(const struct payload *p, __u32 i)
{
	struct segment s = {};

	if (p->kind == PAYLOAD_USER_VECTOR)
		bpf_probe_read_user(&s, sizeof(s), p->vector + i);
	else
		bpf_probe_read_kernel(&s, sizeof(s), p->vector + i);
	return s;
}

/* Does a record of n bytes need more than the first segment? */
static __always_inline bool payload_is_split(const struct payload *p, __u32 n)
{
	if (p->kind < PAYLOAD_USER_VECTOR || p->n_vector < 2)
		return false;
	return segment_at(p, 0).len - p->skip < n;
}

#ifdef SONDE_KFUNCS_BPF_H
static __always_inline __u32 payload_read_skb(__u8 *to, __u32 n, const struct payload *p)
{
	struct bpf_dynptr d;

	if (!bpf_dynptr_from_skb || bpf_dynptr_from_skb((struct __sk_buff *)p->skb, 0, &d))
		return 0;
	return bpf_dynptr_read(to, n, &d, p->skb_offset, 0) ? 0 : n;
}
#else
static __always_inline __u32 payload_read_skb(__u8 *to, __u32 n, const struct payload *p)
{
	return 0;
}
#endif

/* Reads n bytes in one piece; returns how many. `room` is a constant of the path that the verifier walks. */
static __always_inline __u32 payload_read(__u8 *to, __u32 n, __u32 room, enum payload_kind kind, const void *from,
					  const struct payload *p)
{
	barrier_var(n);
	if (n > room)
		n = room;
	if (!n)
		return 0;
	if (kind == PAYLOAD_SKB)
		return payload_read_skb(to, n, p);
	return payload_copy(to, n, from, kind) ? 0 : n;
}

/* Where the segments of one message are put together. Each program runs once at a time on a CPU
 * (bpf_prog_get_recursion_context()), and only one of those loaded joins. */
struct joined {
	__u8 bytes[2 * CAPTURE_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct joined);
} joins __weak SEC(".maps");

/* Makes one buffer of the first n <= CAPTURE_MAX bytes; returns how many there are. The verifier does not see
 * that offset + length stay below n, only that each of them is at most CAPTURE_MAX. */
SONDE_FUNCTION payload_join(struct payload *p, __u32 n)
{
	__u32 first = 0, at = 0, count;
	struct joined *to = bpf_map_lookup_elem(&joins, &first);
	struct segment segments[SEGMENTS_MAX] = {};
	long err;

	if (!p || !to)
		return 0;
	count = p->n_vector > SEGMENTS_MAX ? SEGMENTS_MAX : p->n_vector;
	if (p->kind == PAYLOAD_USER_VECTOR)
		err = bpf_probe_read_user(segments, count * sizeof(*segments), p->vector);
	else
		err = bpf_probe_read_kernel(segments, count * sizeof(*segments), p->vector);
	if (err || p->skip > segments[0].len)
		return 0;
	segments[0].base += p->skip;
	segments[0].len -= p->skip;
	for (__u32 i = 0; i < SEGMENTS_MAX; i++) {
		__u64 part = segments[i].len;

		if (part > n - at)
			part = n - at;
		barrier_var(at);
		barrier_var(part);
		if (at > CAPTURE_MAX || part > CAPTURE_MAX)
			break;
		if (payload_copy(to->bytes + at, part, segments[i].base, p->kind))
			break;
		at += part;
	}
	p->buffer = to->bytes;
	return at;
}

#endif
