/* SPDX-License-Identifier: Apache-2.0 */
/* A small stage for tests of the real BPF programs: a network namespace of its own, a server and a client
 * process that play a given part, and the records that the kernel made of it. Needs root. */
#ifndef SONDE_TESTS_RIG_H
#define SONDE_TESTS_RIG_H

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "capture/capture.h"
#include "capture/ring.h"
#include "unit.h"

#define RIG_RECORDS	4096
#define RIG_SERVICE	1
#define RIG_CLIENT	2

struct rig {
	struct capture *capture;
	struct ring *ring, *processes;
	void *rec[RIG_RECORDS];		/* copies, in ring order */
	size_t size[RIG_RECORDS];
	size_t n;
	struct ipc_turns turns[16];
	size_t n_turns;
};

static const char *const tiers[] __attribute__((unused)) = { "socket", "syscall" };

/* What a process of the play does with its socket; a failed assertion ends it with SIGABRT. */
typedef void (*part)(int fd);

#define must(x) do { if (!(x)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); abort(); } } while (0)

static inline void rig_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	must(unshare(CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	close(fd);
}

static inline void rig_mode(struct rig *r, enum capture_mode mode)
{
	struct service_policy sp = { mode, REQUEST_BUDGET, RESPONSE_BUDGET, 0 };

	must(!capture_set_service(r->capture, RIG_SERVICE, &sp));
	must(!capture_set_service(r->capture, RIG_CLIENT, &sp));
}

/* The programs, in the network namespace that is there. */
static inline struct rig *rig_load(const char *tier)
{
	struct capture_options opt = { tier, 1 << 20, 1 << 18 };
	struct rig *r = calloc(1, sizeof(*r));
	int fds[IPC_FD_COUNT];
	char *why = NULL;

	must(r);
	if (capture_new(&r->capture, &opt, &why))
		fprintf(stderr, "capture: %s\n", why);
	must(r->capture);
	capture_fds(r->capture, fds);
	must(!ring_new(&r->ring, dup(fds[IPC_FD_RING]), opt.ring_bytes));
	must(!ring_new(&r->processes, dup(capture_process_ring_fd(r->capture)), opt.process_ring_bytes));
	rig_mode(r, CAPTURE_HEADS);
	capture_new_generation(r->capture, true);
	return r;
}

static inline struct rig *rig_new(const char *tier)
{
	rig_namespace();
	return rig_load(tier);
}

static inline void rig_free(struct rig *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->rec[i]);
	ring_free(r->ring);
	ring_free(r->processes);
	capture_free(r->capture);
	free(r);
}

/* ---- the play ---------------------------------------------------------------------------------- */

static inline socklen_t rig_address(int family, struct sockaddr_storage *a)
{
	memset(a, 0, sizeof(*a));
	a->ss_family = family;
	if (family == AF_INET) {
		((struct sockaddr_in *)a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		((struct sockaddr_in *)a)->sin_port = htons(7001);
		return sizeof(struct sockaddr_in);
	}
	if (family == AF_INET6) {
		((struct sockaddr_in6 *)a)->sin6_addr = in6addr_loopback;
		((struct sockaddr_in6 *)a)->sin6_port = htons(7001);
		return sizeof(struct sockaddr_in6);
	}
	snprintf(((struct sockaddr_un *)a)->sun_path, 100, "%csonde-rig-%d", 0, getppid());
	return sizeof(sa_family_t) + 1 + strlen(((struct sockaddr_un *)a)->sun_path + 1);
}

/* The play's listener, in the server's process: opened just before the connection. */
static inline int rig_listener(int fd)
{
	return fd - 1;
}

static inline void play_server(int family, part p, int go, int ready)
{
	struct sockaddr_storage a;
	socklen_t n = rig_address(family, &a);
	int one = 1, listener, fd;
	char c;

	must(read(go, &c, 1) == 1);
	listener = socket(family, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(!bind(listener, (struct sockaddr *)&a, n) && !listen(listener, 8));
	must(write(ready, "r", 1) == 1);
	n = sizeof(a);
	fd = accept(listener, (struct sockaddr *)&a, &n);
	must(fd >= 0);
	p(fd);
	close(fd);
}

static inline void play_client(int family, part p, int go)
{
	struct sockaddr_storage a;
	socklen_t n = rig_address(family, &a);
	char c;
	int fd;

	must(read(go, &c, 1) == 1);
	fd = socket(family, SOCK_STREAM, 0);
	must(!connect(fd, (struct sockaddr *)&a, n));
	p(fd);
	close(fd);
}

static inline pid_t rig_fork(struct rig *r, int service, int go[2])
{
	struct process_policy policy = { .service = service };
	pid_t pid;

	must(!pipe(go));
	pid = fork();
	must(pid >= 0);
	if (pid && service)
		must(!capture_watch_process(r->capture, pid, &policy));
	return pid;
}

static inline void rig_wait(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A server and a client play their parts; service numbers say who is watched as what (0: not at all). */
static inline void rig_play(struct rig *r, int family, part server, int server_service, part client,
			    int client_service)
{
	int server_go[2], client_go[2], ready[2];
	pid_t s, c;
	char byte;

	must(!pipe(ready));
	s = rig_fork(r, server_service, server_go);
	if (!s) {
		play_server(family, server, server_go[0], ready[1]);
		_exit(0);
	}
	c = rig_fork(r, client_service, client_go);
	if (!c) {
		play_client(family, client, client_go[0]);
		_exit(0);
	}
	must(write(server_go[1], "g", 1) == 1 && read(ready[0], &byte, 1) == 1 && write(client_go[1], "g", 1) == 1);
	rig_wait(c);
	rig_wait(s);
}

/* ---- small talk ---------------------------------------------------------------------------------- */

static inline void expect(int fd, const char *text)
{
	size_t n = strlen(text), got = 0;
	char buf[4096];

	while (got < n) {
		ssize_t k = read(fd, buf + got, n - got);

		must(k > 0);
		got += k;
	}
	must(!memcmp(buf, text, n));
}

/* From the stack: a literal may lie in a page that the process never touched, which cannot be captured before the
 * kernel itself has faulted it in. */
static inline void say(int fd, const char *text)
{
	char words[64];
	size_t n = strlen(text);

	must(n < sizeof(words));
	memcpy(words, text, n + 1);
	must(write(fd, words, n) == (ssize_t)n);
}

static inline void exchange_once(int fd)
{
	say(fd, "question");
	expect(fd, "answer");
}

static inline void answer_once(int fd)
{
	expect(fd, "question");
	say(fd, "answer");
}

/* ---- what the kernel said --------------------------------------------------------------------- */

static inline void rig_keep(void *ctx, const void *rec, size_t n)
{
	struct rig *r = ctx;

	must(r->n < RIG_RECORDS);
	r->rec[r->n] = malloc(n);
	must(r->rec[r->n]);
	memcpy(r->rec[r->n], rec, n);
	r->size[r->n++] = n;
}

static inline void rig_keep_turns(void *ctx, const struct ipc_turns *t)
{
	struct rig *r = ctx;

	must(r->n_turns < 16);
	r->turns[r->n_turns++] = *t;
}

static inline void rig_collect(struct rig *r)
{
	must(!capture_read_turns(r->capture, rig_keep_turns, r));
	ring_drain(r->ring, RIG_RECORDS, rig_keep, r);
}

/* The i-th record of that kind and service, or NULL. */
static inline const void *rig_find(const struct rig *r, enum rec_kind kind, uint32_t service, size_t i)
{
	for (size_t k = 0; k < r->n; k++) {
		const struct rec_head *h = r->rec[k];

		if (h->kind == kind && h->service == service && i-- == 0)
			return h;
	}
	return NULL;
}

/* The last difference that was read for it, all zero if there was none. */
static inline const struct turn_value *rig_turns(const struct rig *r, uint32_t service, enum role role)
{
	static const struct turn_value none;

	for (size_t i = r->n_turns; i-- > 0;)
		if (r->turns[i].key.service == service && r->turns[i].key.role == role)
			return &r->turns[i].value;
	return &none;
}

static inline uint64_t histogram_count(const __u64 h[TURN_BUCKETS])
{
	uint64_t n = 0;

	for (size_t i = 0; i < TURN_BUCKETS; i++)
		n += h[i];
	return n;
}

/* The bytes of one direction of a service, which must be contiguous from 0; bytes that were not captured are
 * '?'. Returns how many; the text is NUL-terminated. */
static inline size_t rig_stream(const struct rig *r, uint32_t service, enum io_dir dir, char *to, size_t room)
{
	const struct rec_data *d;
	bool opened = false;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		d = r->rec[i];
		if (d->h.service != service)
			continue;
		opened |= d->h.kind == REC_OPEN;
		if (d->h.kind != REC_DATA || d->dir != dir)
			continue;
		must(opened);
		assert_int_equal(d->pos, n);
		must(n + d->len < room);
		memset(to + n, '?', d->len);
		memcpy(to + n, d->data, d->cap);
		n += d->len;
	}
	to[n] = '\0';
	return n;
}

#endif
