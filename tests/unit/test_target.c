/* SPDX-License-Identifier: Apache-2.0 */
/* export/target: the OTLP exporter specification's variables. */
#include "unit.h"

#include "export/target.h"

/* ctx: "NAME=value" strings, NULL-terminated. */
static const char *get(void *ctx, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *v = ctx; *v; v++)
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
			return *v + n + 1;
	return NULL;
}

#define ENV(...) ((void *)(const char *const[]){ __VA_ARGS__, NULL })

static struct otlp_target target_of(enum signal signal, void *env)
{
	struct otlp_target t = { 0 };
	char *why = NULL;
	int err = otlp_target_from_env(signal, get, env, &t, &why);

	if (err)
		fail_msg("%d: %s", err, why);
	return t;
}

static void refused(void *env, const char *expected)
{
	struct otlp_target t = { .timeout_ms = 77 };
	_cleanup_(freep) char *why = NULL;

	assert_int_equal(otlp_target_from_env(SIGNAL_TRACES, get, env, &t, &why), -EINVAL);
	assert_string_equal(why, expected);
	assert_int_equal(t.timeout_ms, 77);
}

static void url_is(enum signal signal, void *env, const char *url)
{
	_cleanup_(otlp_target_release) struct otlp_target t = target_of(signal, env);

	assert_true(t.enabled);
	assert_string_equal(t.url, url);
}

TEST(nothing_is_sent_until_an_endpoint_is_set)
{
	_cleanup_(otlp_target_release) struct otlp_target t =
		target_of(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_ENDPOINT="));

	assert_false(t.enabled);
	assert_int_equal(t.protocol, OTLP_HTTP_PROTOBUF);
	assert_int_equal(t.timeout_ms, 10000);
	assert_false(t.gzip);
}

TEST(a_general_endpoint_gets_the_signals_path)
{
	url_is(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318"), "http://h:4318/v1/traces");
	url_is(SIGNAL_METRICS, ENV("OTEL_EXPORTER_OTLP_ENDPOINT=https://h/base/"), "https://h/base/v1/metrics");
	url_is(SIGNAL_METRICS, ENV("OTEL_EXPORTER_OTLP_ENDPOINT=https://h/base"), "https://h/base/v1/metrics");
}

TEST(a_signals_own_endpoint_is_used_as_it_is)
{
	url_is(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_ENDPOINT=http://a",
				  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://b/in?x=1"), "http://b/in?x=1");
	url_is(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://b:80"), "http://b:80/");
}

TEST(grpc_endpoints_have_no_path)
{
	url_is(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4317/x"),
	       "http://h:4317");
	url_is(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=h:4317"),
	       "https://h:4317");
	url_is(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=h:4317",
				  "OTEL_EXPORTER_OTLP_INSECURE=TRUE"), "http://h:4317");
	url_is(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
				  "OTEL_EXPORTER_OTLP_ENDPOINT=unix:///run/c.sock"), "unix:///run/c.sock");
}

TEST(headers_are_percent_decoded)
{
	_cleanup_(otlp_target_release) struct otlp_target t =
		target_of(SIGNAL_TRACES, ENV("OTEL_EXPORTER_OTLP_HEADERS=a=b%20c%3D%2C , authorization=Bearer x=,,"));

	assert_string_equal(t.headers[0], "a: b c=,");
	assert_string_equal(t.headers[1], "authorization: Bearer x=");
	assert_null(t.headers[2]);
}

TEST(headers_cannot_smuggle_lines)
{
	refused(ENV("OTEL_EXPORTER_OTLP_HEADERS=a=b%0d%0aX: y"),
		"OTEL_EXPORTER_OTLP_HEADERS: the value of \"a\" is not percent-encoded text");
	refused(ENV("OTEL_EXPORTER_OTLP_HEADERS=a=%4"),
		"OTEL_EXPORTER_OTLP_HEADERS: the value of \"a\" is not percent-encoded text");
	refused(ENV("OTEL_EXPORTER_OTLP_HEADERS=a b=c"),
		"OTEL_EXPORTER_OTLP_HEADERS: expected name=value,name=value with percent-encoded values");
	refused(ENV("OTEL_EXPORTER_OTLP_TRACES_HEADERS=secret"),
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS: expected name=value,name=value with percent-encoded values");
}

TEST(every_option_exists_per_signal)
{
	_cleanup_(otlp_target_release) struct otlp_target t = target_of(SIGNAL_METRICS, ENV(
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=https://m/", "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION=gzip",
		"OTEL_EXPORTER_OTLP_COMPRESSION=none", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=250",
		"OTEL_EXPORTER_OTLP_TIMEOUT=1", "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE=/ca",
		"OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE=/crt", "OTEL_EXPORTER_OTLP_CLIENT_KEY=/key",
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS=a=1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=bad"));

	assert_true(t.enabled && t.gzip);
	assert_int_equal(t.timeout_ms, 250);
	assert_string_equal(t.certificate, "/ca");
	assert_string_equal(t.client_certificate, "/crt");
	assert_string_equal(t.client_key, "/key");
	assert_string_equal(t.headers[0], "a: 1");
}

TEST(only_the_otlp_exporter_enables_a_target)
{
	_cleanup_(otlp_target_release) struct otlp_target t = target_of(SIGNAL_TRACES,
		ENV("OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_ENDPOINT=http://h"));
	_cleanup_(otlp_target_release) struct otlp_target both = target_of(SIGNAL_METRICS,
		ENV("OTEL_METRICS_EXPORTER=prometheus, otlp", "OTEL_EXPORTER_OTLP_ENDPOINT=http://h"));

	assert_false(t.enabled);
	assert_true(both.enabled);
	refused(ENV("OTEL_TRACES_EXPORTER=otlp,zipkin"),
		"OTEL_TRACES_EXPORTER: \"zipkin\" is not an exporter that sonde has");
	refused(ENV("OTEL_TRACES_EXPORTER=prometheus"),
		"OTEL_TRACES_EXPORTER: \"prometheus\" is not an exporter that sonde has");
}

TEST(wrong_values_name_the_variable)
{
	refused(ENV("OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318"),
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"localhost:4318\" does not begin with http:// or https://");
	refused(ENV("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"),
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: \"http/json\" is not one of http/protobuf, grpc");
	refused(ENV("OTEL_EXPORTER_OTLP_TIMEOUT=0"),
		"OTEL_EXPORTER_OTLP_TIMEOUT: \"0\" is not a number of milliseconds above 0");
	refused(ENV("OTEL_EXPORTER_OTLP_COMPRESSION=zstd"),
		"OTEL_EXPORTER_OTLP_COMPRESSION: \"zstd\" is not one of gzip, none");
	refused(ENV("OTEL_EXPORTER_OTLP_INSECURE=yes"),
		"OTEL_EXPORTER_OTLP_INSECURE: \"yes\" is not one of true, false");
	refused(ENV("OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=ftp://h"),
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"ftp://h\" is not one of http://, https://, unix:, host:port");
	refused(ENV("OTEL_EXPORTER_OTLP_ENDPOINT=http://h/a b"),
		"OTEL_EXPORTER_OTLP_ENDPOINT: an endpoint has no blanks");
}

RUN_TESTS
