/* SPDX-License-Identifier: Apache-2.0 */
/* One process, one decision: watched or not, and as which service. In: its facts, its parent's membership,
 * the selectors. Out: members of the table and their services' numbers. */
#include "discover/table.h"

#include <string.h>

#include "base/clock.h"
#include "discover/identity.h"

#define TREE_DEPTH 64		/* deeper trees are finished by the next scan */
#define ARGS_BYTES 32768

/* What is decided about a process. */
struct decision {
	bool watch, tree, excluded_tree;
	enum runtime runtime;
	struct service service;	/* filled if watch */
};

static struct selector_subject subject_of(const struct discover *d, const struct process *p, const char *name)
{
	const struct member *m = member_get(d, p->pid);

	return (struct selector_subject){
		.pid = p->pid, .netns = p->netns, .exe = p->exe, .cgroup = p->cgroup, .name = name,
		.ports = m ? m->ports : NULL, .n_ports = m ? m->n_ports : 0, .netns_dir = d->netns_dir,
	};
}

static enum runtime identify(const struct discover *d, const struct process *p, struct service *s)
{
	_cleanup_(freep) char *args = malloc(ARGS_BYTES);
	_cleanup_(closep) int exe = process_open_exe(d->proc, p->pid);
	struct elf_facts elf = { 0 };
	struct process_otel otel;
	struct identity_facts facts = {
		.process = p, .otel = &otel, .elf = &elf,
		.host_id = { (const char *)&d->host_id, sizeof(d->host_id) },
	};
	struct selector_subject subject;
	enum runtime runtime;

	process_otel(&otel, d->proc, p->pid);
	if (args)
		facts.args = (struct str){ args, process_args(d->proc, p->pid, args, ARGS_BYTES) };
	if (exe >= 0 && elf_read(&elf, exe))
		elf = (struct elf_facts){ 0 };
	runtime = identity_find(s, &facts);
	subject = subject_of(d, p, s->name);
	for (size_t i = 0; i < d->named.n; i++)
		if (selector_match(&d->named.v[i], &subject)) {
			identity_configured(s, d->names[i]);
			break;
		}
	return runtime;
}

static bool is_own(const struct discover *d, const struct process *p)
{
	return p->pid == (uint32_t)getpid() || (d->self_exe && strcmp(p->exe, d->self_exe) == 0);
}

static bool listens_for_us(const struct discover *d, const struct selector_subject *subject)
{
	for (size_t i = 0; i < subject->n_ports; i++)
		if (subject->ports[i] == d->otlp_port)
			return true;
	return false;
}

/* Do the selectors want it? With a name that is not known yet: could they? */
static bool is_selected(const struct discover *d, const struct selector_subject *subject, bool *tree)
{
	uint32_t keys = selectors_match(&d->select, subject);

	*tree |= (keys & SELECT_TREE) != 0;
	return keys || *tree || (!d->select.n && !listens_for_us(d, subject));
}

static void decision_make(const struct discover *d, const struct member *m, struct decision *out)
{
	const struct member *parent = member_get(d, m->p.ppid);
	struct selector_subject subject = subject_of(d, &m->p, NULL);
	bool maybe = m->tree || (parent && parent->tree);
	uint32_t excluded;

	*out = (struct decision){ .tree = maybe, .excluded_tree = parent && parent->excluded_tree };
	if (is_own(d, &m->p) || out->excluded_tree)
		return;
	/* What an excluded root starts may be selected though the root is not. */
	if (!is_selected(d, &subject, &maybe) && !(d->exclude.keys & SELECT_TREE))
		return;
	out->runtime = identify(d, &m->p, &out->service);
	subject.name = out->service.name;
	excluded = selectors_match(&d->exclude, &subject);
	out->excluded_tree = (excluded & SELECT_TREE) != 0;
	out->watch = is_selected(d, &subject, &out->tree) && !excluded;
}

/* A number for a new service, announced, with one reference. 0 when there is none left. */
static uint32_t service_new(struct discover *d, struct service *s)
{
	uint32_t number = instance_take(&d->instances, s, monotonic_ns());

	if (number)
		d->sink.service(d->sink.ctx, s);
	else
		d->refused++;
	return number;
}

/* The number that it has already or shares with its parent, 0 when it is a service of its own. */
static uint32_t service_shared(struct discover *d, const struct member *m, const struct service *s)
{
	const struct member *parent = member_get(d, m->p.ppid);
	uint32_t numbers[] = { parent ? parent->service : 0, m->service };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct service *known = instance_get(&d->instances, numbers[i]);

		if (known && identity_same(known, s))
			return numbers[i];
	}
	return 0;
}

/* Listeners come in any order: children that were decided before their parent join its service. */
static void children_absorb(struct discover *d, const struct member *root)
{
	const struct service *s = instance_get(&d->instances, root->service), *other;
	struct member *child, *m;

	for (size_t i = 0; (child = hash_next(&d->members, &i));) {
		uint32_t number = child->service;

		other = instance_get(&d->instances, number);
		if (!other || number == root->service || child->p.ppid != root->p.pid || !identity_same(s, other))
			continue;
		for (size_t k = 0; (m = hash_next(&d->members, &k));)
			if (m->service == number && !member_join(d, m, root->service, m->runtime))
				m->tree |= root->tree;
	}
}

static void member_settle(struct discover *d, struct member *m, struct decision *c)
{
	uint32_t shared = service_shared(d, m, &c->service);
	uint32_t number = shared ? shared : service_new(d, &c->service);

	if (!number || member_join(d, m, number, c->runtime))
		member_unwatch(d, m);
	else
		m->tree = c->tree;
	if (shared || !number)
		return;
	if (m->service && discover_needs_listeners(d))
		children_absorb(d, m);
	service_drop(d, number);
}

/* A process that lived too short to be watched still gets its name told. No record carries its number, so
 * the number needs no quarantine. */
static void departed_tell(struct discover *d, struct service *s)
{
	uint32_t number = service_new(d, s);

	if (number && instance_drop(&d->instances, number, 0, 0))
		d->sink.service(d->sink.ctx, &d->instances.v[number].service);
}

struct descent {
	struct discover *d;
	unsigned depth;
};

static void child_decide(void *ctx, uint32_t pid);

/* The process ended before it was decided: the kernel has no entry to take back. */
static void depart(struct discover *d, struct member *m, struct decision *c)
{
	if (c->watch && !service_shared(d, m, &c->service))
		departed_tell(d, &c->service);
	member_forget(d, m);
}

static void decide(struct discover *d, const struct process *p, unsigned depth)
{
	struct descent down = { d, depth + 1 };
	struct member *m = member_of(d, p), before;
	struct decision c;

	if (!m) {
		d->refused++;
		return;
	}
	before = *m;
	decision_make(d, m, &c);
	if (!process_is_running(d->proc, p)) {
		depart(d, m, &c);
		return;
	}
	m->excluded_tree = c.excluded_tree;
	if (c.watch)
		member_settle(d, m, &c);
	/* It may have ended before the kernel got its policy: then no REC_EXIT comes. */
	if (!c.watch || !process_is_running(d->proc, p))
		member_unwatch(d, m);
	if (depth < TREE_DEPTH && ((m->service && !before.service) || (m->tree && !before.tree) ||
				   (m->excluded_tree && !before.excluded_tree)))
		process_children(d->proc, p->pid, child_decide, &down);
	m = member_get(d, p->pid);
	if (m)
		member_forget_idle(d, m);
}

static void child_decide(void *ctx, uint32_t pid)
{
	const struct descent *down = ctx;
	struct process p;

	if (process_read(&p, down->d->proc, pid) == 0)
		decide(down->d, &p, down->depth);
}

void process_decide(struct discover *d, const struct process *p)
{
	decide(d, p, 0);
}
