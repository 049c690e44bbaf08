/* SPDX-License-Identifier: Apache-2.0 */
/* What may be told of an SQL text: the text without its literals and the summary of OpenTelemetry's
 * database conventions ("Sanitization of db.query.text", "Generating a summary of the query"). Any bytes
 * are survived; a text that was cut is read as far as it goes. */
#ifndef SONDE_PROTO_SQL_H
#define SONDE_PROTO_SQL_H

#include "base/arena.h"

#define SQL_TEXT_MAX 2048	/* bytes of sanitised text that are kept */
#define SQL_SUMMARY_MAX 255	/* by the conventions */

struct sql {
	struct str text;	/* literals are ?, comments are gone, blanks are single; $1 stays */
	struct str summary;	/* "INSERT shipping_details SELECT orders" */
	struct str operation;	/* what the only statement does ("SELECT", "CREATE TABLE"), as it was written;
				 * empty: none or several statements */
	struct str collection;	/* the only table of the only statement */
	struct str procedure;	/* CALL procedure */
	unsigned statements;	/* how many that do something we know */
};

/* `backslash`: see sql_scan.h. All strings of *out are in the arena. 0 or -ENOMEM. */
int sql_read(struct str query, bool backslash, struct arena *a, struct sql *out);

#endif
