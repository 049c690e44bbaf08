/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves say to each other: fixed-size messages over one SOCK_SEQPACKET pair, file
 * descriptors beside some of them. The loader never blocks on it (a full socket: the message is kept in
 * a bounded queue); the worker reads it in its event loop. */
#ifndef SONDE_BASE_IPC_H
#define SONDE_BASE_IPC_H

#include "bpf/event.h"
#include "base/service.h"

enum ipc_kind {
	/* loader -> worker */
	IPC_MAPS = 1,		/* struct ipc_maps + fds: ring, verdicts, service_counters */
	IPC_SERVICE,		/* struct service: new, or changed (same number) */
	IPC_TURNS,		/* struct ipc_turns: what a histogram grew by since the last one */
	IPC_PROGRAM,		/* struct ipc_program: one per BPF program and interval */
	IPC_SELF,		/* struct ipc_self: the loader's own figures, each interval */
	IPC_READY,		/* attached and bootstrapped: the tier's name is in ipc_self */
	/* worker -> loader */
	IPC_POLICY,		/* struct ipc_policy: set a service's capture mode and budgets */
	IPC_EXPORTS_OTLP,	/* struct ipc_exports_otlp: the service was seen sending its own traces */
};

enum ipc_fd { IPC_FD_RING, IPC_FD_VERDICTS, IPC_FD_COUNTERS, IPC_FD_COUNT };

struct ipc_maps {
	uint32_t ring_bytes;	/* data size of the ring, a power of two */
	uint32_t pad;
};
struct ipc_turns {
	struct turn_key key;
	struct turn_value value;	/* the difference, summed over CPUs */
};
struct ipc_program {
	char name[32];
	char hook[48];
	uint64_t fired, watched;	/* cumulative */
	uint64_t recursion_misses;	/* cumulative; firings that the kernel skipped */
	uint64_t run_ns;		/* fired x calibrated ns per firing, an estimate */
};
struct ipc_self {
	char tier[16];
	uint64_t cpu_ns, rss_bytes;	/* of the loader */
	uint64_t worker_rss_bytes;	/* the worker does not open /proc */
	uint64_t map_bytes;		/* memlock of all maps */
	uint64_t processes, services;	/* watched now */
	uint64_t dropped_messages;
	uint64_t refused_processes;	/* there was no service number left */
};
struct ipc_policy {
	uint32_t service;
	struct service_policy policy;
};

struct ipc_exports_otlp {
	uint32_t service;
	uint32_t pad;
};

struct ipc_msg {
	uint32_t kind;		/* enum ipc_kind */
	uint32_t pad;
	union {
		struct ipc_maps maps;
		struct service service;
		struct ipc_turns turns;
		struct ipc_program program;
		struct ipc_self self;
		struct ipc_policy policy;
		struct ipc_exports_otlp exports_otlp;
	};
};

/* Bytes of a message of that kind on the wire: the head and its own union member only. 0: no such kind. */
size_t ipc_size(uint32_t kind);

/* Sends one message, with n_fds descriptors beside it (0: none). 0, -EAGAIN when the socket is full, -EPIPE
 * when the other half is gone, -errno. */
int ipc_send(int fd, const struct ipc_msg *msg, const int *fds, size_t n_fds);

/* Receives one message; *n_fds says how many descriptors came (at most IPC_FD_COUNT, the caller owns them).
 * 0, -EAGAIN when there is none, -EPIPE when the other half is gone, -EBADMSG for a wrong size or kind. */
int ipc_recv(int fd, struct ipc_msg *msg, int *fds, size_t *n_fds);

#endif
