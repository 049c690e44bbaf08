/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's messages as the parser leaves them for describe(). Texts hold literals: they go through
 * sql.h before they go anywhere. */
#ifndef SONDE_PROTO_POSTGRESQL_H
#define SONDE_PROTO_POSTGRESQL_H

#include "proto/exchange.h"
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

int pg_describe(const struct exchange *x, const struct proto_options *opt, struct span *sp);

#endif
