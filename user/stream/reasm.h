/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of a stream, by position: which bytes are new, which are old claims, which are missing,
 * and who moved them when. In: segments (a record's share of the stream). Out: contiguous bytes for a
 * parser. Owns the bytes that a parser has not consumed yet. Knows no protocol. */
#ifndef SONDE_STREAM_REASM_H
#define SONDE_STREAM_REASM_H

#include "base/str.h"
#include "bpf/event.h"

/* What one record says about its stream. */
struct segment {
	uint64_t pos, ts_ns, task;
	uint32_t len, cap;		/* cap <= len: data[0..cap) was captured */
	uint32_t tgid, tid;
	uint32_t queue_ns;		/* ~0u unknown */
	uint8_t io;			/* enum io_dir */
	uint8_t flags;			/* enum rec_flag */
	const char *data;
};

/* Who moved the bytes before `end` (and after the mark before it), and when. */
struct mark {
	uint64_t end, ts_ns, task;
	uint32_t tgid, tid, queue_ns, len;
	bool send;
};

/* Unparsed bytes seldom span more records than this; then the newest mark stands for the rest. */
#define FLOW_MARKS 4
/* A parser that wants more than this at once does not get it: the head counts as cut. */
#define FLOW_BYTES_MAX (64u << 10)

/* No real position is beyond it, so sums of positions do not overflow. */
#define POS_MAX (1ull << 60)

struct flow {
	uint64_t next;			/* every byte before it was shown by a record, or given up as a gap */
	uint64_t want;			/* where the parser stands; beyond next: it skips a body */
	char *bytes;			/* [want, want + n), n > 0 only while the parser waits for more */
	uint32_t n, size;
	uint32_t n_marks;
	struct mark marks[FLOW_MARKS];
};

/* The new part of a segment: bytes captured at [pos, pos + bytes.n), size known up to end. */
struct fresh {
	uint64_t pos, end;
	struct str bytes;
};

static inline bool fresh_has_hole(const struct fresh *f)
{
	return f->pos + f->bytes.n < f->end;
}

void flow_open(struct flow *f, uint64_t pos);
void flow_release(struct flow *f);

/* Bytes between what is known and the segment; 0 when it joins or overlaps. */
uint64_t flow_gap(const struct flow *f, const struct segment *s);

/* Takes a segment: advances next past it and remembers its mark. False (and nothing changes) when all of it
 * is old. A gap before it is the caller's to handle: here it only becomes known. */
bool flow_accept(struct flow *f, const struct segment *s, struct fresh *out);

/* What the parser may read now, starting at want: bytes kept earlier and the fresh ones behind them. The
 * view lives until the next call on f or the end of the segment. 0, -ENOBUFS beyond FLOW_BYTES_MAX,
 * -ENOMEM. */
int flow_input(struct flow *f, const struct fresh *fresh, struct str *in);

/* The parser took all but `rest` (the tail of flow_input's view): keeps it for the next segment. */
int flow_keep(struct flow *f, struct str rest);

/* Forgets kept bytes. The parser's position becomes `want`. */
void flow_jump(struct flow *f, uint64_t want);

/* The record that showed the byte at pos; the nearest when its own mark is gone. NULL before any record. */
const struct mark *flow_mark(const struct flow *f, uint64_t pos);

#endif
