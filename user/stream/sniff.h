/* SPDX-License-Identifier: Apache-2.0 */
/* Which protocol is it? In: the first bytes of a turn. Out: the surest row of the table. Content decides, a
 * well-known port only breaks ties. Owns nothing. */
#ifndef SONDE_STREAM_SNIFF_H
#define SONDE_STREAM_SNIFF_H

#include "proto/proto.h"

#define SNIFF_SURE 50			/* below it, only when no more bytes will come */
#define SNIFF_ENOUGH 20			/* below it, never */
#define SNIFF_TURNS_MAX 6		/* turns that no protocol knows: it is none of ours */

struct sniffed {
	const struct proto *proto;	/* NULL: none */
	enum dir dir;
	bool more;			/* undecided: more bytes would tell */
};

/* Looks at head as if it flowed in `dir`, and in the other direction too when `both`. `last`: no more bytes
 * of this turn will come. */
struct sniffed sniff(const struct proto *const *protos, struct str head, enum dir dir, bool both, uint16_t port,
		     bool last);

#endif
