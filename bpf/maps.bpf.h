/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the kernel half remembers: every map, its key, who writes, reads and deletes; the state of a
 * connection; the knobs that the loader sets.
 *
 * All definitions are weak, so that each object may include this file and the linker keeps one. */
#ifndef SONDE_MAPS_BPF_H
#define SONDE_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "event.h"
#include "turn.h"

#define IPPROTO_TCP_ONLY	6
#define FAMILY_UNIX		1
#define FAMILY_INET		2
#define FAMILY_INET6		10
#define ARRIVALS		4	/* a power of two */
#define RB_AVAIL_DATA		0	/* BPF_RB_AVAIL_DATA of uapi/linux/bpf.h; vmlinux.h may lack it */

/* ---- knobs: the loader sets them before loading --------------------------------------------- */

const volatile __u32 ring_wake_bytes __weak = 1 << 21;	/* wake the worker when the ring holds more */
/* Tier syscall has only an untrusted pointer to the socket, which bpf_sk_storage_get() refuses: then
 * connections live in `conns_by_address`. */
const volatile bool conns_in_hash __weak = false;

/* ---- globals: the loader writes them at any time (.bss) -------------------------------------- */

struct policy_globals policy __weak = {};
__u32 unix_round __weak = 0;	/* ordinal of the sweep for ended unix connections */
/* How many watched processes have a tgid of that remainder. Whoever finds 0 spares itself the look-up in
 * `processes`. Writers: whoever adds to or deletes from it. */
__u32 process_hints[PROCESS_HINTS] __weak = {};

/* ---- state of a connection ------------------------------------------------------------------- */

enum conn_flag {
	CONN_LISTENER = 1,	/* the state of a listener; an accepted socket starts with a copy of it */
	CONN_OLD = 2,		/* existed before the agent */
	CONN_CLOSED = 4,	/* REC_CLOSE was sent */
	CONN_ISN = 8,		/* iss and irs are known */
	CONN_POSITIONS = 16,	/* sent_end and read_end are known: a firing was seen */
};

struct arrival {
	__u64 end;		/* bytes below this position ... */
	__u64 ns;		/* ... had come by then */
};

struct conn {
	__u32 generation;	/* of the policy when it was decided */
	__u32 service;		/* 0: ignored */
	__u64 cookie;
	__u32 announced;	/* generation of the last REC_OPEN, 0 none */
	__u32 tgid, tid;	/* who used it last */
	__u8  flags;		/* enum conn_flag */
	__u8  role;		/* enum role */
	__u8  runtime;		/* enum runtime of the process that it was decided for */
	__u8  dir;		/* enum io_dir of the message under way */
	__u32 payload_left;	/* budget that is left for this message */
	__u32 iss, irs;		/* initial sequence numbers, own and the peer's */
	__u64 sent_end;		/* position after the last send that was seen (it may have claimed too much) */
	__u64 read_end;		/* high-water mark of received bytes */
	__u64 connect_ns, established_ns, accepted_ns;
	struct turn turn;
	struct arrival came[ARRIVALS];
	__u32 n_came;
	__u32 pad;
	__u64 address;		/* of the struct sock, for reads by probe */
};

/* Key: the socket. Writer, reader: BPF. Deleter: the kernel, with the socket. BPF_F_CLONE: an accepted
 * socket is born with its listener's decision, so that arrivals before accept() are seen. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct conn);
} conns __weak SEC(".maps");

/* Key: address of the struct sock. Only used when conns_in_hash. Deleter: BPF at TCP_CLOSE, else the least
 * recently used one goes. (The loader sets max_entries to 1 when it is not used.) */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct conn);
} conns_by_address __weak SEC(".maps");

/* One end of a unix stream connection. Key: the socket. Deleter: the kernel, with the socket. */
struct unix_end {
	__u32 generation;
	__u32 side;		/* index in unix_pair.end */
	__u64 pair;		/* key in unix_pairs; 0: ignored */
};
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct unix_end);
} unix_ends __weak SEC(".maps");

/* A unix stream connection as a whole: one firing at the reader serves both ends, and the reader cannot be
 * found any more once the writer has closed. Key: the smaller cookie; in tier syscall the smaller address of
 * its two sockets. Writer, reader: BPF. Deleter: BPF, when a sweep finds a socket of the pair gone; else the least
 * recently used one goes. */
struct unix_pair {
	struct {
		__u64 cookie;
		__u64 sent;	/* bytes that the other end has read */
		__u64 address;	/* tier syscall: of the struct sock, ... */
		__u64 inode;	/* ... which memory lies there for one socket after another, 0 not known */
		__u32 service;	/* 0: not watched */
		__u32 announced;
		__u32 tgid, tid;	/* who read last at this end (tier syscall: or wrote) */
		__u8  role, runtime;
		__u8  shown_at_send;	/* tier syscall: nobody who is watched reads what this end sends */
		__u8  pad[5];
	} end[2];
	__u32 generation;	/* tier syscall: of the policy when it was decided */
	__u32 payload_left;
	__u32 seen_round;	/* the sweep that saw its sockets last, and how many of them; fewer than two: over */
	__u32 seen_ends;
	__u8  dir_side;		/* side that sent last + 1 */
	__u8  pad[3];
	struct turn turn;
	char path[112];		/* the listener's address */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct unix_pair);
} unix_pairs __weak SEC(".maps");

/* Tier syscall: a pair that was deleted, while its end is told. Writer, reader: BPF. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct unix_pair);
} unix_retired __weak SEC(".maps");

/* ---- policy ------------------------------------------------------------------------------------ */

/* Key: tgid. Writer: loader, and BPF at fork. Reader: BPF. Deleter: BPF at exit, loader. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct process_policy);
} processes __weak SEC(".maps");

/* Key: service number. Writer: loader. Reader: BPF. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct service_policy);
} services __weak SEC(".maps");

/* Key: verdict_slot(cookie). Writer: worker (mmap). Reader: BPF. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VERDICTS_MAX);
	__type(key, __u32);
	__type(value, struct verdict);
} verdicts __weak SEC(".maps");

/* ---- what goes up ------------------------------------------------------------------------------ */

/* Writer: BPF. Reader: worker (mmap). The loader sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} ring __weak SEC(".maps");

/* Writer: BPF. Reader: loader. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} process_ring __weak SEC(".maps");

/* Key: service number. Writer: BPF (atomic adds). Reader: worker (mmap). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct service_counters);
} service_counters __weak SEC(".maps");

/* Key: {service, role, protocol, overlaps}. Writer: BPF. Reader, deleter: loader. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct turn_key);
	__type(value, struct turn_value);
} turns __weak SEC(".maps");

/* One element, always zero: what a new element of another map begins with (too large for the BPF stack). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn_value);
} zeroes __weak SEC(".maps");

/* Key: enum hook. Writer: BPF. Reader: loader. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOOK_COUNT);
	__type(key, __u32);
	__type(value, struct hook_counter);
} hook_counters __weak SEC(".maps");

/* A function that the verifier follows once and not at each call, of which the linker keeps one copy. Its
 * pointers are plain memory that may be NULL. */
#define SONDE_FUNCTION __weak __noinline int

/* ---- helpers about maps ------------------------------------------------------------------------- */

static __always_inline void process_hint(__u32 tgid, __s32 by)
{
	__sync_fetch_and_add(&process_hints[tgid & (PROCESS_HINTS - 1)], by);
}

/* Counts a firing and returns the counter, so that the caller can count that it was ours; never NULL in
 * practice, but the verifier wants it tested. */
static __always_inline struct hook_counter *hook_fired(enum hook hook)
{
	__u32 key = hook;
	struct hook_counter *h = bpf_map_lookup_elem(&hook_counters, &key);

	if (h)
		h->fired++;
	return h;
}

static __always_inline void hook_watched(struct hook_counter *h)
{
	if (h)
		h->watched++;
}

static __always_inline struct service_counters *counters_of(__u32 service)
{
	return bpf_map_lookup_elem(&service_counters, &service);
}

/* The worker's word about a connection, or NULL. */
static __always_inline const struct verdict *verdict_of(__u64 cookie)
{
	__u32 slot = verdict_slot(cookie);
	const struct verdict *v = bpf_map_lookup_elem(&verdicts, &slot);

	return v && v->conn == cookie ? v : NULL;
}

#define PAYLOAD_RESUME 512

/* Payload that may still be captured of the message under way. It is given anew when a message begins, that is
 * when the direction turns; where messages overlap nothing turns, so at every firing. Later firings of the same turn
 * may show at least PAYLOAD_RESUME bytes: heads of pipelined responses, the request after one that was
 * answered before its body had come, and chunk sizes begin there. */
static __always_inline __u32 payload_budget(__u32 left, bool turned, __u32 full, const struct verdict *said)
{
	if (turned || (said && (said->flags & VERDICT_OVERLAPS)))
		return full;
	return left > PAYLOAD_RESUME ? left : PAYLOAD_RESUME;
}

#endif
