/* SPDX-License-Identifier: Apache-2.0 */
/* One conversation: the two directions of a {connection, layer}. In: segments in ring order. It holds back
 * what came too early, notices turns and losses, and lets parse.c read what is left. Owns the parser's
 * state and, while something happens, the working part. */
#ifndef SONDE_STREAM_DIALOG_H
#define SONDE_STREAM_DIALOG_H

#include "bpf/turn.h"
#include "stream/hold.h"
#include "stream/pair.h"
#include "stream/reasm.h"

struct conn;
struct stream_table;

/* Directions are indexed by who speaks, because a role may become known late: 0 we send, 1 we receive. */
enum { LANE_SEND, LANE_RECV, LANE_COUNT };

struct lane {
	struct flow flow;
	struct pending *open;		/* the message under way is a side of it */
	struct arena scratch;		/* of a step that is not known to belong to a message yet */
	uint64_t turn_pos;		/* where its current turn began */
	uint64_t last_ns;		/* of its newest segment */
	uint32_t charged;		/* bytes of flow.bytes that are in stream_stats.memory */
	bool ending;			/* the open message ends at flow.want */
	bool handoff;			/* and then the parser's protocol does */
};

/* The part that an idle conversation does without. */
struct work {
	struct work *older, *newer;	/* stream_table's list */
	struct conn *conn;
	struct dialog *dialog;
	struct lane lanes[LANE_COUNT];
	struct pairs pairs;
	struct hold hold;
	struct turn turn;
	bool turn_ok;			/* all bytes of the turn so far were understood */
};

struct dialog {
	const struct proto *proto;	/* NULL: not classified */
	void *state;
	struct work *work;
	uint64_t next[LANE_COUNT];	/* flow.next while there is no work */
	uint64_t last_ns;		/* of the newest segment */
	bool placed[LANE_COUNT];	/* next is known */
	bool lost[LANE_COUNT];		/* nothing is parsed there before the next turn */
	bool hidden[LANE_COUNT];	/* lost to a firing that the kernel skipped: its gap is accounted for */
	uint8_t layer;
	uint8_t last;			/* lane + 1 of the last segment, 0: none yet */
	uint8_t failures, tries;	/* in a row: lost sync; turns that no protocol knew */
	bool opaque;			/* never parsed (again) */
	bool requested;			/* a request was seen: a response without one is an error */
	bool overlaps;			/* several requests were under way at a time */
	bool async;			/* requests were sent while older answers were due */
	bool distrust;			/* async and something was lost: no pairing in order before a pause */
};

void dialog_init(struct dialog *d, const struct conn *c, uint8_t layer);
/* A record for this conversation. Allocates the working part; out of memory: the record is lost. */
void dialog_segment(struct stream_table *t, struct conn *c, struct dialog *d, const struct segment *s);
/* Lets go of what waited long enough; frees the working part when the conversation is quiet. */
void dialog_tick(struct stream_table *t, struct conn *c, struct dialog *d);
/* Takes all segments that are held back as they are. */
void dialog_drain(struct stream_table *t, struct dialog *d);
/* The bytes of that lane can not be followed before its next turn. */
void dialog_lose(struct work *w, unsigned lane);
/* Payload is of no use any more. */
void dialog_opaque(struct stream_table *t, struct conn *c, struct dialog *d);
/* Brings stream_stats.memory up to date with the kept bytes. */
void dialog_charge(struct stream_table *t, struct work *w);
/* The connection ended: ends every exchange, with a look at the final positions. */
void dialog_close(struct stream_table *t, struct dialog *d, const struct rec_close *r);
void dialog_release(struct stream_table *t, struct dialog *d);

#endif
