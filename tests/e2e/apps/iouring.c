/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP client whose connect, sends and receives are all io_uring's: iouring HOST PORT PATH COUNT [vectored].
 * COUNT GET requests on one connection, each answer read to its end (Content-Length wanted) before the next
 * request; "vectored" sends and receives by sendmsg and recvmsg. Prints one line "STATUS BODY-BYTES" per answer. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct client {
	struct io_uring ring;
	int fd;
	bool vectored;
	char in[1 << 16];
};

static void die(const char *what, int err)
{
	fprintf(stderr, "iouring: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

/* Submits the one prepared entry, waits for it, returns its result. */
static int complete(struct client *c, const char *what)
{
	struct io_uring_cqe *cqe;
	int res = io_uring_submit_and_wait(&c->ring, 1);

	if (res < 0)
		die(what, res);
	res = io_uring_wait_cqe(&c->ring, &cqe);
	if (res < 0)
		die(what, res);
	res = cqe->res;
	io_uring_cqe_seen(&c->ring, cqe);
	if (res < 0)
		die(what, res);
	return res;
}

static void connect_to(struct client *c, const char *host, const char *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		die("address", EINVAL);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0)
		die("socket", errno);
	io_uring_prep_connect(io_uring_get_sqe(&c->ring), c->fd, (struct sockaddr *)&addr, sizeof(addr));
	complete(c, "connect");
}

static int transfer(struct client *c, bool sending, char *data, size_t n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);
	struct iovec iov[2] = { { data, n / 2 }, { data + n / 2, n - n / 2 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (c->vectored && sending)
		io_uring_prep_sendmsg(sqe, c->fd, &msg, MSG_NOSIGNAL);
	else if (c->vectored)
		io_uring_prep_recvmsg(sqe, c->fd, &msg, 0);
	else if (sending)
		io_uring_prep_send(sqe, c->fd, data, n, MSG_NOSIGNAL);
	else
		io_uring_prep_recv(sqe, c->fd, data, n, 0);
	return complete(c, sending ? "send" : "receive");
}

static void send_all(struct client *c, char *data, size_t n)
{
	while (n) {
		int sent = transfer(c, true, data, n);

		data += sent;
		n -= (size_t)sent;
	}
}

/* Value of Content-Length in a head that ends with a NUL. */
static size_t content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at ? strtoul(at + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

static void read_answer(struct client *c)
{
	size_t n = 0, body, length;
	char *end = NULL;

	while (!end) {
		int got = transfer(c, false, c->in + n, sizeof(c->in) - 1 - n);

		if (got == 0)
			die("receive", ECONNRESET);
		n += (size_t)got;
		c->in[n] = '\0';
		end = strstr(c->in, "\r\n\r\n");
	}
	*end = '\0';
	length = content_length(c->in);
	body = n - (size_t)(end + 4 - c->in);
	printf("%.3s %zu\n", c->in + strlen("HTTP/1.1 "), length);
	while (body < length) {
		int got = transfer(c, false, c->in, sizeof(c->in));

		if (got == 0)
			die("receive", ECONNRESET);
		body += (size_t)got;
	}
}

int main(int argc, char **argv)
{
	static struct client c;
	char request[1024];
	int n, err;

	if (argc < 5) {
		fputs("usage: iouring HOST PORT PATH COUNT [vectored]\n", stderr);
		return 2;
	}
	c.vectored = argc > 5;
	err = io_uring_queue_init(8, &c.ring, 0);
	if (err)
		die("io_uring", err);
	connect_to(&c, argv[1], argv[2]);
	n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[3], argv[1]);
	for (int i = 0; i < atoi(argv[4]); i++) {
		send_all(&c, request, (size_t)n);
		read_answer(&c);
	}
	close(c.fd);
	io_uring_queue_exit(&c.ring);
	return 0;
}
