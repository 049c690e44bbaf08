/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side of the loader: opens the skeletons, chooses the tier by trying to attach it, owns all
 * links (bpf_link, none pinned) and maps. Only the loader process calls this; the worker never does. */
#ifndef SONDE_CAPTURE_CAPTURE_H
#define SONDE_CAPTURE_CAPTURE_H

#include "base/ipc.h"
#include "bpf/event.h"

struct capture;

struct capture_options {
	const char *tier;		/* "auto", "socket", "fexit", "syscall" */
	uint32_t ring_bytes;		/* a power of two */
	uint32_t process_ring_bytes;
};

/* Loads and attaches. On failure *why (if not NULL) is a text for people that says what is missing and
 * what to do (capability, BTF, lockdown, kernel too old), owned by the caller. -EPERM, -ENOTSUP, -errno. */
int capture_new(struct capture **out, const struct capture_options *opt, char **why);
void capture_free(struct capture *c);		/* detaches everything */
const char *capture_tier(const struct capture *c);

/* Descriptors for IPC_MAPS, in enum ipc_fd order; they stay the capture's. */
void capture_fds(const struct capture *c, int fds[IPC_FD_COUNT]);
int capture_process_ring_fd(const struct capture *c);

/* Policy: the loader's writes to the kernel. */
int capture_watch_process(struct capture *c, uint32_t tgid, const struct process_policy *p);
int capture_unwatch_process(struct capture *c, uint32_t tgid);
int capture_set_service(struct capture *c, uint32_t service, const struct service_policy *p);
/* Nobody is watched as this service any more: what the kernel keeps for it goes when its last turns have been read
 * (connections close after the exit of their process). capture_set_service() takes the number into use again. */
void capture_forget_service(struct capture *c, uint32_t service);
/* Every socket is decided anew at its next byte. active = whether anything is selected. */
void capture_new_generation(struct capture *c, bool active);

/* Connections that exist already: iter/tcp in the current network namespace (the caller does setns),
 * iter/task_file for the watched processes, iter/unix. They are announced (REC_OPEN, old = 1). */
int capture_scan_sockets(struct capture *c);

/* Who listens on a port, from iter/tcp + iter/task_file: calls f(ctx, tgid, port, netns inode) for each process
 * that holds a listening TCP socket. Needs no selection; reads no payload. */
int capture_scan_listeners(struct capture *c, void (*f)(void *ctx, uint32_t tgid, uint16_t port, uint32_t netns),
			   void *ctx);

/* Reads the per-CPU turn histograms: f gets the difference to the last call, for keys that grew. */
int capture_read_turns(struct capture *c, void (*f)(void *ctx, const struct ipc_turns *t), void *ctx);
/* Firings, skipped firings and estimated run time of each program. */
int capture_read_programs(struct capture *c, void (*f)(void *ctx, const struct ipc_program *p), void *ctx);
uint64_t capture_map_bytes(const struct capture *c);

/* `sonde check`: tries each hook and tier by itself and says the result in one line each. */
struct capture_check {
	const char *what;	/* "tier socket", "tp_btf/tcp_sendmsg_locked", "iter/tcp", ... */
	int err;		/* 0 works, else -errno */
	char why[160];		/* what it is needed for, why it fails, what to do */
	bool required;		/* without it `sonde run` cannot start */
};
int capture_check(void (*f)(void *ctx, const struct capture_check *c), void *ctx);

#endif
