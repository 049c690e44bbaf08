/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of JSON text for the OTLP/JSON encoder and others. */
#ifndef SONDE_EXPORT_JSON_H
#define SONDE_EXPORT_JSON_H

#include "base/buf.h"

/* "s", quoted and escaped. */
static inline void json_str(struct buf *b, struct str s)
{
	buf_char(b, '"');
	buf_json(b, s);
	buf_char(b, '"');
}

/* A comma, unless it is the first of a list. */
static inline void json_comma(struct buf *b, bool first)
{
	if (!first)
		buf_char(b, ',');
}

#endif
