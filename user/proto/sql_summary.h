/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the operations of an SQL text and what they are applied to, lexeme by lexeme: no grammar, only
 * the words after which a table stands. Where the words leave a doubt nothing is said. */
#ifndef SONDE_PROTO_SQL_SUMMARY_H
#define SONDE_PROTO_SQL_SUMMARY_H

#include "proto/sql.h"
#include "proto/sql_scan.h"

#define SQL_NAME_MAX 128	/* longer names are no targets (PostgreSQL: 63 bytes per part) */
#define SQL_CTES_MAX 8
#define SQL_DEPTH_MAX 63

enum sql_expect { SQL_NOTHING, SQL_STATEMENT, SQL_OBJECT /* CREATE ... */, SQL_TARGET, SQL_CTE /* WITH ... */ };
enum sql_target { SQL_TABLE, SQL_SOURCE /* a table, or a function's rows */, SQL_PROCEDURE, SQL_OTHER };

struct sql_summary {
	enum sql_expect expect;
	enum sql_target target;		/* what kind is expected, or being read */
	bool in_name, dot;		/* a name is being read; its last lexeme was the dot */
	bool begun;			/* the statement's own operation was found */
	bool deaf;			/* nothing more is read of this statement */
	bool prefixed;			/* EXPLAIN, PREPARE: its verb is still to come */
	bool verb;			/* an INSERT, UPDATE, DELETE or MERGE here would be an operation */
	bool changes;			/* the last verb was one with USING t */
	bool full;
	unsigned last;			/* what the last word was */
	unsigned depth;			/* of parentheses */
	unsigned with_depth;		/* depth + 1 of the WITH list that is open, 0: none */
	uint64_t selects, lists;	/* bit per depth: FROM there begins a list; its list is open */
	unsigned statements, collections;
	struct str ctes[SQL_CTES_MAX];	/* names that WITH made: no tables. Views of the query */
	size_t n_ctes;
	size_t n, name_n, operation_n, collection_n, procedure_n;
	char text[SQL_SUMMARY_MAX];
	char name[SQL_NAME_MAX], operation[SQL_NAME_MAX], collection[SQL_NAME_MAX], procedure[SQL_NAME_MAX];
};

void sql_summary_init(struct sql_summary *s);
void sql_summary_feed(struct sql_summary *s, const struct sql_lexeme *l);

/* Fills all of *out but the text. 0 or -ENOMEM. */
int sql_summary_end(struct sql_summary *s, struct arena *a, struct sql *out);

#endif
