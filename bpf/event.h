/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The records and shared map values: all that the kernel half and user space agree on.
 *
 * In:  nothing but integer types. Out: struct layouts, the only ABI between bpf/ and user/.
 * Everything is little structs of fixed-width integers, 8-byte aligned, host byte order unless a
 * field says otherwise. BPF never names an application protocol; `proto` is an opaque number that
 * user space hands down by a verdict and gets back as a histogram key. */
#ifndef SONDE_EVENT_H
#define SONDE_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SERVICES_MAX	1024	/* service numbers are 1..SERVICES_MAX-1; 0 is "nobody" */
#define NO_SERVICE	0	/* its counters hold what belongs to no service: lost process records */
#define VERDICTS_MAX	16384	/* a power of two: verdict slot = cookie hash & (VERDICTS_MAX - 1) */
#define PROCESSES_MAX	16384
#define PROCESS_HINTS	4096	/* a power of two */
#define CAPTURE_MAX	16384	/* most payload bytes that one record can hold */
#define REQUEST_BUDGET	4096	/* payload bytes of one turn's request that are captured, to begin with */
#define RESPONSE_BUDGET	1024
#define ABSENT_NS	(~0ull)	/* a duration that no hook saw: never exported as 0 */

/* ---- records ------------------------------------------------------------------------------ */

enum rec_kind {
	/* on `ring`, read by the worker */
	REC_DATA = 1,		/* struct rec_data: bytes went through a socket */
	REC_OPEN,		/* struct rec_conn: sent before the first REC_DATA of a connection, and again
				 * when the policy generation changed (so a new reader learns it) */
	REC_CLOSE,		/* struct rec_close */
	REC_CONNECT_FAILED,	/* struct rec_conn with error set and established_ns = when connect() began */
	/* on `process_ring`, read by the loader */
	REC_EXEC,		/* struct rec_process */
	REC_FORK,		/* struct rec_process, ptgid set; only for children of watched processes */
	REC_EXIT,		/* struct rec_process; only for watched processes */
	REC_LISTEN,		/* struct rec_conn: a socket began to listen (any process: port= needs it) */
};

struct rec_head {
	__u8  kind;		/* enum rec_kind */
	__u8  layer;		/* 0 what the socket carries, 1 TLS plaintext */
	__u8  transport;	/* enum transport */
	__u8  flags;		/* enum rec_flag */
	__u32 service;		/* service number of the policy, 0 unknown */
	__u64 ts_ns;		/* CLOCK_MONOTONIC */
	__u64 conn;		/* socket cookie: one conversation = one struct sock */
	__u32 tgid, tid;	/* who ran when it happened (initial pid namespace) */
};

enum transport { TRANSPORT_TCP, TRANSPORT_UNIX, TRANSPORT_UDP };
enum rec_flag {
	REC_F_MIRROR = 1,	/* unix: this receive is also the peer's send (peer cookie: struct rec_conn) */
	REC_F_REPAIRED = 2,	/* firings before this one were skipped by the kernel; positions show the gap */
	REC_F_KERNEL_PAGES = 4,	/* sendfile/splice: the size is known, the bytes are not readable */
	REC_F_MORE = 8,		/* another record of the same firing follows with the rest of the bytes */
};
enum io_dir { IO_SEND = 1, IO_RECV = 2 };
enum role { ROLE_UNKNOWN, ROLE_ACTIVE /* it connected: client */, ROLE_PASSIVE /* it accepted: server */ };

struct rec_data {
	struct rec_head h;
	__u64 pos;		/* stream position of the first byte; a datagram: its ordinal */
	__u32 len;		/* bytes of this firing. A TCP send may over-claim (EAGAIN): clip at the next pos */
	__u32 queue_ns;		/* receive: how long the first byte waited in the socket; ~0u unknown */
	__u64 task;		/* logical task where it can be read without a uprobe (goroutine id), else 0 */
	__u16 cap;		/* payload bytes captured, data[0..cap) = stream [pos, pos + cap) */
	__u8  dir;		/* enum io_dir */
	__u8  role;		/* enum role */
	__u32 pad;
	__u8  data[];
};

struct rec_conn {
	struct rec_head h;
	__u8  family;		/* AF_INET, AF_INET6, AF_UNIX */
	__u8  role;		/* enum role; unix socketpair: unknown */
	__u8  old;		/* 1: it existed before the agent */
	__u8  pad;
	__u16 local_port, peer_port;	/* host order */
	__u32 netns;		/* inode of the network namespace */
	__s32 error;		/* REC_CONNECT_FAILED: positive errno */
	__u32 own_isn, peer_isn;	/* TCP; the same-bytes key is {client's isn, server's isn, position} */
	__u32 peer_service;	/* unix: service number of the other end, 0 unknown */
	__u64 peer_conn;	/* unix: the other end's cookie */
	__u64 sent_pos, recv_pos;	/* positions when this record was made */
	__u64 established_ns;	/* CLOCK_MONOTONIC, 0 unknown */
	__u64 accept_wait_ns;	/* passive: time in the accept queue, ABSENT_NS where no hook saw accept() */
	union {
		struct { __u8 local_addr[16], peer_addr[16]; };	/* IPv4 in the first 4 bytes, network order */
		char path[112];	/* unix: the listener's address, NUL-terminated; abstract: leading '@' */
	};
};

enum close_how { CLOSE_FIN, CLOSE_RESET, CLOSE_TIMEOUT, CLOSE_UNKNOWN };
struct rec_close {
	struct rec_head h;
	__u64 sent_pos, recv_pos;	/* final positions */
	__u32 how;		/* enum close_how */
	__u32 pad;
};

struct rec_process {
	struct rec_head h;	/* tgid is the process concerned, service what it is watched as (0: not) */
	__u32 ptgid;		/* REC_FORK: the parent */
	__u32 pad;
	__u64 cgroup;		/* id of its cgroup2 */
	char  comm[16];
	char  file[160];	/* REC_EXEC: the file name passed to execve, cut */
};

/* Row of iter/task_file: a process holds a listening TCP socket. Reader: loader. */
struct scan_listener {
	__u32 tgid, netns;
	__u16 port;		/* host order */
	__u16 pad[3];
};

/* ---- map values ----------------------------------------------------------------------------- */

enum capture_mode { CAPTURE_IGNORE, CAPTURE_TURNS /* no payload */, CAPTURE_HEADS, CAPTURE_FULL };

/* `services`: mmap-able array, index = service number. Writer: loader. Reader: BPF. */
struct service_policy {
	__u32 mode;		/* enum capture_mode */
	__u32 request_budget;	/* bytes, <= CAPTURE_MAX */
	__u32 response_budget;
	__u32 pad;
};

/* `processes`: hash, key = tgid. Writer: loader, and BPF at fork. Deleter: BPF at exit. */
struct process_policy {
	__u32 service;
	__u32 runtime;		/* enum runtime */
};
enum runtime { RUNTIME_NATIVE, RUNTIME_GO, RUNTIME_PYTHON, RUNTIME_NODE, RUNTIME_JAVA };

/* `verdicts`: mmap-able array indexed by verdict_slot(cookie). Writer: worker. Reader: BPF. A slot
 * whose tag is another connection's says nothing. */
struct verdict {
	__u64 conn;		/* the cookie it is about */
	__u8  proto;		/* number of the protocol (proto/list.h order), 0 not classified */
	__u8  flags;		/* enum verdict_flag */
	__u16 pad;
	__u32 pad2;
};
enum verdict_flag {
	VERDICT_TURNS_ONLY = 1,	/* no more payload of this connection (TLS, unknown, upgraded) */
	VERDICT_OVERLAPS = 2,	/* pipelined, multiplexed or push: its turns are not exchanges */
};
static inline __attribute__((always_inline)) __u32 verdict_slot(__u64 conn)
{
	return (__u32)((conn * 0x9E3779B97F4A7C15ull) >> 32) & (VERDICTS_MAX - 1);
}

/* `service_counters`: mmap-able array, index = service number. Writer: BPF (atomic adds). */
struct service_counters {
	__u64 records, captured_bytes;
	__u64 bytes_sent, bytes_received;
	__u64 dropped_records;	/* bpf_ringbuf_reserve failed */
	__u64 repaired_turns;	/* one side of the turn was found by position only */
	__u64 opened, closed, connect_failed;
	__u64 storage_failed;	/* sk_storage could not be created */
	__u64 pad[6];
};

/* `turns`: per-CPU hash. Log-linear histogram of latency, TURN_STEPS buckets per octave: the bounds
 * are turn_bucket() of turn.h. Writer: BPF. Reader and deleter: loader. */
#define TURN_BUCKETS	256
struct turn_key {
	__u32 service;
	__u8  role, proto;
	__u8  overlaps;		/* VERDICT_OVERLAPS: label `turn`, never request latency */
	__u8  pad;
};
struct turn_value {
	__u64 count;		/* turns closed, repaired ones too */
	__u64 repaired;		/* of these, not in the histograms */
	__u64 request_bytes, response_bytes;
	__u64 first_sum_ns, last_sum_ns;
	__u64 first[TURN_BUCKETS];	/* request's first byte .. response's first byte */
	__u64 last[TURN_BUCKETS];	/* request's first byte .. response's last byte */
};

/* `hook_counters`: per-CPU array, index = enum hook. Self metric: firings x calibrated ns = BPF time. */
enum hook {
	HOOK_SEND, HOOK_RECV, HOOK_STATE, HOOK_READY, HOOK_ACCEPT, HOOK_SYSCALL, HOOK_EXEC, HOOK_FORK,
	HOOK_EXIT, HOOK_LISTEN, HOOK_UNIX, HOOK_COUNT
};
struct hook_counter { __u64 fired, watched; };

/* Read by every program first; the loader writes it through .bss. */
struct policy_globals {
	__u32 generation;	/* a socket decided under another generation is decided anew */
	__u32 active;		/* 0: nothing is selected, leave at once */
};

#endif
