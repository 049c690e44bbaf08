/* SPDX-License-Identifier: Apache-2.0 */
/* How exchanges end. In: finished, lost, timed out or shed exchanges of a conversation. Out: the sink's
 * callbacks, each exchange exactly once, and the service's counters. */
#ifndef SONDE_STREAM_OUTCOME_H
#define SONDE_STREAM_OUTCOME_H

#include "stream/table.h"

/* A claim this large may be taken in parts, over time: the socket buffer is not that much larger. */
#define BIG_CLAIM_BYTES (16u << 10)

/* Brings stream_stats.memory up to date with what p holds. */
void outcome_charge(struct stream_table *t, struct pending *p);
/* Frees p without telling anybody. */
void outcome_discard(struct stream_table *t, struct work *w, struct pending *p);
/* Tells the sink that the request is under way, once. */
void outcome_announce(struct stream_table *t, const struct conn *c, struct pending *p);

/* The exchange is over; it is told when its times can not change any more. */
void outcome_finish(struct stream_table *t, struct work *w, struct pending *p, enum exchange_end end);
/* Before a segment is taken: tells those that it settles. */
void outcome_settle(struct stream_table *t, struct work *w, const struct segment *s);
/* At a tick: tells those that are settled by time, gives up requests that waited too long. */
void outcome_tick(struct stream_table *t, struct work *w);

/* Answers in order were missed: the requests that wait for one will not find it. */
void outcome_lose_waiting(struct stream_table *t, struct work *w);
/* The oldest waiting request goes (memory, pending_max); its response will be swallowed. */
void outcome_shed_oldest(struct stream_table *t, struct work *w);

/* The connection is over: tells everything. Unanswered ones get `end`. */
void outcome_end_all(struct stream_table *t, struct work *w, enum exchange_end end);
/* The agent is: tells what was answered, drops the rest. */
void outcome_flush(struct stream_table *t, struct work *w);

#endif
