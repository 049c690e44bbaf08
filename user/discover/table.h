/* SPDX-License-Identifier: Apache-2.0 */
/* The table of known processes, shared by the files of this room only. A process is known while it is
 * watched, listens on a port that a selector names, or was excluded together with what it starts. Everything
 * else about a process is read from /proc when it is needed. */
#ifndef SONDE_DISCOVER_TABLE_H
#define SONDE_DISCOVER_TABLE_H

#include "base/hash.h"
#include "discover/discover.h"
#include "discover/instance.h"
#include "discover/process.h"
#include "discover/selector.h"

#define PORTS_MAX 16		/* of one process, and only ports that a selector names */
#define NETNS_PENDING 16

struct member {
	struct process p;
	uint32_t service;	/* number, 0: known but not watched */
	enum runtime runtime;
	bool tree;		/* its children are watched because it is */
	bool excluded_tree;	/* its children are not watched because it is not */
	uint64_t seen;		/* number of the last scan that met it */
	uint16_t ports[PORTS_MAX];
	size_t n_ports;
};

struct discover {
	struct discover_sink sink;
	struct selectors select, exclude, named;
	char **names;		/* service.name for named.v[i] */
	char *proc, *cgroup_root, *netns_dir, *self_exe;
	uint16_t otlp_port;
	bool trace_otlp_exporters;
	uint64_t quarantine_ns, host_id;
	struct hash members;	/* tgid -> struct member */
	struct hash netns;	/* inode -> watched processes in it, as a number */
	struct instances instances;
	size_t watched;
	uint64_t scans, refused;
	bool changed, redecide;
	struct { uint32_t netns, pid; } pending[NETNS_PENDING];	/* namespaces to announce */
	size_t n_pending;
};

/* table.c */
struct member *member_get(const struct discover *d, uint32_t pid);	/* NULL: not known */
/* The member of that process, new if there is none. Another process that had its pid is forgotten. NULL: no
 * memory. */
struct member *member_of(struct discover *d, const struct process *p);
/* Bookkeeping of a member that the kernel has under that number. */
void member_enter(struct discover *d, struct member *m, uint32_t number, enum runtime runtime);
/* The member joins a service (and leaves another), if the kernel takes the policy. 0 or the sink's error. */
int member_join(struct discover *d, struct member *m, uint32_t number, enum runtime runtime);
void member_unwatch(struct discover *d, struct member *m);
/* It has ended: BPF deleted the kernel's entry at its exit. Frees m. */
void member_forget(struct discover *d, struct member *m);
/* Frees m if there is nothing to remember of it: not watched, no listener, excludes nothing. */
void member_forget_idle(struct discover *d, struct member *m);
void service_drop(struct discover *d, uint32_t number);
/* Tells the sink what changed in the selection; each entry point of discover.h ends with it. */
void changes_tell(struct discover *d);

/* decide.c: decides about a process, and about those it has started already if they depend on it. */
void process_decide(struct discover *d, const struct process *p);

#endif
