/* SPDX-License-Identifier: Apache-2.0 */
/* First send after a read: what an event loop sends right after it read a request, it sends for that
 * request (proxies: 99-100 % right, 0 % wrong when measured). At most one call per request, within 1 ms;
 * on a new connection connect() stands for its first send. */
#include "span/node.h"

#define FIRST_SEND_NS NSEC_PER_MSEC

static struct node *first_send_parent(struct tracer *t, struct node *n)
{
	struct thread *th = thread_find(t, n->e.tgid, n->e.request_tid, n->e.request_task);
	uint64_t sent = n->e.connected_ns ? n->e.connected_ns : n->e.request_first_ns;

	if (n->server || !th)
		return NULL;
	for (struct node *s = th->open; s; s = s->thread_next) {
		uint64_t read = s->e.request_last_ns ? s->e.request_last_ns : s->e.request_first_ns;

		if (s->e.request_first_ns > sent)
			continue;	/* read after the connection was opened */
		if (s->sent || sent - MIN(read, sent) > FIRST_SEND_NS)
			return NULL;
		s->sent = true;
		return s;
	}
	return NULL;
}

const struct link_method link_first_send = {
	.name = "first_send",
	.confidence = 0.9f,
	.parent_at_request = first_send_parent,
};
