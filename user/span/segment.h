/* SPDX-License-Identifier: Apache-2.0 */
/* Does a segment of a path look like the name of one thing among many? By its shape only; what varies
 * without looking so is learned by route.c. */
#ifndef SONDE_SPAN_SEGMENT_H
#define SONDE_SPAN_SEGMENT_H

#include "base/str.h"

#define SEGMENT_MAX 96	/* longer ones are ids */

/* Numbers and dates, UUIDs, hex of 8 digits or more, e-mail addresses, base64 and other long random words,
 * and whatever is not plain ASCII. */
bool segment_is_id(struct str s);

#endif
