/* SPDX-License-Identifier: Apache-2.0 */
/* A load generator with keep-alive connections: `load PORT PATH CONNECTIONS SECONDS RATE` asks 127.0.0.1 RATE times
 * a second whether answers come in time or not (open loop), or with rate 0 as fast as they do (closed loop). Each
 * connection has one request under way. All answers must be as long as the first. Prints one line of JSON. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"

#define CONNECTIONS_MAX 1024
#define LATENCIES_MAX (1u << 20)
#define LAST_ANSWERS_NS NSEC_PER_SEC

struct load {
	char request[512];
	int request_n;
	size_t answer_n;
	int epoll, connections;
	int fds[CONNECTIONS_MAX], idle[CONNECTIONS_MAX];
	size_t received[CONNECTIONS_MAX];
	uint64_t due_ns[CONNECTIONS_MAX];	/* when the request under way should have left */
	int n_idle;
	uint64_t sent, got;
	uint32_t *latencies_us;
};

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* One exchange on a connection of its own: how long an answer is. */
static size_t measure_answer(const struct load *l, int port)
{
	int fd = dial(port);
	char buf[16384];
	size_t n = 0;
	const char *length, *body = NULL;

	if (write(fd, l->request, (size_t)l->request_n) != l->request_n)
		die("write");
	while (!body) {
		ssize_t r = read(fd, buf + n, sizeof(buf) - 1 - n);

		if (r <= 0)
			die("the first answer");
		n += (size_t)r;
		buf[n] = '\0';
		body = strstr(buf, "\r\n\r\n");
	}
	close(fd);
	length = strcasestr(buf, "content-length:");
	if (!length || length > body)
		die("an answer without Content-Length");
	return (size_t)(body + 4 - buf) + strtoul(length + strlen("content-length:"), NULL, 10);
}

static void ask(struct load *l, int i, uint64_t due_ns)
{
	l->due_ns[i] = due_ns;
	l->received[i] = 0;
	if (send(l->fds[i], l->request, (size_t)l->request_n, MSG_NOSIGNAL) != l->request_n)
		die("send");
	l->sent++;
}

/* True when the answer is whole. */
static bool hear(struct load *l, int i)
{
	char buf[16384];
	ssize_t n = recv(l->fds[i], buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		die("recv");
	if (n > 0)
		l->received[i] += (size_t)n;
	if (l->received[i] < l->answer_n)
		return false;
	l->latencies_us[l->got++ % LATENCIES_MAX] = (uint32_t)((monotonic_ns() - l->due_ns[i]) / 1000);
	return true;
}

static void run(struct load *l, uint64_t duration_ns, uint64_t rate)
{
	uint64_t begin = monotonic_ns(), end = begin + duration_ns, now;

	while ((now = monotonic_ns()) < end || (l->got < l->sent && now < end + LAST_ANSWERS_NS)) {
		struct epoll_event events[64];
		uint64_t next = rate ? begin + l->sent * NSEC_PER_SEC / rate : now;
		int n;

		while (l->n_idle && now < end && next <= now) {
			ask(l, l->idle[--l->n_idle], next);
			next = rate ? begin + l->sent * NSEC_PER_SEC / rate : now;
		}
		n = epoll_wait(l->epoll, events, 64, l->n_idle && rate ? next > now + NSEC_PER_MSEC : 1);
		for (int i = 0; i < n; i++)
			if (hear(l, events[i].data.fd))
				l->idle[l->n_idle++] = events[i].data.fd;
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static struct load l;
	uint64_t duration_ns, begin;
	size_t kept;

	if (argc != 6)
		return 2;
	l.connections = MIN(atoi(argv[3]), CONNECTIONS_MAX);
	duration_ns = (uint64_t)(atof(argv[4]) * 1e9);
	l.latencies_us = calloc(LATENCIES_MAX, sizeof(*l.latencies_us));
	l.request_n = snprintf(l.request, sizeof(l.request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\n"
			       "Accept: */*\r\n\r\n", argv[2]);
	l.answer_n = measure_answer(&l, atoi(argv[1]));
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < l.connections; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = i };

		l.fds[i] = dial(atoi(argv[1]));
		l.idle[l.n_idle++] = i;
		if (epoll_ctl(l.epoll, EPOLL_CTL_ADD, l.fds[i], &e))
			die("epoll");
	}
	begin = monotonic_ns();
	run(&l, duration_ns, (uint64_t)atol(argv[5]));
	kept = MIN(l.got, (uint64_t)LATENCIES_MAX);
	qsort(l.latencies_us, kept, sizeof(*l.latencies_us), by_value);
	printf("{\"sent\": %llu, \"got\": %llu, \"seconds\": %.3f, \"p50_us\": %u, \"p99_us\": %u}\n",
	       (unsigned long long)l.sent, (unsigned long long)l.got, (double)(monotonic_ns() - begin) / 1e9,
	       kept ? l.latencies_us[kept / 2] : 0, kept ? l.latencies_us[kept - 1 - kept / 100] : 0);
	return 0;
}
