/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a PostgreSQL connection and what its two halves (postgresql_request.c, postgresql_response.c)
 * leave for describe(). Texts hold literals: they go through sql.h before they go anywhere. */
#ifndef SONDE_PROTO_POSTGRESQL_H
#define SONDE_PROTO_POSTGRESQL_H

#include "proto/exchange.h"
#include "proto/postgresql_statements.h"
#include "proto/proto.h"

#define PG_TEXTS_MAX 8		/* different texts of one batch that are kept */
#define PG_DATABASE_MAX 64	/* NAMEDATALEN */

enum pg_call { PG_STARTUP, PG_QUERY, PG_BATCH /* extended query protocol */, PG_FUNCTION, PG_CANCEL };

struct pg_text {
	struct str text;
	uint32_t executed;		/* times; 0: prepared only */
};

struct pg_request {
	enum pg_call call;
	bool backslash;			/* standard_conforming_strings is off */
	uint32_t executed;		/* Execute messages, those without a known text too; 1 of a Query */
	uint32_t n_texts;
	struct pg_text texts[PG_TEXTS_MAX];
	struct str database;		/* of the startup; empty when it was not seen */
};

struct pg_response {
	bool failed;
	char sqlstate[6];		/* of the first error; empty when it was not captured */
	int64_t rows;			/* returned; -1 unknown */
};

/* The state of a connection. */
struct pg {
	struct pg_statements *statements;	/* NULL until the first Parse or Bind */
	size_t database_n;
	char database[PG_DATABASE_MAX];
	bool asked_encryption;		/* SSLRequest, GSSENCRequest: one byte answers it */
	bool backslash;			/* standard_conforming_strings is off */
	bool copying;			/* the client sends data of a COPY */
	/* the batch being read */
	bool in_batch;
	struct pg_request batch;
	struct arena arena;		/* of batch */
	uint64_t parsed, bound;		/* serials of what was prepared last, bound last; 0 unknown */
	/* the response being read */
	bool in_response;
	bool rows_seen;			/* since the last CommandComplete */
	struct pg_response response;
};

/* One step in that direction; see struct proto's parse(). `in` is not empty. */
ssize_t pg_parse_request(struct pg *s, struct str in, struct msg *out);
ssize_t pg_parse_answer(struct pg *s, struct str in, struct msg *out);

/* Forgets the batch that is being read. */
void pg_drop_batch(struct pg *s);

int pg_describe(const struct exchange *x, const struct proto_options *opt, struct span *sp);

#endif
