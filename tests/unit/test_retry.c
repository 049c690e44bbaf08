/* SPDX-License-Identifier: Apache-2.0 */
/* export/retry and export/answer: what an endpoint's answer means. */
#include "unit.h"

#include "export/answer.h"
#include "export/retry.h"

TEST(http_statuses_follow_the_otlp_table)
{
	static const struct {
		long status;
		enum send_verdict verdict;
	} rows[] = {
		{ 200, SEND_OK }, { 202, SEND_OK }, { 204, SEND_OK }, { 301, SEND_DROP }, { 400, SEND_DROP },
		{ 401, SEND_DROP }, { 404, SEND_DROP }, { 413, SEND_SPLIT }, { 429, SEND_RETRY },
		{ 500, SEND_DROP }, { 502, SEND_RETRY }, { 503, SEND_RETRY }, { 504, SEND_RETRY }, { 0, SEND_DROP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(retry_http_status(rows[i].status), rows[i].verdict);
}

TEST(grpc_statuses_follow_the_otlp_table)
{
	static const unsigned int again[] = { 1, 4, 10, 11, 14, 15 };
	unsigned int next = 0;

	for (unsigned int status = 1; status < 20; status++) {
		bool retry = next < ARRAY_SIZE(again) && again[next] == status;

		assert_int_equal(retry_grpc_status(status, false), retry ? SEND_RETRY : SEND_DROP);
		next += retry;
	}
	assert_int_equal(retry_grpc_status(0, false), SEND_OK);
	assert_int_equal(retry_grpc_status(8, true), SEND_RETRY);
	assert_string_equal(grpc_status_name(14), "UNAVAILABLE");
	assert_string_equal(grpc_status_name(17), "not a gRPC status");
}

TEST(retry_after_reads_seconds_and_dates)
{
	int64_t now = 1700000000;	/* Tue, 14 Nov 2023 22:13:20 GMT */
	uint32_t ms = 1;

	assert_true(retry_after_parse(STR(" 7 "), now, &ms));
	assert_int_equal(ms, 7000);
	assert_true(retry_after_parse(STR("Tue, 14 Nov 2023 22:13:50 GMT"), now, &ms));
	assert_int_equal(ms, 30000);
	assert_true(retry_after_parse(STR("Tue, 14 Nov 2023 22:00:00 GMT"), now, &ms));
	assert_int_equal(ms, 0);
	assert_true(retry_after_parse(STR("18446744073709551615"), now, &ms));
	assert_int_equal(ms, RETRY_AFTER_MAX_MS);
	assert_false(retry_after_parse(STR(""), now, &ms));
	assert_false(retry_after_parse(STR("soon"), now, &ms));
}

TEST(backoff_doubles_up_to_its_bound_and_jitters_below)
{
	static const uint32_t full[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };

	for (unsigned int attempt = 0; attempt < ARRAY_SIZE(full); attempt++)
		for (uint32_t random = 0; random < 100000; random += 997) {
			uint32_t ms = retry_backoff_ms(attempt, random);

			assert_true(ms <= full[attempt] && ms >= full[attempt] / 2);
		}
	assert_int_equal(retry_backoff_ms(4000000000u, 0), 30000);
}

TEST(partial_success_is_read)
{
	/* partial_success {rejected_spans: 300, error_message: "bad"}, then a field of tomorrow */
	struct str in = guarded("\x0a\x08\x08\xac\x02\x12\x03" "bad\x7d\0\0\0\0", 15), message;
	uint64_t rejected;

	assert_true(answer_partial(in, &rejected, &message));
	assert_int_equal(rejected, 300);
	assert_true(str_eq(message, STR("bad")));
	assert_true(answer_partial(guarded("", 0), &rejected, &message));
	assert_int_equal(rejected, 0);
}

TEST(negative_rejections_are_none)
{
	struct str message;
	uint64_t rejected;

	assert_true(answer_partial(guarded("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13), &rejected,
				   &message));
	assert_int_equal(rejected, 0);
}

TEST(cut_or_foreign_answers_are_refused)
{
	static const struct str bad[] = {
		{ "<html>", 6 }, { "{}", 2 }, { "\x0a", 1 }, { "\x0a\x05\x08", 3 }, { "\x0a\x02\x08\x80", 4 },
		{ "\x00\x00", 2 }, { "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11 },
	};
	struct str message;
	uint64_t rejected;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(answer_partial(guarded(bad[i].p, bad[i].n), &rejected, &message));
}

TEST(retry_info_is_found_among_the_details)
{
	/* Status {code: 8, message: "full", details: [Any{RetryInfo{retry_delay{seconds: 2, nanos: 500000000}}}]} */
	static const char base64[] =
		"CAgSBGZ1bGwaNgooZHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIAhCAyrXuAQ==";
	static const char wire[] = "\x08\x08\x12\x04" "full\x1a\x36\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
				   "\x12\x0a\x0a\x08\x08\x02\x10\x80\xca\xb5\xee\x01";
	struct str message;
	uint8_t out[128];
	uint32_t delay_ms;
	bool has_delay;

	assert_true(answer_status(guarded(wire, sizeof(wire) - 1), &message, &has_delay, &delay_ms));
	assert_true(has_delay);
	assert_int_equal(delay_ms, 2500);
	assert_true(str_eq(message, STR("full")));
	assert_int_equal(answer_base64(str_of(base64), out, sizeof(out)), sizeof(wire) - 1);
}

TEST(base64_of_a_header_is_bounded)
{
	uint8_t out[3];

	assert_int_equal(answer_base64(STR("Zm9v"), out, sizeof(out)), 3);
	assert_memory_equal(out, "foo", 3);
	assert_int_equal(answer_base64(STR("Zm8="), out, sizeof(out)), 2);
	assert_int_equal(answer_base64(STR("Zm8"), out, sizeof(out)), 2);
	assert_int_equal(answer_base64(STR("Zm9vYg"), out, sizeof(out)), -ENOSPC);
	assert_int_equal(answer_base64(STR("Z!=="), out, sizeof(out)), -EBADMSG);
}

RUN_TESTS
