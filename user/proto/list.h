/* SPDX-License-Identifier: Apache-2.0 */
/* The table of protocols. A new one is a row here. A protocol's number is its place (1, 2, ...), 0 is
 * "not classified". Order is only the order of sniffing; the surest answer wins. */
#ifndef SONDE_PROTO_LIST_H
#define SONDE_PROTO_LIST_H

#include "proto/proto.h"

#define PROTO_LIST(X) \
	X(http1) \
	X(postgresql) \
	X(redis)

#define X(name) extern const struct proto proto_##name;
PROTO_LIST(X)
#undef X

/* NULL-terminated; protos[0] has number 1. */
extern const struct proto *const protos[];

/* Its number, 0 for NULL. */
unsigned proto_number(const struct proto *p);
/* Name of a number; "" for 0 and unknown ones. */
const char *proto_name(unsigned number);

#endif
