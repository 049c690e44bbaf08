/* SPDX-License-Identifier: Apache-2.0 */
/* export/exporter against tests/e2e/fake_otlp.py, one fault at a time, over both transports. The encoder is
 * ours here: 10 bytes a span, so that request sizes tell how many spans were in them. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "export/export.h"

#define SPAN_BYTES 10

int otlp_encode_spans(struct buf *out, struct span *const *spans __attribute__((unused)), size_t n,
		      struct resources *r __attribute__((unused)))
{
	for (size_t i = 0; i < n; i++)
		buf_add(out, "a span....", SPAN_BYTES);
	return 0;
}

struct receiver {
	pid_t pid;
	unsigned int http, grpc;
	char out[64], socket[64];
};

static struct receiver receiver_start(const char *faults)
{
	struct receiver r = { 0 };
	char command[512], line[128] = "";
	int fds[2];
	FILE *from;

	snprintf(r.out, sizeof(r.out), "/tmp/sonde-exporter-%d.jsonl", getpid());
	snprintf(r.socket, sizeof(r.socket), "/tmp/sonde-exporter-%d.sock", getpid());
	unlink(r.socket);
	snprintf(command, sizeof(command), "exec python3 tests/e2e/fake_otlp.py --bodies --out %s --unix %s %s",
		 r.out, r.socket, faults);
	assert_int_equal(pipe(fds), 0);
	r.pid = fork();
	if (r.pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(fds[1]);
	from = fdopen(fds[0], "r");
	assert_non_null(fgets(line, sizeof(line), from));
	fclose(from);
	assert_int_equal(sscanf(line, "READY http=%u grpc=%u", &r.http, &r.grpc), 2);
	return r;
}

static void receiver_stop(struct receiver *r)
{
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	unlink(r->out);
	unlink(r->socket);
}

/* Lines of the receiver's record that hold the text. */
static int recorded(const struct receiver *r, const char *text)
{
	FILE *f = fopen(r->out, "r");
	char *line = NULL;
	size_t size = 0;
	int n = 0;

	assert_non_null(f);
	while (getline(&line, &size, f) > 0)
		n += strstr(line, text) != NULL;
	free(line);
	fclose(f);
	return n;
}

static char url[128];

static struct export_options options_for(const struct receiver *r, enum otlp_protocol protocol)
{
	unsigned int port = protocol == OTLP_GRPC ? r->grpc : r->http;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, protocol == OTLP_GRPC ? "" : "/v1/traces");
	return (struct export_options){
		.targets[SIGNAL_TRACES] = { .enabled = true, .protocol = protocol, .url = url, .timeout_ms = 2000 },
		.queue_max = 100,
		.batch_max = 8,
		.schedule_delay_ms = 20,
		.export_timeout_ms = 5000,
		.bytes_max = 1 << 20,
	};
}

static struct exporter *exporter_with(const struct export_options *opt, int spans)
{
	struct exporter *e;
	struct span *sp;

	assert_int_equal(exporter_new(&e, opt, NULL), 0);
	for (int i = 0; i < spans; i++) {
		assert_int_equal(span_new(&sp), 0);
		exporter_span(e, sp);
	}
	return e;
}

static struct export_stats finish(struct exporter *e, uint32_t deadline_ms)
{
	struct export_stats s;

	exporter_stop(e, deadline_ms);
	exporter_stats(e, &s);
	exporter_free(e);
	return s;
}

/* 8 spans against these faults. */
static struct export_stats send_against(const char *faults, enum otlp_protocol protocol)
{
	struct receiver r = receiver_start(faults);
	struct export_options opt = options_for(&r, protocol);
	struct exporter *e = exporter_with(&opt, 8);
	struct export_stats s;

	for (int i = 0; i < 500; i++) {
		exporter_stats(e, &s);
		if (s.sent[0] + s.dropped_failed[0] + s.dropped_rejected[0] == 8)
			break;
		usleep(10000);
	}
	s = finish(e, 1000);
	receiver_stop(&r);
	return s;
}

/* What became of the 8 spans. */
static void expect(const char *faults, enum otlp_protocol protocol, unsigned int sent, unsigned int rejected,
		   unsigned int failed, const char *error)
{
	struct export_stats s = send_against(faults, protocol);

	if (s.sent[0] != sent || s.dropped_rejected[0] != rejected || s.dropped_failed[0] != failed ||
	    !strstr(s.last_error[0], error))
		fail_msg("%s: sent %lu, rejected %lu, failed %lu, \"%s\"", faults, s.sent[0], s.dropped_rejected[0],
			 s.dropped_failed[0], s.last_error[0]);
}

TEST(spans_arrive_over_both_transports)
{
	expect("ok", OTLP_HTTP_PROTOBUF, 8, 0, 0, "");
	expect("ok", OTLP_GRPC, 8, 0, 0, "");
}

TEST(partial_success_is_counted_whether_packed_or_not)
{
	expect("partial:3", OTLP_HTTP_PROTOBUF, 5, 3, 0, "some were bad");
	expect("partial:3", OTLP_GRPC, 5, 3, 0, "some were bad");
	expect("gzip", OTLP_HTTP_PROTOBUF, 7, 1, 0, "some were bad");
	expect("gzip", OTLP_GRPC, 7, 1, 0, "some were bad");
}

TEST(overload_is_tried_again)
{
	expect("503 ok", OTLP_HTTP_PROTOBUF, 8, 0, 0, "HTTP 503");
	expect("429:1 ok", OTLP_HTTP_PROTOBUF, 8, 0, 0, "HTTP 429");
	expect("503:date ok", OTLP_HTTP_PROTOBUF, 8, 0, 0, "HTTP 503");
	expect("grpc:14 ok", OTLP_GRPC, 8, 0, 0, "gRPC status 14 (UNAVAILABLE): not now");
	expect("grpc:8:1 ok", OTLP_GRPC, 8, 0, 0, "gRPC status 8 (RESOURCE_EXHAUSTED)");
	expect("502 ok", OTLP_GRPC, 8, 0, 0, "HTTP 502 instead of a gRPC answer");
}

TEST(final_refusals_are_not_tried_again)
{
	expect("400 ok", OTLP_HTTP_PROTOBUF, 0, 8, 0, "HTTP 400");
	expect("redirect ok", OTLP_HTTP_PROTOBUF, 0, 8, 0, "HTTP 302");
	expect("grpc:8 ok", OTLP_GRPC, 0, 8, 0, "RESOURCE_EXHAUSTED");
	expect("grpc:16 ok", OTLP_GRPC, 0, 8, 0, "UNAUTHENTICATED");
	expect("404 ok", OTLP_GRPC, 0, 8, 0, "HTTP 404 instead of a gRPC answer");
}

TEST(answers_that_are_not_otlp_are_no_success)
{
	expect("html ok", OTLP_HTTP_PROTOBUF, 0, 8, 0, "not OTLP (text/html)");
	expect("cut ok", OTLP_HTTP_PROTOBUF, 0, 8, 0, "not OTLP");
	expect("huge ok", OTLP_HTTP_PROTOBUF, 0, 8, 0, "not OTLP");
	expect("cut ok", OTLP_GRPC, 0, 8, 0, "not OTLP");
	expect("garbage ok", OTLP_HTTP_PROTOBUF, 0, 0, 8, "HTTP/0.9");
}

TEST(a_connection_that_breaks_is_tried_again)
{
	expect("close ok", OTLP_HTTP_PROTOBUF, 8, 0, 0, "");
	expect("close ok", OTLP_GRPC, 8, 0, 0, "");
}

TEST(too_large_batches_are_halved_until_they_fit)
{
	struct receiver r = receiver_start("limit:20");
	struct export_options opt = options_for(&r, OTLP_HTTP_PROTOBUF);
	struct export_stats s = finish(exporter_with(&opt, 8), 2000);

	assert_int_equal(s.sent[0], 8);
	assert_int_equal(s.requests[0], 1 + 2 + 4);
	receiver_stop(&r);
	expect("limit:5", OTLP_HTTP_PROTOBUF, 0, 8, 0, "HTTP 413");
}

TEST(gzip_and_headers_are_sent)
{
	struct receiver r = receiver_start("ok");
	struct export_options opt = options_for(&r, OTLP_HTTP_PROTOBUF);
	char *headers[] = { "x-tenant: a b", NULL };
	struct export_stats s;

	opt.targets[0].gzip = true;
	opt.targets[0].headers = headers;
	s = finish(exporter_with(&opt, 8), 2000);
	assert_int_equal(s.sent[0], 8);
	assert_int_equal(recorded(&r, "\"x-tenant\": \"a b\""), 1);
	assert_int_equal(recorded(&r, "\"content-encoding\": \"gzip\""), 1);
	assert_int_equal(recorded(&r, "\"bytes\": 80"), 1);
	receiver_stop(&r);
}

TEST(grpc_goes_through_a_unix_socket_compressed)
{
	struct receiver r = receiver_start("ok");
	struct export_options opt = options_for(&r, OTLP_GRPC);
	struct export_stats s;

	snprintf(url, sizeof(url), "unix:%s", r.socket);
	opt.targets[0].gzip = true;
	s = finish(exporter_with(&opt, 20), 2000);
	assert_int_equal(s.sent[0], 20);
	assert_int_equal(recorded(&r, "\"grpc\""), 3);
	receiver_stop(&r);
}

TEST(metric_requests_go_unchanged)
{
	struct receiver r = receiver_start("ok");
	struct export_options opt = options_for(&r, OTLP_HTTP_PROTOBUF);
	struct buf request = { .p = "abc", .n = 3 };
	struct export_stats s;
	struct exporter *e;

	opt.targets[SIGNAL_METRICS] = opt.targets[SIGNAL_TRACES];
	e = exporter_with(&opt, 0);
	exporter_metrics(e, &request, 5);
	s = finish(e, 2000);
	assert_int_equal(s.sent[SIGNAL_METRICS], 5);
	assert_int_equal(recorded(&r, "\"body\": \"616263\""), 1);
	receiver_stop(&r);
}

TEST(a_hanging_endpoint_does_not_hold_up_the_end)
{
	static const enum otlp_protocol protocols[] = { OTLP_HTTP_PROTOBUF, OTLP_GRPC };

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct receiver r = receiver_start("hang");
		struct export_options opt = options_for(&r, protocols[i]);
		struct exporter *e = exporter_with(&opt, 20);
		struct export_stats s;
		uint64_t start;

		usleep(200000);
		start = monotonic_ns();
		s = finish(e, 300);
		assert_in_range(monotonic_ns() - start, 250 * NSEC_PER_MSEC, 600 * NSEC_PER_MSEC);
		assert_int_equal(s.sent[0], 0);
		assert_int_equal(s.dropped_failed[0], 20);
		receiver_stop(&r);
	}
}

TEST(an_absent_endpoint_ends_at_once_and_loses_all)
{
	struct receiver none = { .http = 1, .grpc = 1 };
	struct export_options opt = options_for(&none, OTLP_HTTP_PROTOBUF);
	struct exporter *e = exporter_with(&opt, 300);
	uint64_t start = monotonic_ns();
	struct export_stats s = finish(e, 5000);

	assert_true(monotonic_ns() - start < NSEC_PER_SEC);
	assert_int_equal(s.sent[0], 0);
	assert_true(s.dropped_queue_full[0] > 0);
	assert_int_equal(s.dropped_queue_full[0] + s.dropped_failed[0], 300);
	assert_non_null(strstr(s.last_error[0], "onnect"));
}

TEST(the_caller_never_waits)
{
	struct receiver r = receiver_start("hang");
	struct export_options opt = options_for(&r, OTLP_HTTP_PROTOBUF);
	uint64_t start = monotonic_ns();
	struct exporter *e = exporter_with(&opt, 5000);
	struct export_stats s;

	assert_true(monotonic_ns() - start < NSEC_PER_SEC);
	exporter_stats(e, &s);
	assert_true(s.queued[0] <= 100);
	assert_true(s.queued_bytes[0] <= opt.bytes_max);
	exporter_free(e);
	receiver_stop(&r);
}

TEST(without_targets_spans_just_end)
{
	struct export_options opt = { 0 };
	struct export_stats s = finish(exporter_with(&opt, 3), 0);

	assert_int_equal(s.sent[0] + s.dropped_failed[0] + s.dropped_queue_full[0], 0);
}

/* A CA, a server certificate for 127.0.0.1 and a client certificate, in a directory of their own. */
static const char *certificates(void)
{
	static char dir[64];
	char command[1024];

	snprintf(dir, sizeof(dir), "/tmp/sonde-exporter-%d", getpid());
	snprintf(command, sizeof(command),
		 "set -e; mkdir -p %s; cd %s; exec 2>/dev/null\n"
		 "new='-newkey rsa:2048 -nodes'; by='-CA ca.crt -CAkey ca.key -days 1'\n"
		 "openssl req -x509 $new -keyout ca.key -out ca.crt -subj /CN=test -days 1 -addext keyUsage=keyCertSign\n"
		 "openssl req -x509 $new $by -keyout s.key -out s.crt -subj /CN=s"
		 " -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE\n"
		 "openssl req -x509 $new $by -keyout c.key -out c.crt -subj /CN=c -addext basicConstraints=CA:FALSE\n",
		 dir, dir);
	assert_int_equal(system(command), 0);
	return dir;
}

static void certificates_remove(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* 8 spans by https; with_ca and with_client say which files are configured. */
static struct export_stats send_tls(const char *dir, enum otlp_protocol protocol, bool with_ca, bool with_client)
{
	char faults[256], ca[80], crt[80], key[80];
	struct receiver r;
	struct export_options opt;
	struct export_stats s;

	snprintf(faults, sizeof(faults), "ok --tls %s/s.crt %s/s.key %s/ca.crt", dir, dir, dir);
	snprintf(ca, sizeof(ca), "%s/ca.crt", dir);
	snprintf(crt, sizeof(crt), "%s/c.crt", dir);
	snprintf(key, sizeof(key), "%s/c.key", dir);
	r = receiver_start(faults);
	opt = options_for(&r, protocol);
	memmove(url + 5, url + 4, strlen(url + 4) + 1);
	url[4] = 's';
	opt.targets[0].certificate = with_ca ? ca : NULL;
	opt.targets[0].client_certificate = with_client ? crt : NULL;
	opt.targets[0].client_key = with_client ? key : NULL;
	s = finish(exporter_with(&opt, 16), 2000);
	receiver_stop(&r);
	return s;
}

TEST(tls_checks_the_server_and_shows_the_client)
{
	static const enum otlp_protocol protocols[] = { OTLP_HTTP_PROTOBUF, OTLP_GRPC };
	const char *dir = certificates();
	struct export_stats s;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		s = send_tls(dir, protocols[i], true, true);
		if (s.sent[0] != 16)
			fail_msg("%s", s.last_error[0]);
		s = send_tls(dir, protocols[i], false, true);
		assert_int_equal(s.dropped_failed[0], 16);
		assert_non_null(strstr(s.last_error[0], "certificate"));
		assert_int_equal(s.retries[0], 0);
		s = send_tls(dir, protocols[i], true, false);
		assert_int_equal(s.sent[0], 0);
		assert_int_equal(s.dropped_failed[0], 16);
	}
	certificates_remove(dir);
}

int main(void)
{
	log_setup("test", LOG_ERROR);
	return _cmocka_run_group_tests(__FILE__, unit_tests, unit_tests_n, NULL, NULL);
}
