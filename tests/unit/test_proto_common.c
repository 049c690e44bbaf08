/* SPDX-License-Identifier: Apache-2.0 */
/* proto/common.c: the ends of a connection and of an exchange. */
#include "unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "proto/common.h"

static void assert_text(const struct span *sp, const char *key, const char *expected)
{
	const struct attr *a = span_attr(sp, key);

	if (!expected)
		assert_null(a);
	else if (!a || !str_eq(a->s, str_of(expected)))
		fail_msg("%s is not %s", key, expected);
}

TEST(addresses_are_written_as_people_do)
{
	static const struct {
		int family;
		const char *in, *out;
	} t[] = {
		{ AF_INET, "0.0.0.0", "0.0.0.0" },
		{ AF_INET, "255.10.99.100", "255.10.99.100" },
		{ AF_INET6, "2001:db8:0:0::1", "2001:db8::1" },
		{ AF_INET6, "::ffff:192.0.2.7", "192.0.2.7" },
		{ AF_INET6, "::1", "::1" },
	};
	struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint8_t addr[16] = { 0 };

		assert_int_equal(inet_pton(t[i].family, t[i].in, addr), 1);
		assert_string_equal(proto_address(&a, (uint8_t)t[i].family, addr, "").p, t[i].out);
	}
	assert_string_equal(proto_address(&a, AF_UNIX, NULL, "/run/x").p, "/run/x");
	assert_int_equal(proto_address(&a, AF_PACKET, NULL, "").n, 0);
	arena_release(&a);
}

TEST(a_role_that_is_not_known_is_not_guessed)
{
	struct conn_facts f = { .role = ROLE_UNKNOWN };
	struct exchange x = { .facts = &f };
	struct span sp = { 0 };

	assert_int_equal(proto_describe_kind(&x, &sp), -ENOENT);
	f.role = ROLE_ACTIVE;
	assert_int_equal(proto_describe_kind(&x, &sp), 0);
	assert_int_equal(sp.kind, SPAN_CLIENT);
}

TEST(a_client_sees_the_server_as_its_peer)
{
	struct conn_facts f = { .family = AF_INET, .local_port = 40000, .peer_port = 5432,
				.local_addr = { 10, 0, 0, 1 }, .peer_addr = { 10, 0, 0, 2 } };
	struct exchange x = { .facts = &f };
	_cleanup_(span_freep) struct span *sp = NULL;

	assert_int_equal(span_new(&sp), 0);
	sp->kind = SPAN_CLIENT;
	proto_describe_server(&x, sp, (struct str){ 0 }, 0);
	proto_describe_network(&x, sp, (struct str){ 0 });
	assert_text(sp, ATTR_SERVER_ADDRESS, "10.0.0.2");
	assert_true(span_attr(sp, ATTR_SERVER_ADDRESS)->dimension);
	assert_int_equal(span_attr(sp, ATTR_SERVER_PORT)->i, 5432);
	assert_text(sp, ATTR_NETWORK_PEER_ADDRESS, "10.0.0.2");
	assert_text(sp, ATTR_CLIENT_ADDRESS, NULL);
	assert_text(sp, ATTR_NETWORK_TRANSPORT, NULL);
}

TEST(a_unix_server_does_not_know_its_client)
{
	struct conn_facts f = { .family = AF_UNIX, .transport = TRANSPORT_UNIX, .path = "/run/pg" };
	struct exchange x = { .facts = &f };
	_cleanup_(span_freep) struct span *sp = NULL;

	assert_int_equal(span_new(&sp), 0);
	sp->kind = SPAN_SERVER;
	proto_describe_server(&x, sp, (struct str){ 0 }, 0);
	proto_describe_network(&x, sp, (struct str){ 0 });
	assert_text(sp, ATTR_SERVER_ADDRESS, "/run/pg");
	assert_text(sp, ATTR_NETWORK_PEER_ADDRESS, NULL);
	assert_text(sp, ATTR_CLIENT_ADDRESS, NULL);
	assert_text(sp, ATTR_NETWORK_TRANSPORT, "unix");
}

TEST(an_error_type_that_is_there_stays)
{
	struct exchange x = { .end = END_RESET };
	_cleanup_(span_freep) struct span *sp = NULL;

	assert_int_equal(span_new(&sp), 0);
	span_str(sp, ATTR_ERROR_TYPE, STR("503"), true);
	proto_describe_end(&x, sp);
	assert_text(sp, ATTR_ERROR_TYPE, "503");
	assert_int_equal(sp->n_attrs, 1);
}

RUN_TESTS
