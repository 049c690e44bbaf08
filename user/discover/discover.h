/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes are watched, and what they are called. Lives in the loader: reads /proc, gets process
 * records, decides by the selectors, numbers service instances, writes policy by the callbacks. */
#ifndef SONDE_DISCOVER_DISCOVER_H
#define SONDE_DISCOVER_DISCOVER_H

#include "bpf/event.h"
#include "base/service.h"

struct discover;

struct discover_sink {
	void *ctx;
	int (*watch)(void *ctx, uint32_t tgid, const struct process_policy *p);
	int (*unwatch)(void *ctx, uint32_t tgid);
	void (*service)(void *ctx, const struct service *s);	/* new or changed */
	/* Processes are watched that were not: what they hold open already may be listed. For a network namespace
	 * that is new: its inode and a pid that lives in it, else 0 and 0. */
	void (*changed)(void *ctx, uint32_t new_netns, uint32_t pid_in_it);
	/* A process that lives on is not watched any more, or as another service: what was decided of sockets is void. */
	void (*redecide)(void *ctx);
};

struct discover_options {
	const char *const *select;	/* selector texts; n_select == 0: every service on the host */
	size_t n_select;
	const char *const *exclude;
	size_t n_exclude;
	const char *proc;		/* "/proc"; tests point it elsewhere */
	const char *cgroup_root;	/* mount of cgroup2 */
	/* service.name from the config: `name` for processes that `selector` matches */
	const struct discover_name { const char *selector, *name; } *names;
	size_t n_names;
	uint16_t otlp_port;		/* our endpoint, if it is on this host: who listens there is not watched by
					 * default (n_select == 0); 0 none */
	bool trace_otlp_exporters;	/* spans even for services that export OTLP themselves */
	const char *netns_dir;		/* NULL: "/run/netns" */
	uint64_t quarantine_ns;		/* 0: 30 s before the number of a service that is gone is used again */
};

/* A selector text is wrong: *why says where and what was expected (owned by the caller). */
int discover_new(struct discover **out, const struct discover_options *opt, const struct discover_sink *sink,
		 char **why);
void discover_free(struct discover *d);

/* Reads /proc and decides every process; call once after attaching, and rarely to repair (lost records). */
int discover_scan(struct discover *d);
/* A process holds a listening socket on that port (from the iterators or REC_LISTEN). */
void discover_listener(struct discover *d, uint32_t tgid, uint16_t port, uint32_t netns);
/* REC_EXEC, REC_FORK, REC_EXIT, REC_LISTEN. */
void discover_record(struct discover *d, const void *rec, size_t size);
/* Does any selector look at listening ports (then the caller scans listeners)? */
bool discover_needs_listeners(const struct discover *d);
size_t discover_processes(const struct discover *d);	/* watched now */
size_t discover_services(const struct discover *d);
/* How often a selected process could not be watched: no number left, or the kernel's table is full. */
uint64_t discover_refused(const struct discover *d);
/* The service was seen sending OTLP traces itself: announced again with exports_otlp set, unless
 * trace_otlp_exporters says that this does not matter. */
void discover_exports_otlp(struct discover *d, uint32_t service);

#endif
