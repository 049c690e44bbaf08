/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF programs on this kernel: connections that existed before the agent. */
#include "rig.h"

#define OLD_BYTES (5 << 20)

/* The play pauses before the last exchange, while the agent starts; the processes inherit both pipes. */
static struct {
	int paused[2], go_on[2];
} pause_pipes;

static void pause_play(void)
{
	char c;

	must(write(pause_pipes.paused[1], "p", 1) == 1 && read(pause_pipes.go_on[0], &c, 1) == 1);
}

static void pour_then_ask(int fd)
{
	static char bytes[1 << 16];

	for (size_t sent = 0; sent < OLD_BYTES; sent += sizeof(bytes))
		must(send(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	expect(fd, "taken");
	pause_play();
	exchange_once(fd);
}

static void take_then_answer(int fd)
{
	static char bytes[1 << 16];

	for (size_t got = 0; got < OLD_BYTES; got += sizeof(bytes))
		must(recv(fd, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes));
	say(fd, "taken");
	pause_play();
	answer_once(fd);
}

static void watch(struct rig *r, pid_t pid, uint32_t service)
{
	struct process_policy p = { .service = service };

	must(!capture_watch_process(r->capture, pid, &p));
}

/* The first record of the service's bytes in that direction. */
static const struct rec_data *first_bytes(const struct rig *r, uint32_t service, enum io_dir dir)
{
	const struct rec_data *d;

	for (size_t i = 0; (d = rig_find(r, REC_DATA, service, i)); i++)
		if (d->dir == dir)
			return d;
	return NULL;
}

static void check_end(const struct rig *r, uint32_t service, enum role role, uint64_t sent, uint64_t received)
{
	const struct rec_conn *c = rig_find(r, REC_OPEN, service, 0);
	const struct rec_data *d;
	const struct turn_value *turns = rig_turns(r, service, role);

	assert_non_null(c);
	assert_int_equal(c->old, 1);
	assert_int_equal(c->role, role);
	d = first_bytes(r, service, IO_SEND);
	assert_non_null(d);
	assert_int_equal(d->pos, sent);
	d = first_bytes(r, service, IO_RECV);
	assert_non_null(d);
	assert_int_equal(d->pos, received);
	assert_int_equal(turns->count, 1);
	assert_int_equal(turns->request_bytes, strlen("question"));
	assert_int_equal(turns->response_bytes, strlen("answer"));
}

static void check_old(const char *tier, int family)
{
	int server_go[2], client_go[2], ready[2];
	const struct rec_conn *server, *client;
	pid_t s, c;
	struct rig *r;
	char two[2];

	rig_namespace();
	must(!pipe(ready) && !pipe(pause_pipes.paused) && !pipe(pause_pipes.go_on));
	s = rig_fork(NULL, 0, server_go);
	if (!s) {
		play_server(family, take_then_answer, server_go[0], ready[1]);
		_exit(0);
	}
	c = rig_fork(NULL, 0, client_go);
	if (!c) {
		play_client(family, pour_then_ask, client_go[0]);
		_exit(0);
	}
	must(write(server_go[1], "g", 1) == 1 && read(ready[0], two, 1) == 1 && write(client_go[1], "g", 1) == 1);
	must(read(pause_pipes.paused[0], two, 1) == 1 && read(pause_pipes.paused[0], two, 1) == 1);
	r = rig_load(tier);
	watch(r, s, RIG_SERVICE);
	watch(r, c, RIG_CLIENT);
	must(!capture_scan_sockets(r->capture));
	must(write(pause_pipes.go_on[1], "gg", 2) == 2);
	rig_wait(c);
	rig_wait(s);
	rig_collect(r);
	check_end(r, RIG_SERVICE, ROLE_PASSIVE, strlen("taken"), OLD_BYTES);
	check_end(r, RIG_CLIENT, ROLE_ACTIVE, OLD_BYTES, strlen("taken"));
	server = rig_find(r, REC_OPEN, RIG_SERVICE, 0);
	client = rig_find(r, REC_OPEN, RIG_CLIENT, 0);
	assert_int_equal(server->own_isn, client->peer_isn);
	assert_int_equal(server->peer_isn, client->own_isn);
	rig_free(r);
}

TEST(an_older_connection_is_announced_as_such_with_its_true_positions)
{
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		check_old(tiers[i], AF_INET);
		check_old(tiers[i], AF_INET6);
	}
}

RUN_TESTS
