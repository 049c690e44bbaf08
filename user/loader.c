/* SPDX-License-Identifier: Apache-2.0 */
/* The loader: discovery and the kernel half. In: process records, the worker's policies. Out: services,
 * turn histograms and figures to the worker, policy to the kernel. Owns every bpf object. */
#include "halves.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/usage.h"
#include "capture/capture.h"
#include "capture/ring.h"
#include "discover/discover.h"

#define READ_INTERVAL_NS NSEC_PER_SEC
#define RESCAN_INTERVAL_NS (60 * NSEC_PER_SEC)	/* repairs what lost process records broke */
#define PROCESS_RING_BYTES (256u << 10)
#define QUEUE_MAX 4096				/* messages kept while the worker does not read */
#define CHANGE_INTERVAL_NS (50 * NSEC_PER_MSEC)
#define STOP_NS (6 * NSEC_PER_SEC)

struct queued {
	struct queued *next;
	struct ipc_msg msg;
};

struct loader {
	const struct config *config;
	int ipc;
	pid_t worker;
	struct capture *capture;
	struct discover *discover;
	struct ring *processes;
	struct queued *first, **last;
	size_t queued;
	uint64_t dropped_messages;
	bool worker_gone;
	bool active;			/* some process is watched */
	bool changed;			/* processes came since the scan at changed_at */
	uint64_t changed_at;
	bool known[SERVICES_MAX];	/* services that have their policy */
};

/* ---- to the worker ---- */

static void queue_drain(struct loader *l)
{
	while (l->first) {
		struct queued *q = l->first;
		int err = ipc_send(l->ipc, &q->msg, NULL, 0);

		if (err == -EAGAIN)
			return;
		l->worker_gone |= err == -EPIPE;
		l->first = q->next;
		if (!l->first)
			l->last = &l->first;
		l->queued--;
		free(q);
	}
}

static void tell(struct loader *l, const struct ipc_msg *msg)
{
	size_t n = ipc_size(msg->kind);
	struct queued *q;

	queue_drain(l);
	if (!l->first && ipc_send(l->ipc, msg, NULL, 0) != -EAGAIN)
		return;
	q = l->queued < QUEUE_MAX ? malloc(offsetof(struct queued, msg) + n) : NULL;
	if (!q) {
		l->dropped_messages++;
		return;
	}
	q->next = NULL;
	memcpy(&q->msg, msg, n);
	*l->last = q;
	l->last = &q->next;
	l->queued++;
}

static void tell_turns(void *ctx, const struct ipc_turns *t)
{
	tell(ctx, &(struct ipc_msg){ .kind = IPC_TURNS, .turns = *t });
}

static void tell_program(void *ctx, const struct ipc_program *p)
{
	tell(ctx, &(struct ipc_msg){ .kind = IPC_PROGRAM, .program = *p });
}

static void tell_self(struct loader *l, uint32_t kind)
{
	struct ipc_msg m = { .kind = kind };

	snprintf(m.self.tier, sizeof(m.self.tier), "%s", capture_tier(l->capture));
	m.self.cpu_ns = usage_cpu_ns();
	m.self.rss_bytes = usage_rss_bytes(getpid());
	m.self.worker_rss_bytes = usage_rss_bytes(l->worker);
	m.self.map_bytes = capture_map_bytes(l->capture);
	m.self.processes = discover_processes(l->discover);
	m.self.services = discover_services(l->discover);
	m.self.dropped_messages = l->dropped_messages;
	m.self.refused_processes = discover_refused(l->discover);
	tell(l, &m);
}

/* ---- what discovery wants ---- */

static void set_active(struct loader *l, bool active)
{
	if (l->active != active)
		capture_new_generation(l->capture, active);
	l->active = active;
}

/* Active before the first process is known to the kernel half: a child that it forks at once is watched too. */
static int on_watch(void *ctx, uint32_t tgid, const struct process_policy *p)
{
	struct loader *l = ctx;

	set_active(l, true);
	return capture_watch_process(l->capture, tgid, p);
}

static int on_unwatch(void *ctx, uint32_t tgid)
{
	return capture_unwatch_process(((struct loader *)ctx)->capture, tgid);
}

static void on_service(void *ctx, const struct service *s)
{
	struct loader *l = ctx;
	struct service_policy policy = config_service_policy(l->config);

	if (!s->gone)
		log_info("watching %s (pid %u, %s, named by its %s)%s", s->name, s->pid, s->exe, s->name_source,
			 s->exports_otlp ? "; it exports traces itself" : "");
	if (s->gone)
		capture_forget_service(l->capture, s->number);
	else if (!l->known[s->number])	/* told again: its budgets may have grown */
		capture_set_service(l->capture, s->number, &policy);
	l->known[s->number] = !s->gone;
	tell(l, &(struct ipc_msg){ .kind = IPC_SERVICE, .service = *s });
}

/* Sockets of a network namespace are only listed from within it. */
static void scan_netns(struct loader *l, uint32_t pid)
{
	_cleanup_(closep) int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_(closep) int other = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	other = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || other < 0 || setns(other, CLONE_NEWNET))
		return;		/* the process ended, or we may not: its sockets are found at their next byte */
	capture_scan_sockets(l->capture);
	if (setns(own, CLONE_NEWNET))
		log_err(-errno, "back to the agent's network namespace");
}

/* A burst of new processes is scanned once: the first at once, the rest together. */
static void scan_again(struct loader *l, uint64_t now)
{
	l->changed = false;
	l->changed_at = now;
	capture_scan_sockets(l->capture);
}

static void on_changed(void *ctx, uint32_t new_netns, uint32_t pid)
{
	struct loader *l = ctx;
	uint64_t now = monotonic_ns();

	if (new_netns)
		scan_netns(l, pid);
	else if (now - l->changed_at >= CHANGE_INTERVAL_NS)
		scan_again(l, now);
	else
		l->changed = true;
}

static void on_redecide(void *ctx)
{
	struct loader *l = ctx;

	capture_new_generation(l->capture, l->active);
}

static void on_listener(void *ctx, uint32_t tgid, uint16_t port, uint32_t netns)
{
	discover_listener(((struct loader *)ctx)->discover, tgid, port, netns);
}

static void on_process_record(void *ctx, const void *rec, size_t n)
{
	discover_record(((struct loader *)ctx)->discover, rec, n);
}

/* Our own endpoint on this host, which no default selection may watch; 0: there is none. */
static uint16_t local_endpoint_port(const struct config *c)
{
	static const char *const hosts[] = { "http://127.0.0.1:", "https://127.0.0.1:", "http://localhost:", "https://localhost:",
					     "http://[::1]:", "https://[::1]:" };
	const char *url = c->export_.targets[SIGNAL_TRACES].url;

	for (size_t i = 0; url && i < ARRAY_SIZE(hosts); i++)
		if (!strncmp(url, hosts[i], strlen(hosts[i])))
			return (uint16_t)strtoul(url + strlen(hosts[i]), NULL, 10);
	return 0;
}

static int discover_start(struct loader *l)
{
	const struct config *c = l->config;
	_cleanup_(freep) struct discover_name *names = calloc(c->services.n + 1, sizeof(*names));
	struct discover_sink sink = { l, on_watch, on_unwatch, on_service, on_changed, on_redecide };
	struct discover_options opt = {
		.select = (const char *const *)c->select.v, .n_select = c->select.n,
		.exclude = (const char *const *)c->exclude.v, .n_exclude = c->exclude.n,
		.proc = "/proc", .cgroup_root = "/sys/fs/cgroup", .names = names,
		.otlp_port = local_endpoint_port(c), .trace_otlp_exporters = c->trace_otlp_exporters,
		/* Its number is another's only after its last metrics have left. */
		.quarantine_ns = MAX(2 * c->metric_interval_ms * NSEC_PER_MSEC, 30 * NSEC_PER_SEC),
	};
	char *why = NULL;
	int err;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < c->services.n; i++) {
		struct str selector, name;

		if (!config_service_split(c->services.v[i], &selector, &name))
			continue;	/* config/ has refused it */
		((char *)selector.p)[selector.n] = '\0';
		((char *)name.p)[name.n] = '\0';
		names[opt.n_names++] = (struct discover_name){ selector.p, name.p };
	}
	if (!access("/sys/fs/cgroup/unified/cgroup.procs", F_OK))
		opt.cgroup_root = "/sys/fs/cgroup/unified";
	err = discover_new(&l->discover, &opt, &sink, &why);
	if (err)
		log_error("%s", why ? why : strerror(-err));
	free(why);
	return err;
}

static void discover_everything(struct loader *l)
{
	int err = discover_scan(l->discover);

	if (err)
		log_err(err, "read /proc");
	if (discover_needs_listeners(l->discover))
		capture_scan_listeners(l->capture, on_listener, l);
}

/* ---- the loop ---- */

static void on_worker_message(struct loader *l)
{
	int fds[IPC_FD_COUNT];
	struct ipc_msg m;
	size_t n_fds;
	int err;

	while (!(err = ipc_recv(l->ipc, &m, fds, &n_fds)))
		if (m.kind == IPC_POLICY && m.policy.service < SERVICES_MAX)
			capture_set_service(l->capture, m.policy.service, &m.policy.policy);
		else if (m.kind == IPC_EXPORTS_OTLP)
			discover_exports_otlp(l->discover, m.exports_otlp.service);
	l->worker_gone |= err == -EPIPE;
}

static void read_maps(struct loader *l)
{
	capture_read_turns(l->capture, tell_turns, l);
	capture_read_programs(l->capture, tell_program, l);
	tell_self(l, IPC_SELF);
}

static int start(struct loader *l)
{
	struct capture_options opt = { .tier = l->config->capture_tier, .ring_bytes = (uint32_t)l->config->ring_bytes,
				       .process_ring_bytes = PROCESS_RING_BYTES };
	struct ipc_msg maps = { .kind = IPC_MAPS, .maps = { .ring_bytes = opt.ring_bytes } };
	int fds[IPC_FD_COUNT];
	char *why = NULL;
	int err = capture_new(&l->capture, &opt, &why);

	if (err) {
		log_error("cannot watch the kernel: %s", why ? why : strerror(-err));
		free(why);
		return err;
	}
	capture_fds(l->capture, fds);
	err = ipc_send(l->ipc, &maps, fds, IPC_FD_COUNT);
	if (err)
		return log_err(err, "hand the maps to the worker");
	err = ring_new(&l->processes, dup(capture_process_ring_fd(l->capture)), PROCESS_RING_BYTES);
	if (err)
		return log_err(err, "map the process ring");
	err = discover_start(l);
	if (err)
		return err;
	log_info("attached: tier %s, ring %llu KiB", capture_tier(l->capture),
		 (unsigned long long)l->config->ring_bytes >> 10);
	discover_everything(l);
	tell_self(l, IPC_READY);
	return 0;
}

static int wait_worker(struct loader *l)
{
	uint64_t until = monotonic_ns() + STOP_NS;
	int status = 0;
	pid_t done;

	while (!(done = waitpid(l->worker, &status, WNOHANG)) && monotonic_ns() < until) {
		queue_drain(l);
		usleep(5000);
	}
	if (!done) {
		log_error("the worker did not stop in time");
		kill(l->worker, SIGKILL);
		waitpid(l->worker, &status, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Without reaping it: wait_worker() wants its exit code. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

/* Returns 0 for a wanted stop, 1 when the worker ended by itself. */
static int loop(struct loader *l, int signals)
{
	uint64_t read_at = monotonic_ns() + READ_INTERVAL_NS, scan_at = monotonic_ns() + RESCAN_INTERVAL_NS;
	_cleanup_(closep) int epoll = epoll_create1(EPOLL_CLOEXEC);
	int fds[] = { signals, l->ipc, ring_fd(l->processes) };
	struct signalfd_siginfo info;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fds[i] };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e)) {
			log_err(-errno, "epoll");
			return 1;
		}
	}
	while (!l->worker_gone) {
		struct epoll_event e;
		int n = epoll_wait(epoll, &e, 1, 100);
		uint64_t now = monotonic_ns();

		if (n == 1 && e.data.fd == signals && read(signals, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo != SIGCHLD)
				return 0;
			l->worker_gone |= has_ended(l->worker);
		}
		ring_drain(l->processes, 4096, on_process_record, l);
		on_worker_message(l);
		set_active(l, discover_processes(l->discover) > 0);
		if (l->changed && now - l->changed_at >= CHANGE_INTERVAL_NS)
			scan_again(l, now);
		if (now >= read_at) {
			read_at = now + READ_INTERVAL_NS;
			read_maps(l);
		}
		if (now >= scan_at) {
			scan_at = now + RESCAN_INTERVAL_NS;
			discover_everything(l);
		}
		queue_drain(l);
	}
	return 1;
}

int loader_run(const struct config *config, int ipc, pid_t worker)
{
	struct loader l = { .config = config, .ipc = ipc, .worker = worker, .last = &l.first };
	_cleanup_(closep) int signals = -1;
	int status = 1, code;
	sigset_t set;

	log_setup("loader", config->log_level);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (!start(&l)) {
		status = loop(&l, signals);
		if (!status)
			read_maps(&l);
	}
	kill(worker, SIGTERM);
	code = wait_worker(&l);
	if (status && l.worker_gone)
		log_error("the worker ended by itself (exit code %d)", code);
	discover_free(l.discover);
	ring_free(l.processes);
	capture_free(l.capture);
	while (l.first) {
		struct queued *q = l.first;

		l.first = q->next;
		free(q);
	}
	return status ? 1 : code;
}
