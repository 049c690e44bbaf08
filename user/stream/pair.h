/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for their responses on one connection. In: requests in the order they were made,
 * responses with the protocol's id or in order. Out: which belongs to which. Owns the waiting and the
 * finished exchanges until they are taken. */
#ifndef SONDE_STREAM_PAIR_H
#define SONDE_STREAM_PAIR_H

#include "proto/proto.h"

/* An exchange and what only stream/ has to know about it. */
struct pending {
	struct exchange x;		/* first: x.next links these */
	uint64_t tick;			/* the table's tick when it finished */
	uint32_t turn;			/* ordinal of the turn its request began in */
	uint32_t charged;		/* bytes of it that are in stream_stats.memory */
	bool announced;			/* the sink has heard of the request */
	bool doubtful;			/* response bytes were missed since: it may have been answered */
	bool until_close;		/* the response ends where the connection does */
	bool orphan;			/* a response without a request: parsed, never told */
	bool unpaired;			/* a request that no response can be matched with */
	bool big_claim;			/* its last send claimed so much that it may be claimed again */
};

struct pending_list { struct pending *head, *tail; };

struct pairs {
	struct pending_list waiting;	/* in the order of their requests */
	struct pending_list done;
	uint32_t n;			/* waiting */
	uint32_t given_up;		/* of requests taken away: so many responses come before the head's */
};

struct pending *pending_new(void);
/* Frees its arenas. */
void pending_release(struct pending *p);
/* Frees all of it; NULL is fine. */
void pending_free(struct pending *p);
/* What it costs in memory. */
size_t pending_bytes(const struct pending *p);

static inline struct pending *pending_next(const struct pending *p)
{
	return (struct pending *)p->x.next;
}

void pending_push(struct pending_list *l, struct pending *p);
/* Takes p out of the list; false when it is not there. */
bool pending_take(struct pending_list *l, struct pending *p);

/* A request began. */
void pairs_add(struct pairs *q, struct pending *p);
/* The request that a response with that id (0: in order) answers; NULL: none. The first call for a
 * response decides; the request stays in the list until pairs_finish(). */
struct pending *pairs_match(struct pairs *q, uint64_t id);
/* Whether an in-order response could be for somebody. */
bool pairs_expect(const struct pairs *q);
/* From waiting (if it is there) to done. */
void pairs_finish(struct pairs *q, struct pending *p);
/* Takes a waiting request away although its response may still come: that one will be swallowed. */
void pairs_give_up(struct pairs *q, struct pending *p);

#endif
