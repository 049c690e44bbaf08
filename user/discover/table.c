/* SPDX-License-Identifier: Apache-2.0 */
/* table.h: members come, join services and go; network namespaces with watched processes are counted. */
#include "discover/table.h"

#include "base/clock.h"

void changes_tell(struct discover *d)
{
	for (size_t i = 0; i < d->n_pending; i++)
		d->sink.changed(d->sink.ctx, d->pending[i].netns, d->pending[i].pid);
	if (d->changed && !d->n_pending)
		d->sink.changed(d->sink.ctx, 0, 0);
	if (d->redecide)
		d->sink.redecide(d->sink.ctx);
	d->changed = d->redecide = false;
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

struct member *member_get(const struct discover *d, uint32_t pid)
{
	return pid ? hash_get(&d->members, pid) : NULL;
}

void service_drop(struct discover *d, uint32_t number)
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

void member_unwatch(struct discover *d, struct member *m)
{
	if (!m->service)
		return;
	d->sink.unwatch(d->sink.ctx, m->p.pid);
	d->redecide = true;
	member_leave(d, m);
}

void member_forget(struct discover *d, struct member *m)
{
	member_leave(d, m);
	hash_del(&d->members, m->p.pid);
	free(m);
}

struct member *member_of(struct discover *d, const struct process *p)
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

void member_forget_idle(struct discover *d, struct member *m)
{
	if (!m->service && !m->n_ports && !m->excluded_tree)
		member_forget(d, m);
}

void member_enter(struct discover *d, struct member *m, uint32_t number, enum runtime runtime)
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

int member_join(struct discover *d, struct member *m, uint32_t number, enum runtime runtime)
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
	d->redecide |= m->service != 0;
	member_enter(d, m, number, runtime);
	d->changed = true;
	return 0;
}
