/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a lane: finds the protocol, lets its parser take steps, opens and closes the messages of exchanges.
 * In: the fresh bytes of a lane that is not lost. Out: calls of outcome.h. */
#ifndef SONDE_STREAM_PARSE_H
#define SONDE_STREAM_PARSE_H

#include "stream/outcome.h"

/* The lane's flow has just accepted `fresh`; `gap` bytes before it were never seen. */
void parse_fresh(struct stream_table *t, struct work *w, unsigned lane, const struct fresh *fresh, uint64_t gap);

/* No more bytes of this turn will come: decides on what there is. */
void parse_turn_over(struct stream_table *t, struct work *w, unsigned lane);

/* The message under way in a lane ends here although its framing could not be followed; `known` says that
 * the turn or the connection proves it. */
void parse_end_unframed(struct stream_table *t, struct work *w, unsigned lane, bool known);

/* Ends the message whose end, by its framing, is at or before `pos`. */
void parse_reach(struct stream_table *t, struct work *w, unsigned lane, uint64_t pos);

/* Says to BPF what is known about the connection. */
void parse_tell_verdict(struct stream_table *t, const struct conn *c, const struct dialog *d);

#endif
