/* SPDX-License-Identifier: Apache-2.0 */
/* What every database protocol's describe() says alike: OpenTelemetry's database conventions. */
#ifndef SONDE_PROTO_DB_H
#define SONDE_PROTO_DB_H

#include "proto/exchange.h"
#include "span/span.h"

/* One call of a database. Strings live as long as the span; empty ones and -1 are unknown. */
struct db_call {
	const char *system;		/* db.system.name */
	struct str namespace, operation, collection, procedure;
	struct str summary, text;
	struct str status_code;		/* of a failure */
	struct str error;		/* error.type: empty when it did not fail */
	int64_t returned_rows;
	int64_t batch_size;		/* only when there are several operations, else -1 */
	bool namespace_in_name;		/* it may stand in the span's name as the target */
	bool cut;			/* part of the request was not captured */
};

/* Sets kind, name, status, instrument and all attributes of the span. Server spans (the database's own
 * side) have no instrument: the conventions have metrics for the client only. -ENOENT when the role is
 * unknown. */
int db_describe(const struct exchange *x, const struct db_call *call, struct span *sp);

#endif
