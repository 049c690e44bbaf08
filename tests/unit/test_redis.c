/* SPDX-License-Identifier: Apache-2.0 */
/* proto/redis.c on recordings of real clients and on what they seldom do. */
#include "talk.h"

#include "proto/list.h"

#define FIXTURES "tests/fixtures/redis/"

static void assert_text(const struct talk *t, size_t i, const char *text)
{
	assert_string_equal(talk_attr(t, i, "db.query.text"), text);
}

/* No attribute of any span holds it. */
static void assert_nowhere(const struct talk *t, const char *secret)
{
	for (size_t i = 0; i < t->n_spans; i++)
		for (uint32_t j = 0; j < t->spans[i]->n_attrs; j++) {
			const struct attr *a = &t->spans[i]->attrs[j];

			if (a->type == ATTR_STR && a->s.n)
				assert_null(memmem(a->s.p, a->s.n, secret, strlen(secret)));
		}
}

TEST(commands_show_their_keys_and_no_values)
{
	struct talk *t = talk_new(&proto_redis);
	size_t i = 0;

	talk_fixture(t, FIXTURES "resp2.txt", 0);
	assert_int_equal(t->unmatched + t->failures, 0);
	assert_nowhere(t, "secret");
	while (strcmp(talk_name(t, i), "SELECT") != 0)
		i++;
	assert_text(t, i, "SELECT ?");
	assert_text(t, i + 1, "SET user:1 ? ? ?");
	assert_string_equal(talk_attr(t, i + 1, "db.namespace"), "3");
	assert_string_equal(talk_attr(t, i + 1, "db.operation.name"), "SET");
	assert_string_equal(talk_attr(t, i + 1, "db.system.name"), "redis");
	assert_string_equal(talk_attr(t, i + 1, "server.address"), "10.0.0.1");
	assert_text(t, i + 2, "GET user:1");
	assert_text(t, i + 3, "HSET hash ? ?");
	assert_text(t, i + 4, "MGET user:1 missing");
	assert_text(t, i + 5, "LPUSH user:1 ?");
	assert_string_equal(talk_attr(t, i + 5, "error.type"), "WRONGTYPE");
	assert_string_equal(talk_attr(t, i + 5, "db.response.status_code"), "WRONGTYPE");
	assert_int_equal(t->spans[i + 5]->status, STATUS_ERROR);
	assert_string_equal(talk_name(t, i + 6), "MULTI");
	assert_string_equal(talk_name(t, i + 9), "EXEC");
	assert_text(t, i + 10, "EVAL ? ? user:1 ?");
	assert_string_equal(talk_name(t, i + 11), "CONFIG GET");
	assert_text(t, i + 11, "CONFIG GET ?");
	talk_free(t);
}

TEST(resp3_replies_of_every_type_are_read)
{
	struct talk *t = talk_new(&proto_redis);

	talk_fixture(t, FIXTURES "resp3.txt", 0);
	assert_int_equal(t->unmatched + t->failures, 0);
	assert_int_equal(t->n_waiting, t->answered);
	assert_text(t, 0, "HELLO ?");
	assert_text(t, t->n_spans - 1, "XREAD ? stream ?");
	talk_free(t);
}

TEST(any_segmentation_reads_the_same)
{
	static const char *const files[] = { "resp2", "resp3", "pipeline", "pubsub", "big", "inline", "cli" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[64];
		struct talk *whole = talk_new(&proto_redis);

		snprintf(path, sizeof(path), FIXTURES "%s.txt", files[i]);
		talk_fixture(whole, path, 0);
		for (size_t chunk = 1; chunk < 40; chunk += 6) {
			struct talk *t = talk_new(&proto_redis);

			talk_fixture(t, path, chunk);
			assert_int_equal(t->n_spans, whole->n_spans);
			assert_int_equal(t->unmatched, whole->unmatched);
			for (size_t j = 0; j < t->n_spans; j++)
				assert_string_equal(talk_attr(t, j, "db.query.text"), talk_attr(whole, j, "db.query.text"));
			talk_free(t);
		}
		talk_free(whole);
	}
}

TEST(pipelined_commands_are_exchanges_of_their_own)
{
	struct talk *t = talk_new(&proto_redis);

	talk_fixture(t, FIXTURES "pipeline.txt", 0);
	assert_true(t->n_spans >= 40);
	assert_int_equal(t->n_waiting, t->answered);
	assert_text(t, t->n_spans - 2, "SET key:19 ?");
	assert_text(t, t->n_spans - 1, "GET key:19");
	talk_free(t);
}

TEST(messages_of_a_subscription_are_no_answers)
{
	struct talk *t = talk_new(&proto_redis);

	talk_fixture(t, FIXTURES "pubsub.txt", 0);
	assert_int_equal(t->unmatched + t->failures, 0);
	assert_int_equal(t->n_waiting, t->answered);
	assert_nowhere(t, "secret");
	assert_text(t, t->n_spans - 1, "UNSUBSCRIBE ?");
	talk_free(t);
}

TEST(monitor_lines_are_no_answers)
{
	struct talk *t = talk_new(&proto_redis);

	talk_request(t, "*1\r\n$7\r\nMONITOR\r\n");
	talk_response(t, "+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"get\" \"x\"\r\n+1339518083.107413 ");
	talk_response(t, "[0 127.0.0.1:60866] \"get\" \"x\"\r\n");
	assert_int_equal(t->n_spans, 1);
	assert_int_equal(t->unmatched, 0);
	talk_free(t);
}

TEST(large_strings_are_skipped_by_their_length)
{
	struct talk *t = talk_new(&proto_redis);

	talk_fixture(t, FIXTURES "big.txt", 0);
	assert_int_equal(t->unmatched + t->failures, 0);
	assert_text(t, t->n_spans - 3, "SET big ?");
	assert_text(t, t->n_spans - 2, "GET big");
	assert_text(t, t->n_spans - 1, "GET small");
	talk_free(t);
}

TEST(inline_commands_count_their_quoted_words_once)
{
	struct talk *t = talk_new(&proto_redis);

	talk_fixture(t, FIXTURES "inline.txt", 0);
	assert_int_equal(t->n_spans, 5);
	assert_text(t, 0, "PING");
	assert_text(t, 1, "SET inline ?");
	assert_string_equal(talk_attr(t, 3, "error.type"), "ERR");
	talk_request(t, "MSET a \"x y z\" b 'p q'\r\n");
	talk_response(t, "+OK\r\n");
	assert_text(t, 5, "MSET a ? b ?");
	talk_free(t);
}

TEST(secrets_of_authentication_are_not_kept)
{
	struct talk *t = talk_new(&proto_redis);

	talk_request(t, "*5\r\n$5\r\nhello\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$4\r\njoey\r\n$6\r\nsecret\r\n");
	talk_response(t, "-WRONGPASS invalid username-password pair\r\n");
	talk_request(t, "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
	assert_text(t, 0, "HELLO ? ? ? ?");
	assert_string_equal(talk_attr(t, 0, "error.type"), "WRONGPASS");
	assert_null(memmem(t->state, proto_redis.state_size, "secret", 6));
	talk_free(t);
}

TEST(a_select_that_failed_changes_no_namespace)
{
	struct talk *t = talk_new(&proto_redis);

	talk_request(t, "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
	talk_response(t, "+OK\r\n$-1\r\n");
	talk_request(t, "*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n");
	talk_response(t, "-ERR DB index is out of range\r\n");
	talk_request(t, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
	talk_response(t, "_\r\n");
	assert_string_equal(talk_attr(t, 0, "db.namespace"), "");
	assert_string_equal(talk_attr(t, 1, "db.namespace"), "2");
	assert_string_equal(talk_attr(t, 3, "db.namespace"), "2");
	talk_free(t);
}

TEST(streamed_and_nested_replies_end_where_they_end)
{
	struct talk *t = talk_new(&proto_redis);

	talk_request(t, "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
	talk_response(t, "*?\r\n:1\r\n*?\r\n.\r\n$?\r\n;4\r\nabcd\r\n;0\r\n.\r\n");
	assert_int_equal(t->n_spans, 1);
	talk_response(t, "*2\r\n%1\r\n+a\r\n~2\r\n,1.5\r\n#t\r\n|1\r\n+k\r\n+v\r\n(123\r\n");
	assert_int_equal(t->n_spans, 2);
	talk_response(t, "!10\r\nSYNTAX err\r\n=7\r\ntxt:abc\r\n");
	assert_int_equal(t->n_spans, 4);
	assert_string_equal(talk_attr(t, 2, "error.type"), "SYNTAX");
	assert_string_equal(talk_attr(t, 3, "error.type"), "");
	talk_free(t);
}

TEST(commands_that_are_not_answered_wait_for_nothing)
{
	struct talk *t = talk_new(&proto_redis);

	talk_request(t, "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
	assert_int_equal(t->oneways, 2);
	assert_int_equal(t->n_waiting, 1);
	talk_request(t, "*1\r\n$5\r\nPSYNC\r\n");
	assert_true(t->handoff);
	talk_free(t);
}

TEST(what_was_not_captured_is_left_out)
{
	struct talk *t = talk_new(&proto_redis);

	talk_request(t, "*4\r\n$4\r\nMSET\r\n$1\r\na\r\n$100\r\nxxx");
	talk_cut(t, DIR_REQUEST);
	talk_response(t, "*2\r\n$5\r\nhel");
	talk_cut(t, DIR_RESPONSE);
	assert_int_equal(t->n_spans, 1);
	assert_string_equal(talk_name(t, 0), "MSET");
	assert_text(t, 0, "MSET a ?");
	talk_request(t, "*1\r\n$4\r\nPING\r\n");
	talk_response(t, "+PONG\r\n");
	assert_int_equal(t->n_spans, 2);
	talk_free(t);
}

TEST(keys_are_bounded_and_quoted)
{
	struct talk *t = talk_new(&proto_redis);
	char request[256];
	int n = snprintf(request, sizeof(request), "*2\r\n$3\r\nGET\r\n$100\r\n%0100d\r\n", 7);

	talk_bytes(t, DIR_REQUEST, request, (size_t)n);
	talk_request(t, "*2\r\n$3\r\nGET\r\n$3\r\na\x01\"\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
	talk_response(t, "_\r\n_\r\n_\r\n");
	assert_int_equal(strlen(talk_attr(t, 0, "db.query.text")), 4 + 64 + 3);
	assert_text(t, 1, "GET \"a\\x01\\\"\"");
	assert_text(t, 2, "GET \"\"");
	talk_free(t);
}

TEST(what_is_no_command_name_is_not_shown)
{
	struct talk *t = talk_new(&proto_redis);

	talk_request(t, "*2\r\n$9\r\nmy secret\r\n$1\r\na\r\n*2\r\n$8\r\njson.set\r\n$1\r\na\r\n");
	talk_response(t, "-ERR unknown command\r\n+OK\r\n");
	assert_string_equal(talk_name(t, 0), "redis");
	assert_text(t, 0, "");
	assert_text(t, 1, "JSON.SET ?");
	talk_free(t);
}

TEST(redis_is_recognised_by_its_content)
{
	assert_int_equal(proto_redis.sniff(STR("*2\r\n$3\r\nget\r\n$1\r\na\r\n"), DIR_REQUEST), 95);
	assert_int_equal(proto_redis.sniff(STR("*2\r\n$3\r"), DIR_REQUEST), -EAGAIN);
	assert_int_equal(proto_redis.sniff(STR("GET / HTTP/1.1\r\n"), DIR_REQUEST), 0);
	assert_int_equal(proto_redis.sniff(STR("HTTP/1.1 200 OK\r\n"), DIR_RESPONSE), 0);
	assert_true(proto_redis.sniff(STR("*1\r\n$5\r\nhello\r\n"), DIR_RESPONSE) > 50);
	assert_true(proto_redis.sniff(STR("$5000\r\nhello"), DIR_RESPONSE) > 50);
	assert_int_equal(proto_redis.sniff(STR("Q\0\0\0\x0dSELECT 1\0"), DIR_REQUEST), 0);
}

TEST(known_commands_are_found)
{
	static const char *const names[] = { "ACL CAT", "GET", "CLIENT SETINFO", "HSETEX", "CONFIG GET", "XREAD", "ZUNIONSTORE" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct talk *t = talk_new(&proto_redis);
		char line[64];

		snprintf(line, sizeof(line), "%s\r\n", names[i]);
		talk_bytes(t, DIR_REQUEST, line, strlen(line));
		talk_response(t, "+OK\r\n");
		assert_string_equal(talk_attr(t, 0, "db.operation.name"), names[i]);
		talk_free(t);
	}
}

RUN_TESTS
