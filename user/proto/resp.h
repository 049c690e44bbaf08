/* SPDX-License-Identifier: Apache-2.0 */
/* The words of RESP, Redis's protocol: lines and counts (redis.io, "Redis serialization protocol
 * specification"). */
#ifndef SONDE_PROTO_RESP_H
#define SONDE_PROTO_RESP_H

#include "base/str.h"

#define RESP_LINE_MAX 65536		/* of an inline command or a simple string (PROTO_INLINE_MAX_SIZE) */
#define RESP_NUMBER_MAX (1ull << 32)	/* larger counts and lengths are no RESP */

enum resp_number { RESP_NUMBER, RESP_NULL /* -1 */, RESP_STREAMED /* ? */, RESP_BAD };

/* Takes a line without its CRLF. False: it is not whole. */
bool resp_line(struct str *in, struct str *line);

/* The number of a count or length. */
enum resp_number resp_number(struct str s, uint64_t *n);

/* "$5\r\n" or "*3\r\n": 1 with the count, 0 when the line is not whole, -EPROTO. */
int resp_count(struct str *in, char type, uint64_t *n);

#endif
