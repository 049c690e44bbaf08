/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF programs on this kernel: what a server and a client do to their sockets, and what is said of it. */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <time.h>

#include "capture/capture_internal.h"
#include "rig.h"

/* ---- every way to send and to receive -------------------------------------------------------- */

static void speak_in_all_ways(int fd)
{
	struct iovec v[3] = { { "two", 3 }, { " ", 1 }, { "parts", 5 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };
	struct mmsghdr many[2] = { { .msg_hdr = m }, { .msg_hdr = { .msg_iov = v, .msg_iovlen = 1 } } };

	say(fd, "write");
	expect(fd, "ok");
	must(send(fd, "send", 4, 0) == 4);
	expect(fd, "ok");
	must(writev(fd, v, 3) == 9);
	expect(fd, "ok");
	must(sendmsg(fd, &m, 0) == 9);
	expect(fd, "ok");
	must(sendmmsg(fd, many, 2, 0) == 2);
	expect(fd, "ok");
}

static void read_exactly(int fd, int how, size_t n)
{
	char a[3], b[64];
	struct iovec v[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	size_t got = 0;

	while (got < n) {
		ssize_t k = how == 0 ? read(fd, b, sizeof(b)) : how == 1 ? recv(fd, b, sizeof(b), 0) :
			    how == 2 ? readv(fd, v, 2) : recvmsg(fd, &m, 0);

		must(k > 0);
		got += k;
	}
	must(got == n);
}

static void hear_in_all_ways(int fd)
{
	static const size_t sizes[] = { 5, 4, 9, 9, 12 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		read_exactly(fd, i % 4, sizes[i]);
		say(fd, "ok");
	}
}

static const char spoken[] = "writesendtwo partstwo partstwo partstwo";

static void check_all_ways(const char *tier, int family)
{
	struct rig *r = rig_new(tier);
	char text[256];

	rig_play(r, family, hear_in_all_ways, RIG_SERVICE, speak_in_all_ways, RIG_CLIENT);
	rig_collect(r);
	rig_stream(r, RIG_CLIENT, IO_SEND, text, sizeof(text));
	assert_string_equal(text, spoken);
	rig_stream(r, RIG_SERVICE, IO_RECV, text, sizeof(text));
	assert_string_equal(text, spoken);
	rig_stream(r, RIG_SERVICE, IO_SEND, text, sizeof(text));
	assert_string_equal(text, "okokokokok");
	rig_stream(r, RIG_CLIENT, IO_RECV, text, sizeof(text));
	assert_string_equal(text, "okokokokok");
	assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, 5);
	assert_int_equal(rig_turns(r, RIG_CLIENT, ROLE_ACTIVE)->count, 5);
	rig_free(r);
}

TEST(every_call_shows_its_bytes_once_over_ipv4)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++)
		check_all_ways(tiers[i], AF_INET);
}

TEST(every_call_shows_its_bytes_once_over_ipv6)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++)
		check_all_ways(tiers[i], AF_INET6);
}

/* ---- unix ---------------------------------------------------------------------------------------- */

static void check_unix_both(const char *tier)
{
	struct rig *r = rig_new(tier);
	const struct rec_conn *server, *client;
	const struct rec_close *end;
	const struct rec_data *d;
	char text[256];

	rig_play(r, AF_UNIX, hear_in_all_ways, RIG_SERVICE, speak_in_all_ways, RIG_CLIENT);
	rig_collect(r);
	server = rig_find(r, REC_OPEN, RIG_SERVICE, 0);
	client = rig_find(r, REC_OPEN, RIG_CLIENT, 0);
	assert_non_null(server);
	assert_non_null(client);
	assert_int_equal(server->peer_conn, client->h.conn);
	assert_int_equal(client->peer_conn, server->h.conn);
	assert_int_equal(server->role, ROLE_PASSIVE);
	assert_int_equal(client->role, ROLE_ACTIVE);
	assert_int_equal(client->path[0], '@');
	assert_string_equal(client->path, server->path);
	rig_stream(r, RIG_SERVICE, IO_RECV, text, sizeof(text));
	assert_string_equal(text, spoken);
	rig_stream(r, RIG_CLIENT, IO_RECV, text, sizeof(text));
	assert_string_equal(text, "okokokokok");
	assert_int_equal(rig_stream(r, RIG_SERVICE, IO_SEND, text, sizeof(text)), 0);
	for (size_t i = 0; (d = rig_find(r, REC_DATA, RIG_SERVICE, i)); i++)
		assert_true(d->h.flags & REC_F_MIRROR);
	end = rig_find(r, REC_CLOSE, RIG_SERVICE, 0);
	assert_non_null(end);
	assert_int_equal(end->recv_pos, strlen(spoken));
	assert_non_null(rig_find(r, REC_CLOSE, RIG_CLIENT, 0));
	assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, 5);
	assert_int_equal(rig_turns(r, RIG_CLIENT, ROLE_ACTIVE)->count, 5);
	rig_free(r);
}

TEST(one_firing_at_the_reader_serves_both_ends_of_a_unix_socket)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++)
		check_unix_both(tiers[i]);
}

/* Also of several connections one after the other, whose sockets lie in the same memory. */
TEST(a_unix_server_is_seen_when_only_it_is_watched)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		for (int again = 0; again < 3; again++) {
			struct rig *r = rig_new(tiers[i]);
			char text[256];

			rig_play(r, AF_UNIX, hear_in_all_ways, RIG_SERVICE, speak_in_all_ways, 0);
			rig_collect(r);
			rig_stream(r, RIG_SERVICE, IO_RECV, text, sizeof(text));
			assert_string_equal(text, spoken);
			rig_stream(r, RIG_SERVICE, IO_SEND, text, sizeof(text));
			assert_string_equal(text, "okokokokok");
			assert_null(rig_find(r, REC_DATA, 0, 0));
			assert_non_null(rig_find(r, REC_CLOSE, RIG_SERVICE, 0));
			assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, 5);
			rig_free(r);
		}
	}
}

#define UNIX_CONNECTIONS 20

static void ask_from_many(int fd)
{
	struct sockaddr_storage a;
	socklen_t n = rig_address(AF_UNIX, &a);

	exchange_once(fd);
	for (int i = 1; i < UNIX_CONNECTIONS; i++) {
		int next = socket(AF_UNIX, SOCK_STREAM, 0);

		must(!connect(next, (struct sockaddr *)&a, n));
		exchange_once(next);
		close(next);
	}
}

static void answer_many(int fd)
{
	int listener = rig_listener(fd);

	answer_once(fd);
	for (int i = 1; i < UNIX_CONNECTIONS; i++) {
		int next = accept(listener, NULL, NULL);

		must(next >= 0);
		answer_once(next);
		close(next);
	}
}

TEST(unix_connections_one_after_the_other_are_not_taken_for_one)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		for (int both = 0; both < 2; both++) {
			struct rig *r = rig_new(tiers[i]);

			rig_play(r, AF_UNIX, answer_many, RIG_SERVICE, ask_from_many, both ? RIG_CLIENT : 0);
			rig_collect(r);
			assert_non_null(rig_find(r, REC_OPEN, RIG_SERVICE, UNIX_CONNECTIONS - 1));
			assert_null(rig_find(r, REC_OPEN, RIG_SERVICE, UNIX_CONNECTIONS));
			assert_non_null(rig_find(r, REC_CLOSE, RIG_SERVICE, UNIX_CONNECTIONS - 1));
			assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, UNIX_CONNECTIONS);
			rig_free(r);
		}
	}
}

/* ---- what must not count twice, and what cannot be read ------------------------------------------ */

static void peek_first(int fd)
{
	char buf[16];

	must(recv(fd, buf, 3, MSG_PEEK) == 3);
	must(recv(fd, buf, sizeof(buf), MSG_PEEK) == 6);
	must(read(fd, buf, 2) == 2);
	must(read(fd, buf, sizeof(buf)) == 4);
	say(fd, "done");
}

static void say_once(int fd)
{
	say(fd, "peeked");
	expect(fd, "done");
}

TEST(peeked_bytes_count_once)
{
	static const int families[] = { AF_INET, AF_UNIX };
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct rig *r = rig_new("socket");

		rig_play(r, families[i], peek_first, RIG_SERVICE, say_once, 0);
		rig_collect(r);
		rig_stream(r, RIG_SERVICE, IO_RECV, text, sizeof(text));
		assert_string_equal(text, "peeked");
		rig_free(r);
	}
}

#define FILE_BYTES 20000

static void send_file(int fd)
{
	char buf[FILE_BYTES];
	int file = memfd_create("sonde-test", MFD_CLOEXEC);
	size_t sent = 0;

	memset(buf, 'f', sizeof(buf));
	must(file >= 0 && write(file, buf, sizeof(buf)) == sizeof(buf));
	must(lseek(file, 0, SEEK_SET) == 0);
	expect(fd, "get");
	while (sent < FILE_BYTES) {
		ssize_t k = sendfile(fd, file, NULL, FILE_BYTES - sent);

		must(k > 0);
		sent += k;
	}
}

static void get_file(int fd)
{
	char buf[4096];
	size_t got = 0;

	say(fd, "get");
	while (got < FILE_BYTES) {
		ssize_t k = read(fd, buf, sizeof(buf));

		must(k > 0);
		got += k;
	}
}

TEST(sendfile_shows_sizes_only)
{
	struct rig *r = rig_new("socket");
	const struct rec_close *end;
	const struct rec_data *d;
	uint64_t last = 0;

	rig_play(r, AF_INET, send_file, RIG_SERVICE, get_file, 0);
	rig_collect(r);
	for (size_t i = 0; (d = rig_find(r, REC_DATA, RIG_SERVICE, i)); i++) {
		if (d->dir != IO_SEND)
			continue;
		assert_true(d->h.flags & REC_F_KERNEL_PAGES);
		assert_int_equal(d->cap, 0);
		last = d->pos + d->len;
	}
	end = rig_find(r, REC_CLOSE, RIG_SERVICE, 0);
	assert_non_null(end);
	assert_int_equal(end->sent_pos, FILE_BYTES);
	assert_true(last >= FILE_BYTES);
	assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->response_bytes, FILE_BYTES);
	rig_free(r);
}

#define BIG 100000

static void send_big(int fd)
{
	static char buf[BIG];

	for (size_t i = 0; i < BIG; i++)
		buf[i] = 'a' + i % 26;
	must(send(fd, buf, BIG, 0) == BIG);
	expect(fd, "ok");
}

static void take_big(int fd)
{
	static char buf[BIG];

	must(recv(fd, buf, BIG, MSG_WAITALL) == BIG);
	say(fd, "ok");
}

TEST(a_message_is_captured_up_to_its_budget_and_then_only_counted)
{
	for (size_t t = 0; t < ARRAY_SIZE(tiers); t++) {
		struct rig *r = rig_new(tiers[t]);
		static char text[BIG + 1];
		size_t n;

		rig_play(r, AF_INET, take_big, RIG_SERVICE, send_big, RIG_CLIENT);
		rig_collect(r);
		n = rig_stream(r, RIG_SERVICE, IO_RECV, text, sizeof(text));
		assert_int_equal(n, BIG);
		assert_int_equal(strcspn(text, "?"), REQUEST_BUDGET);
		for (size_t i = 0; i < REQUEST_BUDGET; i++)
			assert_int_equal(text[i], 'a' + i % 26);
		assert_int_equal(rig_stream(r, RIG_CLIENT, IO_SEND, text, sizeof(text)), BIG);
		assert_int_equal(strcspn(text, "?"), REQUEST_BUDGET);
		rig_free(r);
	}
}

/* ---- turns ----------------------------------------------------------------------------------------- */

#define EXCHANGES 1000

static void ask_often(int fd)
{
	for (int i = 0; i < EXCHANGES; i++) {
		say(fd, "question");
		expect(fd, "answer");
	}
}

static void answer_often(int fd)
{
	for (int i = 0; i < EXCHANGES; i++) {
		expect(fd, "question");
		say(fd, "answer");
	}
}

TEST(every_exchange_is_one_turn_and_without_payload_no_record)
{
	for (size_t t = 0; t < ARRAY_SIZE(tiers); t++) {
		struct rig *r = rig_new(tiers[t]);
		const struct turn_value *v;

		rig_mode(r, CAPTURE_TURNS);
		rig_play(r, AF_INET, answer_often, RIG_SERVICE, ask_often, RIG_CLIENT);
		rig_collect(r);
		assert_int_equal(r->n, 0);
		for (enum role role = ROLE_ACTIVE; role <= ROLE_PASSIVE; role++) {
			v = rig_turns(r, role == ROLE_PASSIVE ? RIG_SERVICE : RIG_CLIENT, role);
			assert_int_equal(v->count, EXCHANGES);
			assert_int_equal(v->repaired + histogram_count(v->first), EXCHANGES);
			assert_int_equal(v->repaired + histogram_count(v->last), EXCHANGES);
			assert_int_equal(v->request_bytes, EXCHANGES * 8);
			assert_int_equal(v->response_bytes, EXCHANGES * 6);
		}
		rig_free(r);
	}
}

TEST(the_turns_of_a_forgotten_service_are_read_and_then_deleted)
{
	struct rig *r = rig_new("socket");
	struct turn_key key;

	rig_play(r, AF_INET, answer_once, RIG_SERVICE, exchange_once, 0);
	capture_forget_service(r->capture, RIG_SERVICE);
	rig_collect(r);
	assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, 1);
	rig_collect(r);
	assert_int_equal(bpf_map__get_next_key(r->capture->skel->maps.turns, NULL, &key, sizeof(key)), -ENOENT);
	rig_mode(r, CAPTURE_HEADS);
	rig_play(r, AF_INET, answer_once, RIG_SERVICE, exchange_once, 0);
	rig_collect(r);
	rig_collect(r);
	assert_int_equal(bpf_map__get_next_key(r->capture->skel->maps.turns, NULL, &key, sizeof(key)), 0);
	assert_int_equal(r->n_turns, 2);
	rig_free(r);
}

/* ---- life ------------------------------------------------------------------------------------------ */

TEST(a_connection_is_announced_and_ends_with_its_final_positions)
{
	struct rig *r = rig_new("socket");
	const struct rec_conn *server, *client;
	const struct rec_close *end;

	rig_play(r, AF_INET, answer_once, RIG_SERVICE, exchange_once, RIG_CLIENT);
	rig_collect(r);
	server = rig_find(r, REC_OPEN, RIG_SERVICE, 0);
	client = rig_find(r, REC_OPEN, RIG_CLIENT, 0);
	assert_non_null(server);
	assert_non_null(client);
	assert_int_equal(server->role, ROLE_PASSIVE);
	assert_int_equal(server->local_port, 7001);
	assert_int_equal(server->peer_port, client->local_port);
	assert_int_equal(server->own_isn, client->peer_isn);
	assert_int_equal(server->peer_isn, client->own_isn);
	assert_true(server->established_ns > 0);
	assert_true(server->accept_wait_ns != ABSENT_NS);
	assert_true(client->accept_wait_ns == ABSENT_NS);
	assert_null(rig_find(r, REC_OPEN, RIG_SERVICE, 1));
	end = rig_find(r, REC_CLOSE, RIG_SERVICE, 0);
	assert_non_null(end);
	assert_int_equal(end->sent_pos, 6);
	assert_int_equal(end->recv_pos, 8);
	assert_int_equal(end->how, CLOSE_FIN);
	assert_non_null(rig_find(r, REC_CLOSE, RIG_CLIENT, 0));
	rig_free(r);
}

static void reset(int fd)
{
	struct linger now = { 1, 0 };

	answer_once(fd);
	must(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
}

TEST(a_reset_is_told_from_a_close)
{
	struct rig *r = rig_new("socket");
	const struct rec_close *end;

	rig_play(r, AF_INET, reset, RIG_SERVICE, exchange_once, 0);
	rig_collect(r);
	end = rig_find(r, REC_CLOSE, RIG_SERVICE, 0);
	assert_non_null(end);
	assert_int_equal(end->how, CLOSE_RESET);
	assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, 1);
	rig_free(r);
}

TEST(a_refused_connect_is_a_record_with_its_errno)
{
	struct sockaddr_in to = { AF_INET, htons(9), { htonl(INADDR_LOOPBACK) }, {} };
	struct rig *r = rig_new("socket");
	const struct rec_conn *failed;
	int go[2];
	pid_t pid = rig_fork(r, RIG_CLIENT, go);
	char byte;

	if (!pid) {
		must(read(go[0], &byte, 1) == 1);
		_exit(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof(to)) == 0);
	}
	must(write(go[1], "g", 1) == 1);
	rig_wait(pid);
	rig_collect(r);
	failed = rig_find(r, REC_CONNECT_FAILED, RIG_CLIENT, 0);
	assert_non_null(failed);
	assert_int_equal(failed->error, ECONNREFUSED);
	assert_int_equal(failed->peer_port, 9);
	assert_true(failed->established_ns && failed->established_ns <= failed->h.ts_ns);
	rig_free(r);
}

TEST(nothing_is_said_of_a_process_that_is_not_watched)
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
	struct rig *r = rig_new("socket");

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		rig_play(r, families[i], answer_once, 0, exchange_once, 0);
	rig_collect(r);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->n_turns, 0);
	rig_free(r);
}

static void answer_from_a_child(int fd)
{
	pid_t pid = fork();

	if (!pid) {
		answer_once(fd);
		_exit(0);
	}
	rig_wait(pid);
}

TEST(a_child_of_a_watched_process_is_watched_from_its_first_instruction)
{
	struct rig *r = rig_new("socket");
	char text[64];

	rig_play(r, AF_INET, answer_from_a_child, RIG_SERVICE, exchange_once, 0);
	rig_collect(r);
	rig_stream(r, RIG_SERVICE, IO_SEND, text, sizeof(text));
	assert_string_equal(text, "answer");
	rig_free(r);
}

#define LATE_NS (20 * NSEC_PER_MSEC)

/* Waits until the request is in the socket, then lets it lie there. */
static void answer_late(int fd)
{
	struct timespec late = { 0, LATE_NS };
	int queued = 0;

	while (queued < 8)
		must(!ioctl(fd, FIONREAD, &queued));
	nanosleep(&late, NULL);
	answer_once(fd);
}

TEST(the_time_that_bytes_waited_in_the_socket_is_known)
{
	struct rig *r = rig_new("socket");
	const struct rec_data *d;

	rig_play(r, AF_INET, answer_late, RIG_SERVICE, exchange_once, 0);
	rig_collect(r);
	d = rig_find(r, REC_DATA, RIG_SERVICE, 0);
	assert_non_null(d);
	assert_int_equal(d->dir, IO_RECV);
	assert_true(d->queue_ns >= LATE_NS && d->queue_ns < 100 * LATE_NS);
	rig_free(r);
}

/* ---- a worker that does not read --------------------------------------------------------------- */

static struct ring *full_ring;	/* shared with the processes of the play */

static void forget(void *ctx, const void *rec, size_t n)
{
	(void)ctx, (void)rec, (void)n;
}

static void fill(int fd)
{
	char buf[4000] = "";

	for (int i = 0; i < 1000; i++) {
		must(recv(fd, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf));
		say(fd, "more");
	}
}

static void pour(int fd)
{
	char buf[4000] = "";

	for (int i = 0; i < 1000; i++) {
		must(write(fd, buf, sizeof(buf)) == sizeof(buf));
		expect(fd, "more");
	}
}

static void answer_before_and_after(int fd)
{
	answer_once(fd);
	ring_drain(full_ring, SIZE_MAX, forget, NULL);
	answer_once(fd);
}

static void ask_twice(int fd)
{
	exchange_once(fd);
	exchange_once(fd);
}

TEST(lost_records_are_counted_and_a_connection_is_announced_when_there_is_room)
{
	struct rig *r = rig_new("socket");
	struct service_counters counted;
	uint32_t service = RIG_SERVICE;
	int fds[IPC_FD_COUNT];

	full_ring = r->ring;
	rig_play(r, AF_INET, fill, RIG_SERVICE, pour, 0);
	rig_play(r, AF_INET, answer_before_and_after, RIG_SERVICE, ask_twice, 0);
	rig_collect(r);
	capture_fds(r->capture, fds);
	must(!bpf_map_lookup_elem(fds[IPC_FD_COUNTERS], &service, &counted));
	assert_true(counted.dropped_records > 0);
	assert_int_equal(((struct rec_head *)r->rec[0])->kind, REC_OPEN);
	assert_int_equal(((struct rec_data *)r->rec[1])->pos, 8);
	assert_int_equal(rig_turns(r, RIG_SERVICE, ROLE_PASSIVE)->count, 1002);
	rig_free(r);
}

TEST(listeners_that_the_process_ring_cannot_take_are_counted)
{
	struct rig *r = rig_new("socket");
	struct service_counters counted;
	uint32_t nobody = NO_SERVICE;
	int fds[IPC_FD_COUNT];

	capture_fds(r->capture, fds);
	must(!bpf_map_lookup_elem(fds[IPC_FD_COUNTERS], &nobody, &counted));
	assert_int_equal(counted.dropped_records, 0);
	for (int i = 0; i < 3000; i++) {	/* nobody drains */
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		must(fd >= 0 && !listen(fd, 1));
		close(fd);
	}
	must(!bpf_map_lookup_elem(fds[IPC_FD_COUNTERS], &nobody, &counted));
	assert_true(counted.dropped_records > 0);
	rig_free(r);
}

RUN_TESTS
