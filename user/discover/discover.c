/* SPDX-License-Identifier: Apache-2.0 */
/* discover.h: scans, listeners and records lead to decisions (decide.c) about members (table.c). */
#include "discover/discover.h"

#include <stdio.h>
#include <string.h>

#include "discover/table.h"

#define QUARANTINE_NS (30 * NSEC_PER_SEC)

/* Members that the scan did not meet are gone (their REC_EXIT was lost). */
static int members_sweep(struct discover *d)
{
	_cleanup_(freep) struct member **gone = calloc(d->members.n + 1, sizeof(*gone));
	struct member *m;
	size_t n = 0;

	if (!gone)
		return -ENOMEM;
	for (size_t i = 0; (m = hash_next(&d->members, &i));)
		if (m->seen != d->scans && !process_is_running(d->proc, &m->p))
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
		process_decide(d, &p);
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
	process_decide(d, &p);
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
	process_decide(d, &p);
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
		process_decide(d, &p);
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
