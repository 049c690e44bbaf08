/* SPDX-License-Identifier: Apache-2.0 */
/* discover.h: the table of known processes and what is decided about each.
 *
 * A process is known while it is watched, listens on a port that a selector names, or was excluded together
 * with what it starts. Everything else about a process is read from /proc when it is needed. */
#include "discover/discover.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"
#include "discover/identity.h"
#include "discover/instance.h"
#include "discover/process.h"
#include "discover/selector.h"

#define PORTS_MAX 16		/* of one process, and only ports that a selector names */
#define NETNS_PENDING 16
#define TREE_DEPTH 64		/* deeper trees are finished by the next scan */
#define ARGS_BYTES 32768
#define QUARANTINE_NS (30 * NSEC_PER_SEC)

struct member {
	struct process p;
	uint32_t service;	/* number, 0: known but not watched */
	enum runtime runtime;
	bool tree;		/* its children are watched because it is */
	bool excluded_tree;	/* its children are not watched because it is not */
	uint64_t seen;		/* number of the last scan that met it */
	uint16_t ports[PORTS_MAX];
	size_t n_ports;
};

struct discover {
	struct discover_sink sink;
	struct selectors select, exclude, named;
	char **names;		/* service.name for named.v[i] */
	char *proc, *cgroup_root, *netns_dir, *self_exe;
	uint16_t otlp_port;
	bool trace_otlp_exporters;
	uint64_t quarantine_ns, host_id;
	struct hash members;	/* tgid -> struct member */
	struct hash netns;	/* inode -> watched processes in it, as a number */
	struct instances instances;
	size_t watched;
	uint64_t scans, refused;
	bool changed;
	struct { uint32_t netns, pid; } pending[NETNS_PENDING];	/* namespaces to announce */
	size_t n_pending;
};

/* What is decided about a process. */
struct decision {
	bool watch, tree, excluded_tree;
	enum runtime runtime;
	struct service service;	/* filled if watch */
};

/* ---- changes of the selection, told at the end of each entry point ---------------------------------- */

static void changes_tell(struct discover *d)
{
	for (size_t i = 0; i < d->n_pending; i++)
		d->sink.changed(d->sink.ctx, d->pending[i].netns, d->pending[i].pid);
	if (d->changed && !d->n_pending)
		d->sink.changed(d->sink.ctx, 0, 0);
	d->changed = false;
	d->n_pending = 0;
}

static void netns_hold(struct discover *d, const struct process *p)
{
	uintptr_t users = (uintptr_t)hash_get(&d->netns, p->netns);

	if (!p->netns || hash_put(&d->netns, p->netns, (void *)(users + 1)) || users)
		return;
	if (d->n_pending == NETNS_PENDING)
		changes_tell(d);
	d->pending[d->n_pending].netns = p->netns;
	d->pending[d->n_pending++].pid = p->pid;
}

/* The inode of a namespace that nobody watched lives in may be another's next time. */
static void netns_drop(struct discover *d, const struct process *p)
{
	uintptr_t users = (uintptr_t)hash_get(&d->netns, p->netns);

	if (users > 1)
		hash_put(&d->netns, p->netns, (void *)(users - 1));
	else if (users)
		hash_del(&d->netns, p->netns);
}

/* ---- members ----------------------------------------------------------------------------------------- */

static struct member *member_get(const struct discover *d, uint32_t pid)
{
	return pid ? hash_get(&d->members, pid) : NULL;
}

static void service_drop(struct discover *d, uint32_t number)
{
	if (instance_drop(&d->instances, number, monotonic_ns(), d->quarantine_ns))
		d->sink.service(d->sink.ctx, &d->instances.v[number].service);
}

/* It leaves its service. The kernel's entry stays as it is: see member_unwatch(). */
static void member_leave(struct discover *d, struct member *m)
{
	if (!m->service)
		return;
	service_drop(d, m->service);
	netns_drop(d, &m->p);
	d->watched--;
	m->service = 0;
	m->tree = false;
}

static void member_unwatch(struct discover *d, struct member *m)
{
	if (!m->service)
		return;
	d->sink.unwatch(d->sink.ctx, m->p.pid);
	d->changed = true;
	member_leave(d, m);
}

static void member_forget(struct discover *d, struct member *m)
{
	member_leave(d, m);
	hash_del(&d->members, m->p.pid);
	free(m);
}

/* The member of that process, new if there is none. Another process that had its pid is forgotten. */
static struct member *member_of(struct discover *d, const struct process *p)
{
	struct member *m = member_get(d, p->pid);

	if (m && m->p.start_ticks && p->start_ticks && m->p.start_ticks != p->start_ticks) {
		member_forget(d, m);
		m = NULL;
	}
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m || hash_put(&d->members, p->pid, m)) {
			free(m);
			return NULL;
		}
	} else if (m->service && m->p.netns != p->netns) {
		netns_drop(d, &m->p);
		netns_hold(d, p);
	}
	m->p = *p;
	m->seen = d->scans;
	return m;
}

/* Nothing is remembered of a process that is neither watched, nor listens, nor excludes what it starts. */
static void member_forget_idle(struct discover *d, struct member *m)
{
	if (!m->service && !m->n_ports && !m->excluded_tree)
		member_forget(d, m);
}

/* Bookkeeping of a member that the kernel has under that number. */
static void member_enter(struct discover *d, struct member *m, uint32_t number, enum runtime runtime)
{
	instance_hold(&d->instances, number);
	if (m->service) {
		service_drop(d, m->service);
	} else {
		netns_hold(d, &m->p);
		d->watched++;
	}
	m->service = number;
	m->runtime = runtime;
}

/* The member joins a service (and leaves another), if the kernel takes the policy. */
static int member_join(struct discover *d, struct member *m, uint32_t number, enum runtime runtime)
{
	struct process_policy policy = { .service = number, .runtime = runtime };
	int err;

	if (m->service == number && m->runtime == runtime)
		return 0;
	err = d->sink.watch(d->sink.ctx, m->p.pid, &policy);
	if (err) {
		d->refused++;
		return err;
	}
	member_enter(d, m, number, runtime);
	d->changed = true;
	return 0;
}

/* ---- the decision ------------------------------------------------------------------------------------ */

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

static bool is_running(const struct discover *d, const struct process *p)
{
	uint64_t start;

	return process_start(d->proc, p->pid, &start) == 0 && start == p->start_ticks;
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

/* Decides about a process, and about those it has started already when it begins to matter to them. */
static void decide(struct discover *d, const struct process *p, unsigned depth)
{
	struct descent down = { d, depth + 1 };
	struct member *m = member_of(d, p), before;
	struct decision c;
	bool matters;

	if (!m) {
		d->refused++;
		return;
	}
	before = *m;
	decision_make(d, m, &c);
	m->excluded_tree = c.excluded_tree;
	if (c.watch && is_running(d, p)) {
		member_settle(d, m, &c);
		/* It may have ended before the kernel got its policy: then no REC_EXIT comes. */
		if (!is_running(d, p))
			member_unwatch(d, m);
	} else {
		if (c.watch)
			departed_tell(d, &c.service);
		member_unwatch(d, m);
	}
	matters = (m->service && !before.service) || (m->tree && !before.tree) ||
		  (m->excluded_tree && !before.excluded_tree);
	if (matters && depth < TREE_DEPTH)
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

/* ---- entry points ------------------------------------------------------------------------------------ */

/* Members that the scan did not meet are gone (their REC_EXIT was lost). */
static int members_sweep(struct discover *d)
{
	_cleanup_(freep) struct member **gone = calloc(d->members.n + 1, sizeof(*gone));
	struct member *m;
	size_t n = 0;

	if (!gone)
		return -ENOMEM;
	for (size_t i = 0; (m = hash_next(&d->members, &i));)
		if (m->seen != d->scans && !is_running(d, &m->p))
			gone[n++] = m;
	for (size_t i = 0; i < n; i++) {
		member_unwatch(d, gone[i]);
		member_forget(d, gone[i]);
	}
	return 0;
}

static void scan_one(struct discover *d, uint32_t pid)
{
	struct member *m = member_get(d, pid);
	struct process p;

	if (process_read(&p, d->proc, pid))
		return;
	if (m && m->service && m->p.start_ticks == p.start_ticks && strcmp(m->p.exe, p.exe) == 0)
		m->seen = d->scans;
	else
		decide(d, &p, 0);
}

int discover_scan(struct discover *d)
{
	_cleanup_(freep) uint32_t *pids = NULL;
	ssize_t n = process_list(d->proc, &pids);
	int err;

	if (n < 0)
		return (int)n;
	d->scans++;
	for (ssize_t i = 0; i < n; i++)
		scan_one(d, pids[i]);
	err = members_sweep(d);
	changes_tell(d);
	return err;
}

static bool port_matters(const struct discover *d, uint16_t port)
{
	return selectors_want_port(&d->select, port) || selectors_want_port(&d->exclude, port) ||
	       selectors_want_port(&d->named, port) || (!d->select.n && port == d->otlp_port);
}

void discover_listener(struct discover *d, uint32_t tgid, uint16_t port, uint32_t netns)
{
	struct process p;
	struct member *m;

	if (!port_matters(d, port) || process_read(&p, d->proc, tgid))
		return;
	if (!p.netns)
		p.netns = netns;
	m = member_of(d, &p);
	if (!m)
		return;
	for (size_t i = 0; i < m->n_ports; i++)
		if (m->ports[i] == port)
			return;
	if (m->n_ports < PORTS_MAX)
		m->ports[m->n_ports++] = port;
	decide(d, &p, 0);
	changes_tell(d);
}

static void record_exec(struct discover *d, const struct rec_process *rec)
{
	const struct member *m = member_get(d, rec->h.tgid);
	struct process p, said;

	process_from_exec(&said, rec, d->cgroup_root);
	if (process_read(&p, d->proc, rec->h.tgid)) {
		p = said;
		if (m)
			p.ppid = m->p.ppid;
	}
	if (!p.exe[0])	/* it is ending: its memory is gone, its entry in /proc is not */
		memcpy(p.exe, said.exe, sizeof(p.exe));
	decide(d, &p, 0);
}

/* BPF gave the child its parent's number; since then the parent may have got another or none. */
static void record_fork(struct discover *d, const struct rec_process *rec)
{
	const struct member *parent = member_get(d, rec->ptgid);
	struct member *m = member_get(d, rec->h.tgid);
	struct process p;

	if (parent && parent->service) {
		p = parent->p;
		p.pid = p.ns_pid = rec->h.tgid;
		p.ppid = rec->ptgid;
		p.start_ticks = 0;
		process_start(d->proc, p.pid, &p.start_ticks);
		m = member_of(d, &p);
		if (!m)
			return;
		m->tree = parent->tree;
		if (parent->service == rec->h.service && m->service != parent->service)
			member_enter(d, m, parent->service, parent->runtime);
		else
			member_join(d, m, parent->service, parent->runtime);
		return;
	}
	if (process_read(&p, d->proc, rec->h.tgid) == 0)
		decide(d, &p, 0);
	m = member_get(d, rec->h.tgid);
	if (!m || !m->service)
		d->sink.unwatch(d->sink.ctx, rec->h.tgid);
}

static void record_exit(struct discover *d, const struct rec_process *rec)
{
	struct member *m = member_get(d, rec->h.tgid);

	if (m)
		member_forget(d, m);
}

void discover_record(struct discover *d, const void *rec, size_t size)
{
	const struct rec_head *h = rec;
	const struct rec_conn *listening = rec;

	if (size < sizeof(*h))
		return;
	if (h->kind == REC_LISTEN && size >= sizeof(*listening))
		discover_listener(d, h->tgid, listening->local_port, listening->netns);
	if (size < sizeof(struct rec_process))
		return;
	if (h->kind == REC_EXEC)
		record_exec(d, rec);
	else if (h->kind == REC_FORK)
		record_fork(d, rec);
	else if (h->kind == REC_EXIT)
		record_exit(d, rec);
	changes_tell(d);
}

bool discover_needs_listeners(const struct discover *d)
{
	uint32_t keys = d->select.keys | d->exclude.keys | d->named.keys;

	return keys & SELECT_BIT(SELECT_PORT) || (!d->select.n && d->otlp_port);
}

size_t discover_processes(const struct discover *d)
{
	return d->watched;
}

size_t discover_services(const struct discover *d)
{
	return d->instances.live;
}

uint64_t discover_refused(const struct discover *d)
{
	return d->refused;
}

void discover_exports_otlp(struct discover *d, uint32_t service)
{
	struct service *s = instance_get(&d->instances, service);

	if (!s || s->exports_otlp || d->trace_otlp_exporters)
		return;
	s->exports_otlp = true;
	d->sink.service(d->sink.ctx, s);
}

/* ---- life -------------------------------------------------------------------------------------------- */

static void file_hash(uint64_t *h, const char *directory, const char *file)
{
	char path[320], text[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	f = fopen(path, "re");
	if (!f)
		return;
	n = fread(text, 1, sizeof(text), f);
	*h = hash_bytes(*h, text, n);
	fclose(f);
}

/* One boot of one host: machines cloned from one image share machine-id, resumed snapshots the boot_id. */
static uint64_t host_id_make(const char *proc)
{
	char name[256] = "";
	uint64_t h = 1;

	file_hash(&h, proc, "sys/kernel/random/boot_id");
	file_hash(&h, "/etc", "machine-id");
	gethostname(name, sizeof(name) - 1);
	return hash_bytes(h, name, strlen(name));
}

static int names_parse(struct discover *d, const struct discover_options *opt, char **why)
{
	_cleanup_(freep) const char **texts = calloc(opt->n_names + 1, sizeof(*texts));
	int err;

	d->names = calloc(opt->n_names + 1, sizeof(*d->names));
	if (!texts || !d->names)
		return -ENOMEM;
	for (size_t i = 0; i < opt->n_names; i++)
		texts[i] = opt->names[i].selector;
	err = selectors_parse(&d->named, texts, opt->n_names, why);
	for (size_t i = 0; !err && i < opt->n_names; i++) {
		d->names[i] = strdup(opt->names[i].name);
		err = d->names[i] ? 0 : -ENOMEM;
	}
	return err;
}

static int options_take(struct discover *d, const struct discover_options *opt, char **why)
{
	int err;

	d->otlp_port = opt->otlp_port;
	d->trace_otlp_exporters = opt->trace_otlp_exporters;
	d->quarantine_ns = opt->quarantine_ns ? opt->quarantine_ns : QUARANTINE_NS;
	d->proc = strdup(opt->proc);
	d->cgroup_root = strdup(opt->cgroup_root);
	d->netns_dir = strdup(opt->netns_dir ? opt->netns_dir : "/run/netns");
	d->self_exe = realpath("/proc/self/exe", NULL);
	if (!d->proc || !d->cgroup_root || !d->netns_dir)
		return -ENOMEM;
	d->host_id = host_id_make(d->proc);
	err = selectors_parse(&d->select, opt->select, opt->n_select, why);
	if (!err)
		err = selectors_parse(&d->exclude, opt->exclude, opt->n_exclude, why);
	return err ? err : names_parse(d, opt, why);
}

static void discover_freep(struct discover **d)
{
	discover_free(*d);
}

int discover_new(struct discover **out, const struct discover_options *opt, const struct discover_sink *sink,
		 char **why)
{
	_cleanup_(discover_freep) struct discover *d = calloc(1, sizeof(*d));
	int err;

	*why = NULL;
	if (!d)
		return -ENOMEM;
	d->sink = *sink;
	err = options_take(d, opt, why);
	if (err)
		return err;
	*out = TAKE_PTR(d);
	return 0;
}

void discover_free(struct discover *d)
{
	struct member *m;

	if (!d)
		return;
	for (size_t i = 0; (m = hash_next(&d->members, &i));)
		free(m);
	for (size_t i = 0; d->names && i < d->named.n; i++)
		free(d->names[i]);
	hash_release(&d->members);
	hash_release(&d->netns);
	selectors_release(&d->select);
	selectors_release(&d->exclude);
	selectors_release(&d->named);
	free(d->names);
	free(d->proc);
	free(d->cgroup_root);
	free(d->netns_dir);
	free(d->self_exe);
	free(d);
}
