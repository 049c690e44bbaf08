/* SPDX-License-Identifier: Apache-2.0 */
/* A batch of spans by resource (service) and scope (protocol), without moving the spans. */
#ifndef SONDE_EXPORT_SPAN_GROUPS_H
#define SONDE_EXPORT_SPAN_GROUPS_H

#include "span/span.h"

#define SPAN_NONE UINT32_MAX

struct span_group {
	uint32_t service;
	const char *protocol;
	uint32_t first, last;	/* spans, chained by next[], in the order of the batch */
};

struct span_groups {
	struct span_group *groups;	/* of one service: side by side */
	uint32_t n;
	uint32_t *next;			/* by span, SPAN_NONE ends the group */
};

int span_groups_make(struct span_groups *out, struct span *const *spans, size_t n);
void span_groups_release(struct span_groups *g);

#endif
