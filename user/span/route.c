/* SPDX-License-Identifier: Apache-2.0 */
/* route.h: one tree of path segments per service. A node's child is found by a hash of {parent, segment},
 * so that a match costs one lookup per segment. Owns the nodes. */
#include "span/route.h"

#include "base/hash.h"
#include "span/segment.h"

#define DEPTH_MAX 12		/* segments of a route; what follows is a star */
#define ID STR("/{id}")
#define STAR STR("/*")

struct node {
	struct node *children, *next;	/* literal ones, and the next of the parent's */
	struct node *id;		/* the child of all segments that are {id} */
	uint64_t key;			/* in routes.nodes; 0: not there (an {id}) */
	uint32_t n_children;
	bool varies;			/* its children are {id}, for good */
	uint8_t n;
	char text[];
};

struct routes {
	struct hash nodes;		/* roots by service, literals by {parent, text} */
	struct node *roots;
	size_t n, nodes_max, children_max;
};

int routes_new(struct routes **out, size_t nodes_max, size_t children_max)
{
	struct routes *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->nodes_max = nodes_max;
	r->children_max = children_max;
	*out = r;
	return 0;
}

static void node_free(struct routes *r, struct node *node);

static void free_literals(struct routes *r, struct node *node)
{
	while (node->children) {
		struct node *child = node->children;

		node->children = child->next;
		node_free(r, child);
	}
	node->n_children = 0;
}

/* Recursion is as deep as DEPTH_MAX. */
static void node_free(struct routes *r, struct node *node)
{
	free_literals(r, node);
	if (node->id)
		node_free(r, node->id);
	if (node->key)
		hash_del(&r->nodes, node->key);
	free(node);
	r->n--;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	while (r->roots) {
		struct node *root = r->roots;

		r->roots = root->next;
		node_free(r, root);
	}
	hash_release(&r->nodes);
	free(r);
}

/* NULL when there is no room (or no memory): the route ends in a star. key 0: not found by text. */
static struct node *node_add(struct routes *r, uint64_t key, struct str text)
{
	struct node *node = r->n < r->nodes_max ? calloc(1, sizeof(*node) + text.n) : NULL;

	if (!node)
		return NULL;
	node->key = key;
	node->n = (uint8_t)text.n;
	if (text.n)
		memcpy(node->text, text.p, text.n);
	if (key && hash_put(&r->nodes, key, node)) {
		free(node);
		return NULL;
	}
	r->n++;
	return node;
}

static struct node *root_of(struct routes *r, uint32_t service)
{
	uint64_t key = hash_mix(service + 1ull);
	struct node *root = hash_get(&r->nodes, key);

	if (root)
		return root;
	root = node_add(r, key, (struct str){ 0 });
	if (root) {
		root->next = r->roots;
		r->roots = root;
	}
	return root;
}

static struct node *id_of(struct routes *r, struct node *parent)
{
	if (!parent->id)
		parent->id = node_add(r, 0, (struct str){ 0 });
	return parent->id;
}

/* The child for that segment, which is learned when it is new; *text is how the route shows it. */
static struct node *child_of(struct routes *r, struct node *parent, struct str segment, struct str *text)
{
	struct node *child;
	uint64_t key;

	*text = ID;
	if (parent->varies || segment_is_id(segment))
		return id_of(r, parent);
	key = hash_bytes((uintptr_t)parent, segment.p, segment.n);
	child = hash_get(&r->nodes, key);
	if (!child && parent->n_children == r->children_max) {
		free_literals(r, parent);
		parent->varies = true;
		return id_of(r, parent);
	}
	*text = (struct str){ segment.p - 1, segment.n + 1 };	/* with its '/' */
	if (child)
		return str_eq((struct str){ child->text, child->n }, segment) ? child : NULL;
	child = node_add(r, key, segment);
	if (child) {
		child->next = parent->children;
		parent->children = child;
		parent->n_children++;
	}
	return child;
}

/* The next segment of a path; empty ones are passed over. */
static bool take_segment(struct str *path, struct str *segment)
{
	while (path->n && path->p[0] == '/')
		str_skip(path, 1);
	*segment = (struct str){ path->p, str_find(*path, '/') };
	str_skip(path, segment->n);
	return segment->n > 0;
}

static void append(struct str *route, size_t size, char *buf, struct str s)
{
	size_t n = MIN(s.n, size - 1 - route->n);

	memcpy(buf + route->n, s.p, n);
	route->n += n;
}

struct str routes_match(struct routes *r, uint32_t service, struct str path, char *buf, size_t size)
{
	struct str route = { buf, 0 }, segment, text;
	bool slash = path.n > 1 && path.p[path.n - 1] == '/';
	struct node *node;

	if (size == 0)
		return (struct str){ 0 };
	buf[0] = '\0';
	if (path.n == 0 || path.p[0] != '/')
		return route;
	node = root_of(r, service);
	for (size_t depth = 0; take_segment(&path, &segment); depth++) {
		node = node && depth < DEPTH_MAX ? child_of(r, node, segment, &text) : NULL;
		append(&route, size, buf, node ? text : STAR);
		if (!node)
			break;
	}
	if (route.n == 0 || (slash && node))
		append(&route, size, buf, STR("/"));
	buf[route.n] = '\0';
	return route;
}
