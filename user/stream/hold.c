/* SPDX-License-Identifier: Apache-2.0 */
/* hold.h: a short list, insertion from the front. */
#include "stream/hold.h"

int hold_add(struct hold *h, const struct segment *s, uint64_t tick)
{
	struct held *new = malloc(sizeof(*new) + s->cap), **at = &h->first;

	if (!new)
		return -ENOMEM;
	new->s = *s;
	new->s.data = new->data;
	new->tick = tick;
	if (s->cap)
		memcpy(new->data, s->data, s->cap);
	while (*at && (*at)->s.ts_ns <= s->ts_ns)
		at = &(*at)->next;
	new->next = *at;
	*at = new;
	h->n++;
	h->bytes += (uint32_t)(sizeof(*new) + s->cap);
	return 0;
}

struct held *hold_take(struct hold *h, struct held **at)
{
	struct held *taken = *at;

	*at = taken->next;
	h->n--;
	h->bytes -= (uint32_t)(sizeof(*taken) + taken->s.cap);
	return taken;
}
