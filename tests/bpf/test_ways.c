/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF programs on this kernel: the less usual ways by which bytes move, and what only looks like bytes. */
#include <fcntl.h>
#include <liburing.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <poll.h>

#include "rig.h"

static void check_answered(struct rig *r, const char *asked, const char *answered)
{
	char text[256];

	rig_stream(r, RIG_SERVICE, IO_RECV, text, sizeof(text));
	assert_string_equal(text, asked);
	rig_stream(r, RIG_SERVICE, IO_SEND, text, sizeof(text));
	assert_string_equal(text, answered);
}

/* ---- io_uring -------------------------------------------------------------------------------------- */

static int uring_wait(struct io_uring *u)
{
	struct io_uring_cqe *cqe;
	int result;

	must(io_uring_submit(u) == 1 && !io_uring_wait_cqe(u, &cqe));
	result = cqe->res;
	io_uring_cqe_seen(u, cqe);
	return result;
}

static void answer_by_uring(int fd)
{
	struct io_uring u;
	char buf[64];

	must(!io_uring_queue_init(4, &u, 0));
	for (int i = 0; i < 3; i++) {
		io_uring_prep_recv(io_uring_get_sqe(&u), fd, buf, sizeof(buf), 0);
		must(uring_wait(&u) == 8 && !memcmp(buf, "question", 8));
		io_uring_prep_send(io_uring_get_sqe(&u), fd, "answer", 6, 0);
		must(uring_wait(&u) == 6);
	}
	io_uring_queue_exit(&u);
}

static void ask_three_times(int fd)
{
	for (int i = 0; i < 3; i++)
		exchange_once(fd);
}

TEST(io_uring_is_seen_like_any_call_in_tier_socket)
{
	static const int families[] = { AF_INET, AF_UNIX };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct rig *r = rig_new("socket");

		rig_play(r, families[i], answer_by_uring, RIG_SERVICE, ask_three_times, 0);
		rig_collect(r);
		check_answered(r, "questionquestionquestion", "answeransweranswer");
		assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, 3);
		rig_free(r);
	}
}

/* ---- MSG_ZEROCOPY and the error queue ---------------------------------------------------------------- */

/* Waits for something in the error queue and reads it. */
static ssize_t error_read(int fd, char *buf, size_t n)
{
	char control[256];
	struct iovec v = { buf, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = fd };

	must(poll(&p, 1, 5000) == 1 && (p.revents & POLLERR));
	return recvmsg(fd, &m, MSG_ERRQUEUE);
}

static void ask_by_zerocopy(int fd)
{
	static char question[] = "question";
	int on = 1;

	must(!setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)));
	must(send(fd, question, 8, MSG_ZEROCOPY) == 8);
	expect(fd, "answer");
	must(error_read(fd, question, 8) == 0);
	exchange_once(fd);
}

static void answer_twice(int fd)
{
	answer_once(fd);
	answer_once(fd);
}

TEST(zerocopy_sends_show_their_bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		struct rig *r = rig_new(tiers[i]);
		char text[64];

		rig_play(r, AF_INET, answer_twice, RIG_SERVICE, ask_by_zerocopy, RIG_CLIENT);
		rig_collect(r);
		rig_stream(r, RIG_CLIENT, IO_SEND, text, sizeof(text));
		assert_string_equal(text, "questionquestion");
		rig_stream(r, RIG_CLIENT, IO_RECV, text, sizeof(text));
		assert_string_equal(text, "answeranswer");
		rig_free(r);
	}
}

/* A send timestamp comes with a copy of the packet. */
static void ask_with_timestamp(int fd)
{
	int how = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE, none = 0;
	char packet[256];

	must(!setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &how, sizeof(how)));
	say(fd, "question");
	must(error_read(fd, packet, sizeof(packet)) > 8);
	must(!setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &none, sizeof(none)));
	expect(fd, "answer");
	exchange_once(fd);
}

TEST(the_error_queue_is_not_the_stream)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		struct rig *r = rig_new(tiers[i]);
		char text[64];

		rig_play(r, AF_INET, answer_twice, RIG_SERVICE, ask_with_timestamp, RIG_CLIENT);
		rig_collect(r);
		rig_stream(r, RIG_CLIENT, IO_RECV, text, sizeof(text));
		assert_string_equal(text, "answeranswer");
		assert_int_equal(rig_turns(r, RIG_CLIENT, ROLE_ACTIVE)->count, 2);
		rig_free(r);
	}
}

/* ---- splice ---------------------------------------------------------------------------------------- */

static void answer_by_splice(int fd)
{
	int pipe_ends[2];

	must(!pipe(pipe_ends));
	answer_once(fd);
	must(splice(fd, NULL, pipe_ends[1], NULL, 64, 0) == 4);
	must(splice(pipe_ends[0], NULL, fd, NULL, 64, 0) == 4);
	answer_once(fd);
}

static void ask_for_an_echo(int fd)
{
	exchange_once(fd);
	say(fd, "echo");
	expect(fd, "echo");
	exchange_once(fd);
}

TEST(splice_shows_sizes_and_the_turn_around_it)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		struct rig *r = rig_new(tiers[i]);
		const struct turn_value *turns;
		char text[64];

		rig_play(r, AF_INET, answer_by_splice, RIG_SERVICE, ask_for_an_echo, 0);
		rig_collect(r);
		rig_stream(r, RIG_SERVICE, IO_SEND, text, sizeof(text));
		assert_string_equal(text, "answer????answer");
		turns = rig_turns(r, RIG_SERVICE, ROLE_PASSIVE);
		assert_int_equal(turns->count, 3);
		assert_int_equal(turns->request_bytes, 8 + 4 + 8);
		assert_int_equal(turns->response_bytes, 6 + 4 + 6);
		rig_free(r);
	}
}

/* ---- half a connection ------------------------------------------------------------------------------- */

static void ask_and_read_with_the_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	say(fd, "question");
	must(poll(&p, 1, 5000) == 1 && (p.revents & POLLRDHUP));
	expect(fd, "answer");
}

TEST(the_end_of_a_stream_is_no_byte_of_it)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		struct rig *r = rig_new(tiers[i]);
		char text[64];

		rig_play(r, AF_INET, answer_once, 0, ask_and_read_with_the_end, RIG_CLIENT);
		rig_collect(r);
		rig_stream(r, RIG_CLIENT, IO_RECV, text, sizeof(text));
		assert_string_equal(text, "answer");
		rig_free(r);
	}
}

static int heard[2];	/* a pipe, from the client to the server: its connection is shut in that direction */

static void ask_and_shut(int fd)
{
	say(fd, "question");
	expect(fd, "one");
	must(!shutdown(fd, SHUT_WR));
	expect(fd, "two");
	must(write(heard[1], "2", 1) == 1);
	expect(fd, "three");
	must(write(heard[1], "3", 1) == 1);
}

static void answer_around_the_end(int fd)
{
	char c;

	expect(fd, "question");
	say(fd, "one");
	must(read(fd, &c, 1) == 0);
	say(fd, "two");
	must(read(heard[0], &c, 1) == 1);
	say(fd, "three");
	must(read(heard[0], &c, 1) == 1);
}

TEST(a_half_closed_connection_goes_on_with_the_same_turn)
{
	static const struct {
		uint32_t service;
		enum role role;
	} ends[] = { { RIG_SERVICE, ROLE_PASSIVE }, { RIG_CLIENT, ROLE_ACTIVE } };

	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		struct rig *r = rig_new(tiers[i]);

		must(!pipe(heard));
		rig_play(r, AF_INET, answer_around_the_end, RIG_SERVICE, ask_and_shut, RIG_CLIENT);
		rig_collect(r);
		for (size_t k = 0; k < ARRAY_SIZE(ends); k++) {
			const struct turn_value *t = rig_turns(r, ends[k].service, ends[k].role);

			assert_int_equal(t->count, 1);
			assert_int_equal(t->repaired, 0);
			assert_int_equal(t->request_bytes, strlen("question"));
			assert_int_equal(t->response_bytes, strlen("onetwothree"));
		}
		rig_free(r);
	}
}

/* ---- MPTCP ------------------------------------------------------------------------------------------- */

struct found {
	pid_t pid;
	bool listens;
};

static void on_listener(void *ctx, uint32_t tgid, uint16_t port, uint32_t netns)
{
	struct found *f = ctx;

	(void)netns;
	f->listens |= tgid == (uint32_t)f->pid && port == 7001;
}

static void play_multipath_server(int go, int ready)
{
	struct sockaddr_storage a;
	socklen_t n = rig_address(AF_INET, &a);
	int listener, fd;
	char c;

	must(read(go, &c, 1) == 1);
	listener = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	must(listener >= 0 && !bind(listener, (struct sockaddr *)&a, n) && !listen(listener, 8));
	must(write(ready, "r", 1) == 1);
	fd = accept(listener, NULL, NULL);
	must(fd >= 0);
	answer_once(fd);
	_exit(0);
}

/* A listener of Go's, which a client that does not speak MPTCP connects to. */
TEST(a_multipath_listener_is_known_and_its_plain_connections_are_seen)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		struct rig *r = rig_new(tiers[i]);
		int go[2], client_go[2], ready[2];
		struct found found = {};
		pid_t client;
		char byte;

		must(!pipe(ready));
		found.pid = rig_fork(r, RIG_SERVICE, go);
		if (!found.pid)
			play_multipath_server(go[0], ready[1]);
		client = rig_fork(r, 0, client_go);
		if (!client) {
			play_client(AF_INET, exchange_once, client_go[0]);
			_exit(0);
		}
		must(write(go[1], "g", 1) == 1 && read(ready[0], &byte, 1) == 1);
		must(!capture_scan_listeners(r->capture, on_listener, &found));
		assert_true(found.listens);
		must(write(client_go[1], "g", 1) == 1);
		rig_wait(client);
		rig_wait(found.pid);
		rig_collect(r);
		check_answered(r, "question", "answer");
		rig_free(r);
	}
}

RUN_TESTS
