/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself, as the files of this room see it: options, sink, counters, connections. */
#ifndef SONDE_STREAM_TABLE_H
#define SONDE_STREAM_TABLE_H

#include "base/hash.h"
#include "stream/conn.h"
#include "stream/stream.h"

/* A close that arrived before the last records it counts. */
struct closing {
	struct closing *next;
	struct conn *conn;
	struct rec_close rec;
	uint64_t tick;
};

struct stream_table {
	struct stream_options opt;
	struct stream_sink sink;
	struct hash conns;			/* cookie -> struct conn */
	struct hash ends;			/* conn_ends_key() -> the end that was announced first */
	struct work *oldest, *newest;		/* conversations with a working part, least recent first */
	struct closing *closing;
	struct pool pendings, blocks;		/* spare exchanges, spare blocks of their arenas */
	uint64_t ticks;
	uint64_t now_ns;			/* newest time seen */
	struct stream_stats stats;
	struct stream_service_stats services[SERVICES_MAX];
};

static inline struct stream_service_stats *table_service(struct stream_table *t, const struct conn *c)
{
	return &t->services[c->service < SERVICES_MAX ? c->service : 0];
}

#endif
