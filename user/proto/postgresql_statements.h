/* SPDX-License-Identifier: Apache-2.0 */
/* What a PostgreSQL connection has prepared, so that an Execute gets its text back. Bounded in count and
 * bytes: what was not used for longest is forgotten, and then its text is unknown. */
#ifndef SONDE_PROTO_POSTGRESQL_STATEMENTS_H
#define SONDE_PROTO_POSTGRESQL_STATEMENTS_H

#include "base/str.h"

#define PG_STATEMENTS_MAX 64
#define PG_STATEMENTS_BYTES 32768	/* of all texts of a connection */
#define PG_TEXT_MAX 4096		/* of one text that is remembered */
#define PG_PORTALS_MAX 8

struct pg_statement {
	uint64_t name;			/* hash of the name; 0: free */
	uint64_t serial;		/* of its Parse: a portal means this one, not a later one of the same name */
	uint64_t used;
	char *text;
	uint32_t n;
};

struct pg_statements {
	uint64_t clock;			/* for `serial` and `used` */
	size_t bytes;
	uint32_t next_portal;
	struct { uint64_t name, serial; } portals[PG_PORTALS_MAX];
	struct pg_statement statement[PG_STATEMENTS_MAX];
};

/* Parse: remembers text under that name (the empty one is the unnamed statement). Its serial, 0 when there
 * is no memory. */
uint64_t pg_prepare(struct pg_statements *p, struct str name, struct str text);
/* Bind: the portal executes that statement. Its serial, 0 when it is unknown. */
uint64_t pg_bind(struct pg_statements *p, struct str portal, struct str statement);
/* The text of that serial, of what the portal executes: valid until the next pg_prepare(), empty when it is
 * unknown. */
struct str pg_text(struct pg_statements *p, uint64_t serial);
struct str pg_portal_text(struct pg_statements *p, struct str portal);
/* Close. */
void pg_forget(struct pg_statements *p, struct str name);
void pg_statements_release(struct pg_statements *p);

#endif
