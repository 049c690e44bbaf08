/* SPDX-License-Identifier: Apache-2.0 */
/* Same bytes at both ends: the client node whose exchange has the same {ISNs, position} caused this
 * server node. Exact, survives NAT, needs no injection. */
#include "span/node.h"

static struct node *same_bytes_parent(struct tracer *t, struct node *n)
{
	struct node *client = n->server ? hash_get(&t->nodes, node_key(false, n->e.exchange)) : NULL;

	return client && client != n ? client : NULL;
}

const struct link_method link_same_bytes = {
	.name = "same_bytes",
	.confidence = 1.0f,
	.parent_at_request = same_bytes_parent,
	.parent_at_end = same_bytes_parent,
};
