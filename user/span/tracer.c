/* SPDX-License-Identifier: Apache-2.0 */
/* tracer.h. Life of a node: request -> (parent found at once, or by whoever adopts it) -> finished, its
 * span held -> decided -> left. A node leaves when its parent has left (or it has none): so a trace
 * leaves from its root downwards, as soon as the outermost watched request is over.
 * When the window closes first, the outermost ancestor's trace id is fixed then and there: the span leaves
 * with its true parent, and an ancestor that later proves to belong to another trace becomes a link. */
#include "span/node.h"

#include <sys/random.h>

#define LATE_WINDOWS 15	/* how long a call that left alone can still be linked from its parent */
#define SPARES_MAX 256

/* ---- ids: splitmix64 ---- */

static uint64_t random_u64(struct tracer *t)
{
	t->random += 0x9E3779B97F4A7C15ull;
	return hash_mix(t->random);
}

static void span_id_make(struct tracer *t, struct span_id *id)
{
	uint64_t v = random_u64(t);

	memcpy(id->b, &v, sizeof(v));
}

static void trace_id_make(struct tracer *t, struct trace_id *id)
{
	uint64_t v[2] = { random_u64(t), random_u64(t) };

	memcpy(id->b, v, sizeof(v));
}

/* ---- threads and processes ---- */

static uint64_t thread_key(uint32_t tgid, uint32_t tid, uint64_t task)
{
	return hash_mix(task ? task * 0x9E3779B97F4A7C15ull ^ tgid : ((uint64_t)tgid << 32 | tid));
}

struct thread *thread_find(const struct tracer *t, uint32_t tgid, uint32_t tid, uint64_t task)
{
	return tid || task ? hash_get(&t->threads, thread_key(tgid, tid, task)) : NULL;
}

static struct thread *thread_need(struct tracer *t, uint32_t tgid, uint32_t tid, uint64_t task)
{
	struct thread *th = thread_find(t, tgid, tid, task);

	if (th || !(tid || task))
		return th;
	th = pool_take_zeroed(&t->spare_threads);
	if (!th)
		return NULL;
	th->key = thread_key(tgid, tid, task);
	th->tgid = tgid;
	if (hash_put(&t->threads, th->key, th)) {
		pool_give(&t->spare_threads, th);
		return NULL;
	}
	return th;
}

static struct node **thread_list(struct node *n)
{
	return n->server ? &n->thread->open : &n->thread->pending;
}

static void thread_add(struct thread *th, struct node *n)
{
	struct node **list;

	n->thread = th;
	list = thread_list(n);
	n->thread_next = *list;
	n->thread_prev = NULL;
	if (*list)
		(*list)->thread_prev = n;
	*list = n;
}

static void thread_remove(struct tracer *t, struct node *n)
{
	struct thread *th = n->thread;

	if (!th)
		return;
	if (n->thread_prev)
		n->thread_prev->thread_next = n->thread_next;
	else
		*thread_list(n) = n->thread_next;
	if (n->thread_next)
		n->thread_next->thread_prev = n->thread_prev;
	n->thread = NULL;
	if (!th->open && !th->pending) {
		hash_del(&t->threads, th->key);
		pool_give(&t->spare_threads, th);
	}
}

static void process_count(struct tracer *t, uint32_t tgid, int change)
{
	struct process *p = hash_get(&t->processes, tgid);

	if (!p && change > 0) {
		p = pool_take_zeroed(&t->spare_processes);
		if (!p)
			return;
		p->tgid = tgid;
		if (hash_put(&t->processes, tgid, p)) {
			pool_give(&t->spare_processes, p);
			return;
		}
	}
	if (!p)
		return;
	p->open += (uint32_t)change;
	if (!p->open) {
		t->process_idle = true;
		hash_del(&t->processes, tgid);
		pool_give(&t->spare_processes, p);
	}
}

/* ---- nodes ---- */

static struct node *node_new(struct tracer *t, bool server, const struct evidence *e)
{
	struct node *n;

	if (t->nodes.n >= 4 * (size_t)t->opt.spans_max)
		return NULL;
	n = pool_take_zeroed(&t->spare_nodes);
	if (!n)
		return NULL;
	n->server = server;
	n->e = *e;
	n->peer_expected = !server && e->peer_watched;
	span_id_make(t, &n->id);
	if (hash_put(&t->nodes, node_key(server, e->exchange), n)) {
		pool_give(&t->spare_nodes, n);
		return NULL;
	}
	return n;
}

static void list_remove(struct node *n)
{
	struct list *l = n->list;

	if (!l)
		return;
	*(n->older ? &n->older->newer : &l->oldest) = n->newer;
	*(n->newer ? &n->newer->older : &l->newest) = n->older;
	n->older = n->newer = NULL;
	n->list = NULL;
}

static void list_move(struct tracer *t, struct list *l, struct node *n)
{
	list_remove(n);
	n->list = l;
	n->listed_ns = t->now_ns;
	n->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = n;
	l->newest = n;
}

static void children_remove(struct node *n)
{
	struct node **at = &n->parent->children;

	while (*at != n)
		at = &(*at)->sibling;
	*at = n->sibling;
	n->sibling = NULL;
	n->parent = NULL;
}

/* A node that left is kept while a child or the other end may still ask for its ids. */
static void node_release(struct tracer *t, struct node *n)
{
	struct node *parent = n->parent;

	if (!n->left || n->children || n->list)
		return;
	hash_del(&t->nodes, node_key(n->server, n->e.exchange));
	thread_remove(t, n);
	if (parent)
		children_remove(n);
	pool_give(&t->spare_nodes, n);
	if (parent)
		node_release(t, parent);
}

static void set_parent(struct tracer *t, struct node *n, struct node *parent, const struct link_method *method)
{
	for (struct node *p = parent; p; p = p->parent)
		if (p == n)
			return;		/* a connection of a process to itself: never a cycle */
	n->parent = parent;
	n->sibling = parent->children;
	parent->children = n;
	n->method = method;
	n->decided = true;
	if (n->server && parent->peer_expected) {
		parent->peer_expected = false;
		if (parent->list == &t->peers)
			list_remove(parent);
	}
	for (size_t i = 0; link_methods[i]; i++)
		if (link_methods[i] == method)
			t->stats.linked[i]++;
}

/* ---- leaving ---- */

static void add_link(struct span *sp, const struct trace_id *trace, const struct span_id *id,
		     const struct link_method *method)
{
	if (sp->n_links < SPAN_LINKS_MAX)
		sp->links[sp->n_links++] = (struct span_link){ *trace, *id, method->name, method->confidence };
}

/* The nearest ancestor that has a span of its own (others are only steps on the way). */
static const struct node *spanned_parent(const struct node *n)
{
	const struct node *p = n->parent;

	while (p && p->finished && !p->span && !span_id_is_set(&p->id))
		p = p->parent;
	return p;
}

static void span_finish(struct tracer *t, struct node *n)
{
	const struct trace_context *wire = &n->span->wire;
	const struct node *parent = spanned_parent(n);
	bool fixed = trace_id_is_set(&n->trace);	/* a descendant had to leave first */
	const struct trace_id *inner = n->parent ? &n->parent->trace : fixed ? &n->trace : NULL;
	bool agree = !wire->present || !inner || !memcmp(&wire->trace, inner, sizeof(*inner));
	struct span *sp = n->span;

	sp->id = n->id;
	sp->flags = wire->present ? wire->flags : 1;
	if (parent && agree) {
		sp->parent = parent->id;
		sp->link_method = n->method->name;
		sp->link_confidence = n->method->confidence;
	} else if (wire->present && (agree || !fixed)) {
		sp->parent = wire->parent;
		sp->link_method = link_wire_name;
		sp->link_confidence = 1;
		if (parent)
			add_link(sp, &parent->trace, &parent->id, n->method);
	} else {
		t->stats.roots++;
	}
	if (!fixed && wire->present)
		n->trace = wire->trace;
	else if (!fixed && n->parent)
		n->trace = n->parent->trace;
	else if (!fixed)
		trace_id_make(t, &n->trace);
	sp->trace = n->trace;
}

static void node_leave(struct tracer *t, struct node *n);

/* The trace id of n is final: its finished children may leave too. */
static void children_leave(struct tracer *t, struct node *n)
{
	struct node *next;

	for (struct node *c = n->children; c; c = next) {
		next = c->sibling;
		if (c->finished && c->decided && !c->left)
			node_leave(t, c);
	}
}

static void node_leave(struct tracer *t, struct node *n)
{
	struct span *sp = n->span;

	n->left = true;
	if (sp) {
		span_finish(t, n);
		t->stats.held--;
		t->stats.held_bytes -= sp->arena.total + sizeof(*sp);
		n->span = NULL;
	} else {
		memset(&n->id, 0, sizeof(n->id));
		if (n->parent)
			n->trace = n->parent->trace;
		else if (!trace_id_is_set(&n->trace))
			trace_id_make(t, &n->trace);
	}
	children_leave(t, n);	/* while n is still in a list, so that its last child does not free it */
	if (n->thread)
		list_move(t, &t->late, n);
	else if (n->peer_expected)
		list_move(t, &t->peers, n);
	else
		list_remove(n);
	if (sp)
		t->sink(t->ctx, sp);
	node_release(t, n);
}

static void node_try_leave(struct tracer *t, struct node *n)
{
	if (n->finished && n->decided && !n->left && (!n->parent || n->parent->left))
		node_leave(t, n);
}

/* Must leave now: fixes the trace id of its outermost ancestor, so that parent and child agree. */
static void node_force(struct tracer *t, struct node *n)
{
	struct node *chain[32];
	size_t depth = 0;

	n->decided = true;
	for (struct node *p = n->parent; p && !p->left && depth < ARRAY_SIZE(chain); p = p->parent)
		chain[depth++] = p;
	while (depth--) {
		struct node *p = chain[depth];

		if (p->parent)
			p->trace = p->parent->trace;
		else if (!trace_id_is_set(&p->trace))
			trace_id_make(t, &p->trace);
	}
	node_leave(t, n);
}

/* ---- what comes in ---- */

/* Pending calls of a process without any open request have nobody left to wait for. */
static void pending_decide(struct tracer *t, struct node *n)
{
	if (hash_get(&t->processes, n->e.tgid))
		return;
	n->decided = true;
	thread_remove(t, n);
	node_try_leave(t, n);
}

static void node_find_parent(struct tracer *t, struct node *n, bool at_end)
{
	for (size_t i = 0; link_methods[i] && !n->decided; i++) {
		const struct link_method *m = link_methods[i];
		struct node *(*find)(struct tracer *, struct node *) = at_end ? m->parent_at_end : m->parent_at_request;
		struct node *parent = find ? find(t, n) : NULL;

		if (parent)
			set_parent(t, n, parent, m);
	}
	if (at_end && !n->decided && n->server && !n->e.peer_watched)
		n->decided = true;	/* not before: the other end may be announced after this one */
}

static void server_opens(struct tracer *t, struct node *n)
{
	struct thread *th = thread_need(t, n->e.tgid, n->e.request_tid, n->e.request_task);

	process_count(t, n->e.tgid, 1);
	if (!th)
		return;
	for (struct node *other = th->open; other; other = other->thread_next)
		if (!other->next_read_ns || n->e.request_first_ns < other->next_read_ns)
			other->next_read_ns = n->e.request_first_ns;
	thread_add(th, n);
}

/* Exchanges are told when they are settled, often after the thread has read its next request: so times decide, not
 * the order of telling. A request that was read before n and is not over yet overlaps it. */
static void server_compare(struct node *n)
{
	uint64_t over = n->e.response_last_ns ? n->e.response_last_ns : UINT64_MAX;

	n->overlapped |= n->next_read_ns && n->next_read_ns < over;
	for (struct node *other = n->thread ? n->thread->open : NULL; other; other = other->thread_next) {
		if (other == n)
			continue;
		if (other->e.request_first_ns <= n->e.request_first_ns)
			n->overlapped = true;
		else
			other->overlapped |= other->e.request_first_ns < over;
	}
}

/* Where a system call is seen at its end, the reader may be told before the writer. */
static void client_meets_server(struct tracer *t, struct node *n)
{
	struct node *server = hash_get(&t->nodes, node_key(true, n->e.exchange));

	if (server && server != n && !server->decided && !server->left)
		set_parent(t, server, n, &link_same_bytes);
}

static void client_opens(struct tracer *t, struct node *n)
{
	struct thread *th;

	client_meets_server(t, n);
	if (n->decided)
		return;
	if (!hash_get(&t->processes, n->e.tgid)) {
		n->decided = true;
		return;
	}
	th = thread_need(t, n->e.tgid, n->e.request_tid, n->e.request_task);
	if (th)
		thread_add(th, n);
	else
		n->decided = true;
}

static struct node *node_open(struct tracer *t, bool server, const struct evidence *e)
{
	struct node *n = node_new(t, server, e);

	if (!n)
		return NULL;
	node_find_parent(t, n, false);
	if (server)
		server_opens(t, n);
	else
		client_opens(t, n);
	return n;
}

void tracer_request(struct tracer *t, bool server, const struct evidence *e)
{
	if (!hash_get(&t->nodes, node_key(server, e->exchange)))
		node_open(t, server, e);
}

static void adopted(struct tracer *t, struct node *child, struct node *parent, const struct link_method *method)
{
	thread_remove(t, child);
	if (!child->left) {
		set_parent(t, child, parent, method);
		return;
	}
	t->stats.late_parents++;	/* it left without its parent: the parent points at it */
	if (parent->span)
		add_link(parent->span, &child->trace, &child->id, method);
	list_remove(child);
	node_release(t, child);
}

static void server_closes(struct tracer *t, struct node *n)
{
	server_compare(n);
	for (size_t i = 0; link_methods[i]; i++)
		if (link_methods[i]->adopt)
			link_methods[i]->adopt(t, n, adopted);
	thread_remove(t, n);
	process_count(t, n->e.tgid, -1);
}

static void node_finish(struct tracer *t, struct node *n, const struct evidence *e, struct span *sp)
{
	n->e = *e;
	n->span = sp;
	n->finished = true;
	t->now_ns = MAX(t->now_ns, e->response_last_ns);
	if (sp) {
		t->stats.held++;
		t->stats.held_bytes += sp->arena.total + sizeof(*sp);
	}
	if (n->server)
		server_closes(t, n);
	if (!n->decided)
		node_find_parent(t, n, true);
	list_move(t, &t->held, n);
	if (!n->server && !n->decided)
		pending_decide(t, n);
	else
		node_try_leave(t, n);
}

/* Nobody asked for it any more. */
static void list_drop(struct tracer *t, struct node *n)
{
	list_remove(n);
	n->peer_expected = false;
	thread_remove(t, n);
	node_release(t, n);
}

static void make_room(struct tracer *t)
{
	while (t->held.oldest && (t->stats.held > t->opt.spans_max || t->stats.held_bytes > t->opt.bytes_max)) {
		t->stats.overflowed++;
		node_force(t, t->held.oldest);
	}
}

static void end(struct tracer *t, bool server, const struct evidence *e, struct span *sp)
{
	struct node *n = hash_get(&t->nodes, node_key(server, e->exchange));

	if (!n || n->finished)
		n = n ? NULL : node_open(t, server, e);
	if (n) {
		node_finish(t, n, e, sp);
		make_room(t);
		return;
	}
	if (!sp)
		return;
	/* No room for a node (or the same exchange twice): it leaves as a root, and says so. */
	t->stats.overflowed++;
	span_id_make(t, &sp->id);
	sp->trace = sp->wire.trace;
	sp->parent = sp->wire.parent;
	sp->flags = sp->wire.present ? sp->wire.flags : 1;
	if (!sp->wire.present)
		trace_id_make(t, &sp->trace);
	t->sink(t->ctx, sp);
}

void tracer_forget(struct tracer *t, bool server, const struct evidence *e)
{
	if (hash_get(&t->nodes, node_key(server, e->exchange)))
		end(t, server, e, NULL);
}

void tracer_span(struct tracer *t, struct span *sp)
{
	end(t, sp->kind == SPAN_SERVER || sp->kind == SPAN_CONSUMER, &sp->evidence, sp);
}

static bool is_over(const struct tracer *t, const struct list *l, uint64_t window_ns)
{
	return l->oldest && t->now_ns - l->oldest->listed_ns >= window_ns;
}

/* Calls of processes whose last open request has ended belong to no request. */
static void idle_decide(struct tracer *t)
{
	struct node *next;

	t->process_idle = false;
	for (struct node *n = t->held.oldest; n; n = next) {
		next = n->newer;
		if (n->server || n->decided || hash_get(&t->processes, n->e.tgid))
			continue;
		pending_decide(t, n);
		next = t->held.oldest;		/* others may have left with it */
	}
}

void tracer_tick(struct tracer *t, uint64_t now_ns)
{
	t->now_ns = MAX(t->now_ns, now_ns);
	if (t->process_idle)
		idle_decide(t);
	while (is_over(t, &t->held, t->opt.window_ns)) {
		t->stats.window_closed++;
		node_force(t, t->held.oldest);
	}
	while (is_over(t, &t->peers, t->opt.window_ns))
		list_drop(t, t->peers.oldest);
	while (is_over(t, &t->late, LATE_WINDOWS * t->opt.window_ns))
		list_drop(t, t->late.oldest);
}

void tracer_flush(struct tracer *t)
{
	while (t->held.oldest)
		node_force(t, t->held.oldest);
	while (t->peers.oldest)
		list_drop(t, t->peers.oldest);
	while (t->late.oldest)
		list_drop(t, t->late.oldest);
}

const struct tracer_stats *tracer_stats(const struct tracer *t)
{
	return &t->stats;
}

int tracer_new(struct tracer **out, const struct tracer_options *opt, void (*sink)(void *ctx, struct span *sp),
	       void *ctx)
{
	struct tracer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->opt = *opt;
	t->sink = sink;
	t->ctx = ctx;
	t->random = opt->seed;
	t->spare_nodes = (struct pool){ .size = sizeof(struct node), .max = SPARES_MAX };
	t->spare_threads = (struct pool){ .size = sizeof(struct thread), .max = SPARES_MAX };
	t->spare_processes = (struct pool){ .size = sizeof(struct process), .max = SPARES_MAX };
	if (!opt->seed && getrandom(&t->random, sizeof(t->random), 0) != sizeof(t->random)) {
		free(t);
		return -EIO;
	}
	*out = t;
	return 0;
}

static void free_all(struct hash *h)
{
	void *v;

	for (size_t i = 0; (v = hash_next(h, &i));)
		free(v);
	hash_release(h);
}

void tracer_free(struct tracer *t)
{
	struct node *n;

	if (!t)
		return;
	for (size_t i = 0; (n = hash_next(&t->nodes, &i));)
		span_free(n->span);
	free_all(&t->nodes);
	free_all(&t->threads);
	free_all(&t->processes);
	pool_release(&t->spare_nodes);
	pool_release(&t->spare_threads);
	pool_release(&t->spare_processes);
	free(t);
}
