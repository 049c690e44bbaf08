/* SPDX-License-Identifier: Apache-2.0 */
/* pair.h: two lists. Requests without an id are answered in order (RFC 9112 9.3.2, Redis and PostgreSQL
 * pipelining), those with an id in any order. */
#include "stream/pair.h"

struct pending *pending_new(void)
{
	return calloc(1, sizeof(struct pending));
}

void pending_release(struct pending *p)
{
	arena_release(&p->x.request.arena);
	arena_release(&p->x.response.arena);
}

void pending_free(struct pending *p)
{
	if (!p)
		return;
	pending_release(p);
	free(p);
}

size_t pending_bytes(const struct pending *p)
{
	return sizeof(*p) + p->x.request.arena.total + p->x.response.arena.total;
}

void pending_push(struct pending_list *l, struct pending *p)
{
	p->x.next = NULL;
	if (l->tail)
		l->tail->x.next = &p->x;
	else
		l->head = p;
	l->tail = p;
}

bool pending_take(struct pending_list *l, struct pending *p)
{
	struct pending *before = NULL, *i = l->head;

	while (i && i != p) {
		before = i;
		i = pending_next(i);
	}
	if (!i)
		return false;
	if (before)
		before->x.next = p->x.next;
	else
		l->head = pending_next(p);
	if (l->tail == p)
		l->tail = before;
	p->x.next = NULL;
	return true;
}

void pairs_add(struct pairs *q, struct pending *p)
{
	pending_push(&q->waiting, p);
	q->n++;
}

static struct pending *first_unanswered(const struct pairs *q)
{
	struct pending *p = q->waiting.head;

	while (p && (p->x.response.seen || p->x.id))
		p = pending_next(p);
	return p;
}

struct pending *pairs_match(struct pairs *q, uint64_t id)
{
	struct pending *p = q->waiting.head;

	if (!id) {
		if (!q->given_up)
			return first_unanswered(q);
		q->given_up--;
		return NULL;
	}
	while (p && p->x.id != id)
		p = pending_next(p);
	return p && !p->x.response.seen ? p : NULL;
}

bool pairs_expect(const struct pairs *q)
{
	return q->given_up || q->waiting.head;
}

void pairs_finish(struct pairs *q, struct pending *p)
{
	if (pending_take(&q->waiting, p))
		q->n--;
	pending_push(&q->done, p);
}

void pairs_give_up(struct pairs *q, struct pending *p)
{
	if (!pending_take(&q->waiting, p))
		return;
	q->n--;
	if (!p->x.id && !p->x.response.seen)
		q->given_up++;
}
