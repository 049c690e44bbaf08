/* SPDX-License-Identifier: Apache-2.0 */
/* The worker: everything that needs no privilege. In: the ring, shared arrays and the loader's messages.
 * Out: OTLP, /metrics, the console. Never calls bpf(2) nor opens /proc. */
#include "halves.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "capture/ring.h"
#include "pipeline.h"
#include "selfmetrics.h"
#include "web/web.h"

#define POLL_BUSY_MS 10		/* between two looks at the ring under load, doubling to idle */
#define POLL_IDLE_MS 100
#define BATCH 4096		/* records per turn of the loop, so that ticks and stops are not starved */
#define SELF_INTERVAL_NS NSEC_PER_SEC
#define FLUSH_MS 4000
#define REQUEST_BYTES_MAX (3u << 20)	/* of one metrics request: gRPC receivers refuse 4 MiB */

struct worker {
	const struct config *config;
	int ipc;
	pthread_mutex_t lock;		/* of everything below: the scrape runs in the server's thread */
	struct pipeline pipeline;
	struct self self;
	struct ring *ring;
	struct web *web;
	uint64_t self_at_ns, metrics_at_ns;
	bool ready, loader_gone;
};

/* ---- from the loader ---- */

static void *map_array(int fd, size_t bytes, int prot)
{
	void *p = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int on_maps(struct worker *w, const struct ipc_maps *m, int fds[IPC_FD_COUNT])
{
	w->pipeline.verdicts = map_array(fds[IPC_FD_VERDICTS], VERDICTS_MAX * sizeof(struct verdict), PROT_READ | PROT_WRITE);
	w->self.counters = map_array(fds[IPC_FD_COUNTERS], SERVICES_MAX * sizeof(struct service_counters), PROT_READ);
	close(fds[IPC_FD_VERDICTS]);
	close(fds[IPC_FD_COUNTERS]);
	if (!w->pipeline.verdicts || !w->self.counters)
		return -errno;
	return ring_new(&w->ring, fds[IPC_FD_RING], m->ring_bytes);
}

static int on_message(struct worker *w, const struct ipc_msg *m, int *fds, size_t n_fds)
{
	switch (m->kind) {
	case IPC_MAPS:
		return n_fds == IPC_FD_COUNT && !w->ring ? on_maps(w, &m->maps, fds) : -EBADMSG;
	case IPC_SERVICE:
		pipeline_service(&w->pipeline, &m->service);
		return 0;
	case IPC_TURNS:
		pipeline_turns(&w->pipeline, &m->turns);
		return 0;
	case IPC_PROGRAM:
		self_program(&w->self, &m->program);
		return 0;
	case IPC_READY:
		__atomic_store_n(&w->ready, true, __ATOMIC_RELEASE);
		/* fallthrough */
	case IPC_SELF:
		w->self.loader = m->self;
		return 0;
	default:
		return -EBADMSG;
	}
}

static int messages_read(struct worker *w)
{
	int fds[IPC_FD_COUNT], err;
	struct ipc_msg m;
	size_t n_fds;

	while (!(err = ipc_recv(w->ipc, &m, fds, &n_fds)))
		if ((err = on_message(w, &m, fds, n_fds)))
			return log_err(err, "a message of the loader (kind %u)", m.kind);
	w->loader_gone |= err == -EPIPE;
	return err == -EAGAIN || err == -EPIPE ? 0 : log_err(err, "read from the loader");
}

static int ask_policy(void *ctx, const struct ipc_policy *p)
{
	return ipc_send(((struct worker *)ctx)->ipc, &(struct ipc_msg){ .kind = IPC_POLICY, .policy = *p }, NULL, 0);
}

static int tell_exports_otlp(void *ctx, uint32_t service)
{
	return ipc_send(((struct worker *)ctx)->ipc,
			&(struct ipc_msg){ .kind = IPC_EXPORTS_OTLP, .exports_otlp = { .service = service } }, NULL, 0);
}

/* ---- metrics out ---- */

static void send_metrics(void *ctx, const struct buf *request, uint32_t points)
{
	exporter_metrics(ctx, request, points);
}

static void export_metrics(struct worker *w)
{
	struct pipeline *p = &w->pipeline;
	bool delta = w->config->temporality != 0;

	if (p->exporter && w->config->export_.targets[SIGNAL_METRICS].enabled)
		otlp_encode_metrics(p->metrics, delta, true, clock_ns(CLOCK_REALTIME), p->resources, REQUEST_BYTES_MAX,
				    send_metrics, p->exporter);
	if (w->config->print == PRINT_JSON)
		console_metrics(p->console, p->metrics);
}

static int on_scrape(void *ctx, bool openmetrics, struct buf *out)
{
	struct worker *w = ctx;
	int err;

	pthread_mutex_lock(&w->lock);
	self_export(&w->self, &w->pipeline);
	err = prometheus_encode(out, w->pipeline.metrics, w->pipeline.resources, openmetrics, clock_ns(CLOCK_REALTIME));
	pthread_mutex_unlock(&w->lock);
	return err;
}

static bool on_live(void *ctx)
{
	(void)ctx;
	return true;
}

static bool on_ready(void *ctx, const char **why)
{
	struct worker *w = ctx;

	*why = "not attached yet";
	return __atomic_load_n(&w->ready, __ATOMIC_ACQUIRE);
}

/* ---- the loop ---- */

static void on_record(void *ctx, const void *rec, size_t n)
{
	pipeline_record(ctx, rec, n);
}

static void tick(struct worker *w, uint64_t now)
{
	pipeline_tick(&w->pipeline, now);
	if (now >= w->self_at_ns) {
		w->self_at_ns = now + SELF_INTERVAL_NS;
		w->self.ring_fill = w->ring ? ring_fill(w->ring) : 0;
		w->self.ring_size = w->ring ? ring_size(w->ring) : 0;
		self_export(&w->self, &w->pipeline);
	}
	if (now >= w->metrics_at_ns) {
		w->metrics_at_ns = now + w->config->metric_interval_ms * NSEC_PER_MSEC;
		export_metrics(w);
	}
	if (w->pipeline.console)
		console_tick(w->pipeline.console, now);
}

/* Edge-triggered: a ring that holds records is always "readable", but we want to sleep until it fills or
 * the time comes. */
static int watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) ? log_err(-errno, "epoll") : 0;
}

static int loop(struct worker *w, int signals)
{
	_cleanup_(closep) int epoll = epoll_create1(EPOLL_CLOEXEC);
	int wait_ms = POLL_BUSY_MS;
	bool ring_watched = false, stop = false;

	if (watch(epoll, signals, EPOLLIN) || watch(epoll, w->ipc, EPOLLIN))
		return 1;
	while (!stop && !w->loader_gone) {
		struct epoll_event e[3];
		int n = epoll_wait(epoll, e, 3, wait_ms);
		size_t records;

		for (int i = 0; i < n; i++)
			stop |= e[i].data.fd == signals;
		pthread_mutex_lock(&w->lock);
		if (messages_read(w)) {
			pthread_mutex_unlock(&w->lock);
			return 1;
		}
		records = w->ring ? ring_drain(w->ring, BATCH, on_record, &w->pipeline) : 0;
		tick(w, monotonic_ns());
		pthread_mutex_unlock(&w->lock);
		wait_ms = records == BATCH ? 0 : records ? POLL_BUSY_MS : MIN(MAX(wait_ms, 1) * 2, POLL_IDLE_MS);
		if (w->ring && !ring_watched) {
			if (watch(epoll, ring_fd(w->ring), EPOLLIN | EPOLLET))
				return 1;
			ring_watched = true;
		}
	}
	return 0;
}

static void finish(struct worker *w)
{
	uint64_t until = monotonic_ns() + NSEC_PER_SEC;

	messages_read(w);
	while (w->ring && monotonic_ns() < until && ring_drain(w->ring, BATCH, on_record, &w->pipeline) == BATCH)
		;
	pipeline_tick(&w->pipeline, monotonic_ns());
	pipeline_flush(&w->pipeline);
	self_export(&w->self, &w->pipeline);
	export_metrics(w);
	if (w->pipeline.console)
		console_flush(w->pipeline.console, monotonic_ns());
	if (w->pipeline.exporter)
		exporter_stop(w->pipeline.exporter, FLUSH_MS);
}

/* ---- start and end ---- */

static int start_web(struct worker *w, char *scrape, size_t size)
{
	struct web_sink sink = { w, on_scrape, on_live, on_ready };
	int err;

	scrape[0] = '\0';
	if (!strcmp(w->config->listen, "off"))
		return 0;
	err = web_new(&w->web, w->config->listen, &sink);
	if (err)
		return log_err(err, "listen on %s", w->config->listen);
	snprintf(scrape, size, "http://%.*s:%u/metrics", (int)(strrchr(w->config->listen, ':') - w->config->listen),
		 w->config->listen, web_port(w->web));
	log_info("metrics at %s", scrape);
	return 0;
}

static int start(struct worker *w, char *scrape, size_t size)
{
	struct pipeline *p = &w->pipeline;
	struct console_options console = { .fd = STDOUT_FILENO, .json = w->config->print == PRINT_JSON };
	int err = resources_new(&p->resources);

	if (!err)
		err = pipeline_init(p, w->config);
	if (!err && (w->config->export_.targets[SIGNAL_TRACES].enabled || w->config->export_.targets[SIGNAL_METRICS].enabled))
		err = exporter_new(&p->exporter, &w->config->export_, p->resources);
	if (err)
		return log_err(err, "start");
	p->ask_policy = ask_policy;
	p->tell_exports_otlp = tell_exports_otlp;
	p->ctx = w;
	err = start_web(w, scrape, size);
	console.scrape = scrape[0] ? scrape : NULL;
	console.resources = p->resources;
	if (!err && w->config->print != PRINT_OFF)
		err = console_new(&p->console, &console);
	w->metrics_at_ns = monotonic_ns() + w->config->metric_interval_ms * NSEC_PER_MSEC;
	return err;
}

int worker_run(const struct config *config, int ipc, pid_t loader)
{
	struct worker w = { .config = config, .ipc = ipc, .lock = PTHREAD_MUTEX_INITIALIZER };
	char scrape[160];
	sigset_t set;
	int signals, code = 1;

	log_setup("worker", config->log_level);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != loader)
		return 1;	/* it died before we asked */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);	/* ctrl-C reaches both; the loader says when to stop */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (!start(&w, scrape, sizeof(scrape))) {
		code = loop(&w, signals);
		web_free(w.web);
		finish(&w);
	}
	exporter_free(w.pipeline.exporter);
	console_free(w.pipeline.console);
	pipeline_release(&w.pipeline);
	resources_free(w.pipeline.resources);
	ring_free(w.ring);
	closep(&signals);
	return code;
}
