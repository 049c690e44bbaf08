/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc tells about one process. In: a /proc directory and a pid. Out: facts, bounded copies of texts.
 * A process may vanish between any two reads: what could not be read is 0 or "", or -ESRCH for all of it. */
#ifndef SONDE_DISCOVER_PROCESS_H
#define SONDE_DISCOVER_PROCESS_H

#include "base/common.h"
#include "bpf/event.h"

struct process {
	uint32_t pid, ppid;
	uint32_t ns_pid;	/* as it sees itself, in its innermost pid namespace */
	uint32_t uid;
	uint32_t netns;		/* inode */
	uint64_t start_ticks;	/* since boot, in sysconf(_SC_CLK_TCK); 0 unknown */
	char comm[16];
	char exe[256];		/* "" when it cannot be read */
	char cgroup[512];	/* path below the cgroup2 mount, with a leading slash */
};

/* -ESRCH: gone, dead but not reaped, or a kernel thread. */
int process_read(struct process *out, const char *proc, uint32_t pid);

/* When it started, to tell a process from a later one of the same pid. -ESRCH as above. */
int process_start(const char *proc, uint32_t pid, uint64_t *ticks);

/* Is it that process still? */
bool process_is_running(const char *proc, const struct process *p);

/* The process of a REC_EXEC that has left /proc already: what the record says. */
void process_from_exec(struct process *out, const struct rec_process *rec, const char *cgroup_root);

/* Its arguments, each ended by a NUL (for the script's name; never exported). Bytes, 0 when unreadable. */
size_t process_args(const char *proc, uint32_t pid, char *args, size_t size);

/* The two variables of its environment that we look at; "" when not set. */
struct process_otel {
	char service_name[128];		/* OTEL_SERVICE_NAME */
	char resource_attributes[4096];	/* OTEL_RESOURCE_ATTRIBUTES */
};
void process_otel(struct process_otel *out, const char *proc, uint32_t pid);

/* Its executable, opened through /proc (it may live in another mount namespace). Descriptor or -errno. */
int process_open_exe(const char *proc, uint32_t pid);

/* Calls f for each child (needs CONFIG_PROC_CHILDREN, which distributions set). */
void process_children(const char *proc, uint32_t pid, void (*f)(void *ctx, uint32_t pid), void *ctx);

/* Every pid in /proc, parents before children (by start time). Returns how many, or -errno; *out is the
 * caller's to free. */
ssize_t process_list(const char *proc, uint32_t **out);

uint64_t process_started_unix_ns(uint64_t start_ticks);	/* 0 for 0 */
/* The user's name in /etc/passwd, else the number (no name service: it could ask the network). */
void process_owner(uint32_t uid, char *owner, size_t size);

#endif
