/* SPDX-License-Identifier: Apache-2.0 */
/* proto/postgresql.c on recordings of real clients and on what they seldom do. */
#include "talk.h"

#include "proto/list.h"
#include "proto/postgresql_statements.h"

#define FIXTURES "tests/fixtures/postgresql/"
#define STARTUP "\0\0\0\x20\0\x03\0\0user\0joe\0database\0shop\0\0"
#define READY "Z\0\0\0\x05I"
#define SYNC "S\0\0\0\x04"

static struct talk *talk_recorded(const char *name, size_t chunk)
{
	struct talk *t = talk_new(&proto_postgresql);
	char path[64];

	snprintf(path, sizeof(path), FIXTURES "%s.txt", name);
	talk_fixture(t, path, chunk);
	assert_int_equal(t->failures + t->unmatched, 0);
	return t;
}

static void assert_span(const struct talk *t, size_t i, const char *name, const char *text)
{
	assert_string_equal(talk_name(t, i), name);
	assert_string_equal(talk_attr(t, i, "db.query.text"), text);
}

static void assert_nowhere(const struct talk *t, const char *secret)
{
	for (size_t i = 0; i < t->n_spans; i++)
		for (uint32_t j = 0; j < t->spans[i]->n_attrs; j++) {
			const struct attr *a = &t->spans[i]->attrs[j];

			if (a->type == ATTR_STR && a->s.n)
				assert_null(memmem(a->s.p, a->s.n, secret, strlen(secret)));
		}
}

TEST(the_extended_protocol_gives_one_exchange_per_sync)
{
	struct talk *t = talk_recorded("extended", 0);

	assert_int_equal(t->n_spans, 5);
	assert_span(t, 0, "BEGIN", "BEGIN");
	assert_span(t, 1, "SELECT users", "SELECT id, name FROM users WHERE id = $1 AND name <> $2");
	assert_string_equal(talk_attr(t, 1, "db.system.name"), "postgresql");
	assert_string_equal(talk_attr(t, 1, "db.namespace"), "shop");
	assert_string_equal(talk_attr(t, 1, "db.operation.name"), "SELECT");
	assert_string_equal(talk_attr(t, 1, "db.collection.name"), "users");
	assert_string_equal(talk_attr(t, 1, "db.response.returned_rows"), "1");
	assert_string_equal(talk_attr(t, 1, "server.port"), "5555");
	assert_int_equal(t->spans[1]->kind, SPAN_CLIENT);
	assert_int_equal(t->spans[1]->instrument, INSTRUMENT_DB_CLIENT);
	assert_span(t, 2, "INSERT orders", "INSERT INTO orders (user_id, note) VALUES ($1, $2) RETURNING id");
	assert_string_equal(talk_attr(t, 2, "db.response.returned_rows"), "1");
	assert_span(t, 3, "UPDATE orders", "UPDATE orders SET note = $1");
	assert_string_equal(talk_attr(t, 3, "db.response.returned_rows"), "");
	assert_span(t, 4, "COMMIT", "COMMIT");
	assert_nowhere(t, "secret");
	talk_free(t);
}

TEST(prepared_statements_get_their_text_back)
{
	struct talk *t = talk_recorded("prepared", 0);

	assert_int_equal(t->n_spans, 5);
	assert_span(t, 0, "PREPARE SELECT users", "SELECT name FROM users WHERE id = $1");
	for (size_t i = 1; i < 5; i++)
		assert_span(t, i, "SELECT users", "SELECT name FROM users WHERE id = $1");
	talk_free(t);
}

TEST(a_pipeline_is_a_batch_per_sync)
{
	struct talk *t = talk_recorded("pipeline", 0);
	bool batch = false;

	for (size_t i = 0; i < t->n_spans; i++)
		batch |= strncmp(talk_name(t, i), "BATCH", 5) == 0 && atoi(talk_attr(t, i, "db.operation.batch.size")) > 1;
	assert_true(batch);
	assert_int_equal(t->n_waiting, t->answered);
	talk_free(t);
}

TEST(errors_tell_their_sqlstate_and_no_message)
{
	struct talk *t = talk_recorded("errors", 0);

	assert_int_equal(t->n_spans, 4);
	assert_string_equal(talk_attr(t, 0, "error.type"), "42P01");
	assert_string_equal(talk_attr(t, 0, "db.response.status_code"), "42P01");
	assert_int_equal(t->spans[0]->status, STATUS_ERROR);
	assert_int_equal(t->spans[0]->status_message.n, 0);
	assert_string_equal(talk_attr(t, 1, "error.type"), "22012");
	assert_span(t, 2, "INSERT users", "INSERT INTO users (id, name) VALUES (?, ?)");
	assert_string_equal(talk_attr(t, 2, "error.type"), "23505");
	assert_string_equal(talk_attr(t, 3, "error.type"), "");
	assert_nowhere(t, "secret");
	talk_free(t);
}

TEST(copied_data_is_skipped)
{
	struct talk *t = talk_recorded("copy", 0);

	assert_int_equal(t->n_spans, 3);
	assert_span(t, 0, "COPY orders", "COPY orders (note) FROM STDIN");
	assert_span(t, 1, "COPY orders", "COPY orders TO STDOUT");
	assert_span(t, 2, "SELECT orders", "SELECT count(*) FROM orders");
	assert_nowhere(t, "secret");
	talk_free(t);
}

TEST(messages_larger_than_what_was_captured_are_skipped)
{
	struct talk *t = talk_recorded("big", 0);

	assert_int_equal(t->n_spans, 3);
	assert_span(t, 1, "SELECT", "SELECT length($1)");
	assert_span(t, 2, "SELECT", "SELECT ?");
	talk_free(t);
}

TEST(several_statements_of_a_query_are_one_exchange)
{
	struct talk *t = talk_recorded("psql", 0);

	assert_span(t, 0, "SELECT", "SELECT ?;");
	assert_span(t, 2, "BEGIN SELECT users COMMIT", "BEGIN; SELECT name FROM users WHERE id IN (?); COMMIT;");
	assert_span(t, 3, "DROP TABLE nothing", "DROP TABLE IF EXISTS nothing;");
	assert_string_equal(talk_attr(t, 3, "error.type"), "");
	assert_nowhere(t, "secret");
	assert_int_equal(t->n_waiting, t->answered);
	talk_free(t);
}

TEST(a_refused_connection_is_a_failed_call)
{
	struct talk *t = talk_recorded("refused", 0);

	assert_int_equal(t->n_spans, 2);
	assert_span(t, 0, "missing", "");
	assert_string_equal(talk_attr(t, 0, "error.type"), "28P01");
	assert_string_equal(talk_attr(t, 1, "error.type"), "3D000");
	assert_nowhere(t, "secret");
	talk_free(t);
}

TEST(any_segmentation_reads_the_same)
{
	static const char *const names[] = { "extended", "prepared", "pipeline", "errors", "psql", "refused" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct talk *whole = talk_recorded(names[i], 0);

		for (size_t chunk = 1; chunk < 60; chunk += 9) {
			struct talk *t = talk_recorded(names[i], chunk);

			assert_int_equal(t->n_spans, whole->n_spans);
			for (size_t j = 0; j < t->n_spans; j++) {
				assert_string_equal(talk_name(t, j), talk_name(whole, j));
				assert_string_equal(talk_attr(t, j, "db.query.text"), talk_attr(whole, j, "db.query.text"));
			}
			talk_free(t);
		}
		talk_free(whole);
	}
}

TEST(encryption_is_handed_on)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_request(t, "\0\0\0\x08\x04\xd2\x16\x30");
	talk_response(t, "N");
	assert_false(t->handoff);
	talk_request(t, "\0\0\0\x08\x04\xd2\x16\x2f");
	talk_response(t, "S");
	assert_true(t->handoff);
	assert_int_equal(t->n_waiting + t->failures, 0);
	talk_free(t);
}

TEST(a_cancel_request_waits_for_no_answer)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_request(t, "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02");
	assert_int_equal(t->oneways, 1);
	assert_int_equal(t->n_spans, 0);
	talk_free(t);
}

TEST(joining_in_the_middle_shows_no_text_of_what_was_prepared_before)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_request(t, "B\0\0\0\x0e\0s1\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0" SYNC);
	talk_response(t, "2\0\0\0\x04" "C\0\0\0\x0dSELECT 1\0" READY);
	assert_int_equal(t->n_spans, 1);
	assert_span(t, 0, "postgresql", "");
	assert_string_equal(talk_attr(t, 0, "db.namespace"), "");
	talk_free(t);
}

TEST(a_driver_that_puts_begin_before_its_statement_makes_no_batch)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_request(t, "P\0\0\0\x0d\0BEGIN\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0"
			"P\0\0\0\x15\0SELECT 1 + $1\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0" SYNC);
	talk_response(t, "1\0\0\0\x04" READY);
	assert_int_equal(t->failures, 0);
	assert_span(t, 0, "SELECT", "BEGIN; SELECT ? + $1");
	assert_string_equal(talk_attr(t, 0, "db.operation.batch.size"), "");
	talk_free(t);
}

TEST(a_sync_behind_copied_data_is_no_request)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_request(t, "P\0\0\0\x19\0COPY t FROM STDIN\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0" SYNC);
	talk_response(t, "1\0\0\0\x04" "2\0\0\0\x04" "G\0\0\0\x07\0\0\0");
	talk_request(t, "d\0\0\0\x06" "1\n" "c\0\0\0\x04" SYNC);
	talk_response(t, "C\0\0\0\x0b" "COPY 1\0" READY);
	assert_int_equal(t->n_waiting, 1);
	assert_span(t, 0, "COPY t", "COPY t FROM STDIN");
	talk_free(t);
}

TEST(what_is_sent_unasked_is_no_answer)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_response(t, "A\0\0\0\x0f\0\0\0\x01news\0x\0" "N\0\0\0\x06S\0" "S\0\0\0\x08" "a\0b\0");
	assert_int_equal(t->unmatched + t->failures, 0);
	talk_free(t);
}

TEST(a_cut_request_and_a_cut_response_end_with_their_turns)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_request(t, "P\0\0\0\x15\0SELECT a FROM\0\0\0B\0\0\x10\0\0\0\0\0\0\x01\0\0\x0f");
	talk_cut(t, DIR_REQUEST);
	talk_response(t, "T\0\0\0\x08\0\0\0\0D\0\0\x10\0");
	talk_cut(t, DIR_RESPONSE);
	assert_int_equal(t->n_spans, 1);
	assert_string_equal(talk_attr(t, 0, "db.query.text"), "SELECT a FROM");
	assert_string_equal(talk_attr(t, 0, "db.response.returned_rows"), "");
	talk_request(t, "Q\0\0\0\x0dSELECT 1\0");
	talk_response(t, READY);
	assert_int_equal(t->n_spans, 2);
	talk_free(t);
}

TEST(a_lone_sync_is_answered_and_not_told)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_request(t, SYNC);
	talk_response(t, READY);
	assert_int_equal(t->answered, 1);
	assert_int_equal(t->n_spans, 0);
	talk_free(t);
}

TEST(the_servers_side_is_a_server_span_without_client_metrics)
{
	struct talk *t = talk_new(&proto_postgresql);

	t->facts.role = ROLE_PASSIVE;
	talk_request(t, "Q\0\0\0\x0dSELECT 1\0");
	talk_response(t, READY);
	assert_int_equal(t->spans[0]->kind, SPAN_SERVER);
	assert_int_equal(t->spans[0]->instrument, INSTRUMENT_NONE);
	talk_free(t);
}

TEST(backslashes_escape_when_the_server_says_so)
{
	struct talk *t = talk_new(&proto_postgresql);

	talk_response(t, "S\0\0\0\x24standard_conforming_strings\0off\0");
	talk_request(t, "Q\0\0\0\x19SELECT 'it\\'s secret'\0");
	talk_response(t, READY);
	assert_span(t, 0, "SELECT", "SELECT ?");
	talk_free(t);
}

TEST(statements_are_remembered_within_bounds)
{
	struct pg_statements p = { 0 };
	char name[16], text[PG_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_true(pg_prepare(&p, str_of(name), (struct str){ text, (size_t)(i * 7) % sizeof(text) }) > 0);
		assert_true(p.bytes <= PG_STATEMENTS_BYTES);
	}
	assert_true(pg_bind(&p, STR(""), STR("s999")) > 0);
	assert_int_equal(pg_portal_text(&p, STR("")).n, 999 * 7 % sizeof(text));
	pg_prepare(&p, STR("s999"), STR("SELECT 1"));
	assert_int_equal(pg_portal_text(&p, STR("")).n, 0);
	assert_int_equal(pg_bind(&p, STR(""), STR("s0")), 0);
	pg_statements_release(&p);
}

TEST(postgresql_is_recognised_by_its_content)
{
	assert_int_equal(proto_postgresql.sniff(STR(STARTUP), DIR_REQUEST), 95);
	assert_true(proto_postgresql.sniff(STR("Q\0\0\0\x0dSELECT 1\0"), DIR_REQUEST) > 50);
	assert_true(proto_postgresql.sniff(STR("B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0" SYNC), DIR_REQUEST) > 50);
	assert_int_equal(proto_postgresql.sniff(STR("POST / HTTP/1.1\r\n"), DIR_REQUEST), 0);
	assert_int_equal(proto_postgresql.sniff(STR("*1\r\n$4\r\nPING\r\n"), DIR_REQUEST), 0);
	assert_int_equal(proto_postgresql.sniff(STR("HTTP/1.1 200 OK\r\n"), DIR_RESPONSE), 0);
	assert_int_equal(proto_postgresql.sniff(STR("2\0\0\0\x04" "C\0\0\0\x0dSELECT 1\0" READY), DIR_RESPONSE), 95);
	assert_int_equal(proto_postgresql.sniff(STR("Q\0"), DIR_REQUEST), -EAGAIN);
}

RUN_TESTS
