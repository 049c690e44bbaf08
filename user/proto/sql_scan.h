/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts SQL text into lexemes, as far as a reader needs them who wants to know what is a literal. Follows
 * PostgreSQL's lexical rules (manual, 4.1 "Lexical Structure"). */
#ifndef SONDE_PROTO_SQL_SCAN_H
#define SONDE_PROTO_SQL_SCAN_H

#include "base/str.h"

enum sql_kind {
	SQL_WORD,		/* keyword or plain identifier */
	SQL_QUOTED,		/* "identifier", quotes included */
	SQL_LITERAL,		/* string of any form, number, TRUE or FALSE: never to be shown */
	SQL_PARAM,		/* $1 */
	SQL_PUNCT,		/* one byte */
};

struct sql_lexeme {
	enum sql_kind kind;
	struct str text;
	bool blank;		/* blanks or comments stood before it */
};

/* Takes the next lexeme from *in; false at the end. A literal or comment that is not closed (the text was
 * cut) reaches to the end. `backslash`: it escapes in every string (standard_conforming_strings = off). */
bool sql_scan(struct str *in, bool backslash, struct sql_lexeme *out);

#endif
