/* SPDX-License-Identifier: Apache-2.0 */
/* The service and its client in the VM test: HTTP/1.1 over every system call that moves a stream.
 *
 * In:  `http serve PORT`, `http load PORT CONNECTIONS REQUESTS`. Out: the client asks for /r/0, /r/1, ...
 * and exits with 0 if each was answered. Connection k uses the k-th way of reading and writing (modulo
 * their number) at both ends: it names it in its first request, "GET /r/N?io=K". Static, no library. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A message in two pieces, so that vectors have more than one element. */
struct halves {
	struct iovec v[2];
};

static struct halves halve(char *p, size_t n)
{
	return (struct halves){ { { p, n / 2 }, { p + n / 2, n - n / 2 } } };
}

static ssize_t get_read(int fd, char *p, size_t n) { return read(fd, p, n); }
static ssize_t get_recv(int fd, char *p, size_t n) { return recv(fd, p, n, 0); }

static ssize_t get_peek(int fd, char *p, size_t n)
{
	return recv(fd, p, n, MSG_PEEK) < 0 ? -1 : recv(fd, p, n, 0);
}

static ssize_t get_readv(int fd, char *p, size_t n)
{
	struct halves h = halve(p, n);

	return readv(fd, h.v, 2);
}

static ssize_t get_recvmsg(int fd, char *p, size_t n)
{
	struct halves h = halve(p, n);
	struct msghdr m = { .msg_iov = h.v, .msg_iovlen = 2 };

	return recvmsg(fd, &m, 0);
}

static ssize_t get_recvmmsg(int fd, char *p, size_t n)
{
	struct halves h = halve(p, n);
	struct mmsghdr m = { .msg_hdr = { .msg_iov = h.v, .msg_iovlen = 2 } };

	return recvmmsg(fd, &m, 1, 0, NULL) == 1 ? (ssize_t)m.msg_len : -1;
}

static ssize_t put_write(int fd, char *p, size_t n) { return write(fd, p, n); }
static ssize_t put_send(int fd, char *p, size_t n) { return send(fd, p, n, 0); }

static ssize_t put_writev(int fd, char *p, size_t n)
{
	struct halves h = halve(p, n);

	return writev(fd, h.v, 2);
}

static ssize_t put_sendmsg(int fd, char *p, size_t n)
{
	struct halves h = halve(p, n);
	struct msghdr m = { .msg_iov = h.v, .msg_iovlen = 2 };

	return sendmsg(fd, &m, 0);
}

static ssize_t put_sendmmsg(int fd, char *p, size_t n)
{
	struct halves h = halve(p, n);
	struct mmsghdr m[2] = {
		{ .msg_hdr = { .msg_iov = &h.v[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &h.v[1], .msg_iovlen = 1 } },
	};

	return sendmmsg(fd, m, 2, 0) == 2 ? (ssize_t)n : -1;
}

static const struct way {
	ssize_t (*get)(int fd, char *p, size_t n);
	ssize_t (*put)(int fd, char *p, size_t n);
} ways[] = {
	{ get_read, put_write },
	{ get_recv, put_send },
	{ get_readv, put_writev },
	{ get_recvmsg, put_sendmsg },
	{ get_recvmmsg, put_sendmmsg },
	{ get_peek, put_write },
};

static struct sockaddr_in address(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* Reads until the blank line; returns the message's bytes, 0 at the end of the connection. */
static ssize_t message_read(const struct way *w, int fd, char *buf, size_t size)
{
	size_t have = 0;

	while (have + 1 < size) {
		ssize_t n = w->get(fd, buf + have, size - 1 - have);

		if (n <= 0)
			return n;
		have += (size_t)n;
		buf[have] = 0;
		if (strstr(buf, "\r\n\r\n"))
			return (ssize_t)have;
	}
	return -1;
}

static void connection_serve(int fd)
{
	static char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n";
	const struct way *w = &ways[0];
	char buf[4096], *io;

	while (message_read(w, fd, buf, sizeof(buf)) > 0) {
		io = strstr(buf, "?io=");
		if (io)
			w = &ways[(size_t)atoi(io + 4) % ARRAY_SIZE(ways)];
		if (w->put(fd, answer, sizeof(answer) - 1) != sizeof(answer) - 1)
			break;
	}
}

static int serve(int port)
{
	struct sockaddr_in a = address(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 64))
		return perror("http: listen"), 1;
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0 && fork() == 0) {
			connection_serve(c);
			_exit(0);
		}
		close(c);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
	}
}

/* `requests` requests, numbered from `first`, on one connection. */
static int connection_load(int port, size_t way, int first, int requests)
{
	const struct way *w = &ways[way % ARRAY_SIZE(ways)];
	struct sockaddr_in a = address(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	char buf[4096];

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return perror("http: connect"), 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (int i = 0; i < requests; i++) {
		int n = snprintf(buf, sizeof(buf), "GET /r/%d?io=%zu HTTP/1.1\r\nHost: vm\r\n\r\n", first + i, way);

		if (w->put(fd, buf, (size_t)n) != n || message_read(w, fd, buf, sizeof(buf)) <= 0)
			return fprintf(stderr, "http: no answer to request %d\n", first + i), 1;
	}
	close(fd);
	return 0;
}

static int load(int port, int connections, int requests)
{
	for (int k = 0; k < connections; k++)
		if (connection_load(port, (size_t)k, k * requests, requests))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc == 5 && !strcmp(argv[1], "load"))
		return load(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	fprintf(stderr, "usage: http serve PORT | http load PORT CONNECTIONS REQUESTS\n");
	return 2;
}
