/* SPDX-License-Identifier: Apache-2.0 */
/* How the tracer thinks: a node per exchange end, threads (or goroutines) that serve requests, and the
 * table of link methods. Private to span/. */
#ifndef SONDE_SPAN_NODE_H
#define SONDE_SPAN_NODE_H

#include "base/hash.h"
#include "span/tracer.h"

struct thread;
struct node {
	bool server;
	bool peer_expected;		/* client: the other end is watched and has not been linked yet */
	bool finished;			/* the exchange is over */
	bool decided;			/* parent is final (which may be: none) */
	bool left;			/* trace id is final; its span, if any, went to the sink */
	bool overlapped;		/* server: its thread had another request between its first and last byte */
	bool sent;			/* server: its first send after the read has been linked */
	uint64_t next_read_ns;		/* server: when its thread read the next request while it was open; 0 never */
	struct evidence e;
	struct span *span;		/* finished and held; NULL: left, or never had one */
	struct span_id id;
	struct trace_id trace;		/* valid when left */
	const struct link_method *method;
	struct node *parent, *children, *sibling;	/* children: those whose parent is decided */
	struct list *list;		/* which of the tracer's lists it is in, oldest first */
	struct node *newer, *older;
	uint64_t listed_ns;
	struct thread *thread;		/* in whose list it is: server open, client pending */
	struct node *thread_next, *thread_prev;
};

/* A thread of a watched process, or a goroutine where the kernel half reads one. */
struct thread {
	uint64_t key;
	uint32_t tgid;
	struct node *open;		/* server nodes whose request it read, newest first */
	struct node *pending;		/* client nodes without a parent yet that it sent, newest first */
};

/* Open requests per process: a client node with no open request around it has no parent to wait for. */
struct process {
	uint32_t tgid;
	uint32_t open;
};

struct list {
	struct node *oldest, *newest;
};

struct tracer {
	struct tracer_options opt;
	struct tracer_stats stats;
	void (*sink)(void *ctx, struct span *sp);
	void *ctx;
	struct hash nodes;		/* by node_key() */
	struct hash threads, processes;
	struct pool spare_nodes, spare_threads, spare_processes;
	struct list held;		/* finished, wait for their parent */
	struct list peers;		/* left, but the other end may still ask for their ids */
	struct list late;		/* left without a parent that may still turn up */
	bool process_idle;		/* since the last tick some process ended its last open request */
	uint64_t now_ns, random;
};

/* A way to find the parent of a node. Each is one file and one row of link_methods[]. */
struct link_method {
	const char *name;		/* sonde.link.method */
	float confidence;		/* share of right links that was measured where it applies */
	/* The parent of n as far as this method sees it when n's request is under way, or NULL. */
	struct node *(*parent_at_request)(struct tracer *t, struct node *n);
	/* The same when n's exchange is over (threads that answered and times are known). */
	struct node *(*parent_at_end)(struct tracer *t, struct node *n);
	/* Server node n is over: calls f for each pending client node that was made on its behalf. */
	void (*adopt)(struct tracer *t, struct node *n, void (*f)(struct tracer *, struct node *child, struct node *n,
								  const struct link_method *));
};
extern const struct link_method *const link_methods[];	/* in order of evidence, NULL-terminated */
extern const struct link_method link_same_bytes, link_first_send, link_responder;

/* Where the parent came on the wire (traceparent, b3); not a row: it names a span outside of us. */
extern const char *const link_wire_name;

static inline uint64_t node_key(bool server, uint64_t exchange)
{
	return hash_mix(exchange * 2 + server);
}

/* The thread of that identity, NULL when it holds nothing. */
struct thread *thread_find(const struct tracer *t, uint32_t tgid, uint32_t tid, uint64_t task);

#endif
