/* SPDX-License-Identifier: Apache-2.0 */
/* The responder's identity, looking back: who writes the response served the request, so the calls it
 * made since the request was read were made for it. Only where that thread (or goroutine) had no other
 * request meanwhile: on event loops it would be wrong nearly always. */
#include "span/node.h"

static void responder_adopt(struct tracer *t, struct node *n,
			    void (*f)(struct tracer *, struct node *, struct node *, const struct link_method *))
{
	struct thread *th = thread_find(t, n->e.tgid, n->e.response_tid, n->e.response_task);
	struct node *next;

	if (!th || n->overlapped || !n->e.response_first_ns)
		return;
	for (struct node *c = th->pending; c && c->e.request_first_ns >= n->e.request_first_ns; c = next) {
		next = c->thread_next;
		if (c->e.request_first_ns <= n->e.response_first_ns)
			f(t, c, n, &link_responder);
	}
}

const struct link_method link_responder = {
	.name = "responder",
	.confidence = 0.98f,
	.adopt = responder_adopt,
};
