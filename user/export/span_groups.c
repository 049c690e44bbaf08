/* SPDX-License-Identifier: Apache-2.0 */
/* span_groups.h: batches have few groups, so the group of a span is found by looking through them. */
#include "export/span_groups.h"

static bool in_group(const struct span_group *g, const struct span *sp)
{
	return g->service == sp->service && (g->protocol == sp->protocol || (g->protocol && sp->protocol &&
	       strcmp(g->protocol, sp->protocol) == 0));
}

static struct span_group *group_of(struct span_groups *gs, const struct span *sp)
{
	for (uint32_t i = gs->n; i-- > 0;)
		if (in_group(&gs->groups[i], sp))
			return &gs->groups[i];
	gs->groups[gs->n] = (struct span_group){ sp->service, sp->protocol, SPAN_NONE, SPAN_NONE };
	return &gs->groups[gs->n++];
}

static int by_service(const void *a, const void *b)
{
	const struct span_group *x = a, *y = b;

	return (x->service > y->service) - (x->service < y->service);
}

int span_groups_make(struct span_groups *out, struct span *const *spans, size_t n)
{
	_cleanup_(span_groups_release) struct span_groups gs = {
		.groups = malloc(n * sizeof(*gs.groups)),
		.next = malloc(n * sizeof(*gs.next)),
	};

	if (n && (!gs.groups || !gs.next))
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct span_group *g = group_of(&gs, spans[i]);

		if (g->first == SPAN_NONE)
			g->first = i;
		else
			gs.next[g->last] = i;
		g->last = i;
		gs.next[i] = SPAN_NONE;
	}
	if (gs.n > 1)
		qsort(gs.groups, gs.n, sizeof(*gs.groups), by_service);
	*out = gs;
	gs = (struct span_groups){ 0 };
	return 0;
}

void span_groups_release(struct span_groups *g)
{
	free(g->groups);
	free(g->next);
}
