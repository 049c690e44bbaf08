/* SPDX-License-Identifier: Apache-2.0 */
/* config/: layers, types, and what is said about mistakes. */
#include "unit.h"

#include <stdlib.h>

#include "config/settings.h"

static char *none[] = { NULL };

/* config_new() with a YAML text in a file; *why is NULL on success. */
static struct config *load(const char *yaml, char **env, int argc, char **argv, char **why)
{
	char path[] = "/tmp/sonde-config-XXXXXX", *all[10];
	int fd = mkstemp(path), n = 0;
	struct config *c = NULL;

	assert_true(fd >= 0 && write(fd, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
	close(fd);
	all[n++] = (char[]){ "--config" };
	all[n++] = path;
	for (int i = 0; i < argc; i++)
		all[n++] = argv[i];
	*why = NULL;
	config_new(&c, n, all, env, why);
	unlink(path);
	return c;
}

static void expect_mistake(const char *yaml, const char *position, const char *text)
{
	char *why;

	assert_null(load(yaml, none, 0, NULL, &why));
	assert_non_null(why);
	if (!strstr(why, position) || !strstr(why, text))
		fail_msg("\"%s\" does not name %s and %s", why, position, text);
	free(why);
}

TEST(flags_win_over_environment_over_file)
{
	char *env[] = { (char[]){ "SONDE_CAPTURE_TIER=syscall" }, (char[]){ "SONDE_LISTEN=127.0.0.1:2" }, NULL };
	char *argv[] = { (char[]){ "--listen" }, (char[]){ "127.0.0.1:3" } };
	char *why;
	struct config *c = load("capture:\n  tier: socket\nlisten: 127.0.0.1:1\nmemory_limit: 32MiB\n", env, 2, argv, &why);

	assert_non_null(c);
	assert_string_equal(c->listen, "127.0.0.1:3");
	assert_string_equal(c->capture_tier, "syscall");
	assert_int_equal(c->memory_limit, 32 << 20);
	config_free(c);
}

TEST(lists_come_from_one_layer)
{
	char *argv[] = { (char[]){ "--select=port=80,name=a" }, (char[]){ "--select=pid=7" } };
	char *env[] = { (char[]){ "SONDE_EXCLUDE=port=1; exe=*/x" }, NULL };
	char *why;
	struct config *c = load("select: [port=1]\nservices:\n  - match: port=80\n    name: edge\n", env, 2, argv, &why);

	assert_non_null(c);
	assert_int_equal(c->select.n, 2);
	assert_string_equal(c->select.v[0], "port=80,name=a");
	assert_int_equal(c->exclude.n, 2);
	assert_string_equal(c->exclude.v[1], "exe=*/x");
	assert_string_equal(c->services.v[0], "port=80 -> edge");
	config_free(c);
}

TEST(mistakes_name_line_and_column)
{
	expect_mistake("listen: x\ncaptur:\n  tier: socket\n", ":2:1:", "captur");
	expect_mistake("capture:\n  teir: socket\n", ":2:3:", "capture.teir");
	expect_mistake("capture:\n  tier: kprobe\n", ":2:9:", "one of auto|socket|syscall");
	expect_mistake("memory_limit: lots\n", ":1:15:", "a size like");
	expect_mistake("traces:\n  hold_window: [1]\n", ":2:16:", "one value");
	expect_mistake("a: [\n", ":2:1:", "not YAML");
	expect_mistake("capture: {ring_size: 3MiB}\n", ":1:22:", "power of two");
	expect_mistake("services: [{match: port=1}]\n", ":1:12:", "SELECTOR -> NAME");
	expect_mistake("services: [pid=1 -> a, 'port=x -> b']\n", ":1:24:", "expected a port number");
	expect_mistake("select:\n  - port=1\n  - colour=red\n", ":3:5:", "expected port=");
}

TEST(exporters_are_lists)
{
	char *env[] = { (char[]){ "OTEL_TRACES_EXPORTER=otlp, console" }, (char[]){ "OTEL_METRICS_EXPORTER=none" }, NULL };
	char *why;
	struct config *c = load("otlp: {endpoint: 'http://127.0.0.1:1'}\n", env, 0, NULL, &why);

	assert_non_null(c);
	assert_true(c->traces && c->export_.targets[SIGNAL_TRACES].enabled);
	assert_int_equal(c->print, PRINT_TEXT);
	assert_false(c->export_.targets[SIGNAL_METRICS].enabled);
	config_free(c);
	expect_mistake("traces:\n  exporter: otlp,zipkin\n", ":2:13:", "of otlp|none|console");
}

TEST(all_mistakes_are_told_at_once)
{
	char *env[] = { (char[]){ "SONDE_NOPE=1" }, NULL };
	char *argv[] = { (char[]){ "--nope" }, (char[]){ "stray" } };
	char *why;

	assert_null(load("x: 1\n", env, 2, argv, &why));
	assert_non_null(strstr(why, "SONDE_NOPE"));
	assert_non_null(strstr(why, "--nope"));
	assert_non_null(strstr(why, "stray"));
	assert_non_null(strstr(why, ":1:1: x"));
	free(why);
}

TEST(otel_variables_are_understood)
{
	char *env[] = { (char[]){ "OTEL_METRIC_EXPORT_INTERVAL=5000" }, (char[]){ "OTEL_BSP_MAX_QUEUE_SIZE=100" },
			(char[]){ "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318" },
			(char[]){ "OTEL_EXPORTER_PROMETHEUS_PORT=9999" },
			(char[]){ "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta" },
			(char[]){ "OTEL_TRACES_EXPORTER=none" }, NULL };
	char *why;
	struct config *c = load("", env, 0, NULL, &why);

	assert_non_null(c);
	assert_int_equal(c->metric_interval_ms, 5000);
	assert_int_equal(c->export_.queue_max, 100);
	assert_int_equal(c->temporality, 1);
	assert_string_equal(c->listen, "127.0.0.1:9999");
	assert_true(c->export_.targets[SIGNAL_METRICS].enabled);
	assert_string_equal(c->export_.targets[SIGNAL_METRICS].url, "http://127.0.0.1:4318/v1/metrics");
	assert_false(c->export_.targets[SIGNAL_TRACES].enabled);
	assert_false(c->traces);
	config_free(c);
}

TEST(the_endpoint_of_the_file_is_used_with_units)
{
	char *why;
	struct config *c = load("otlp:\n  endpoint: http://127.0.0.1:4318\n  timeout: 3s\n", none, 0, NULL, &why);

	assert_non_null(c);
	assert_int_equal(c->export_.targets[SIGNAL_TRACES].timeout_ms, 3000);
	assert_true(c->traces);
	config_free(c);
}

TEST(help_fits_a_screen)
{
	_cleanup_(buf_release) struct buf b = { 0 };
	size_t lines = 0;

	config_help(&b);
	for (size_t i = 0, start = 0; i < b.n; i++)
		if (b.p[i] == '\n') {
			lines++;
			if (i - start > 130)
				fail_msg("line too wide: %.*s", (int)(i - start), b.p + start);
			start = i + 1;
		}
	assert_true(lines <= 24);
}

TEST(secrets_are_not_shown)
{
	char *env[] = { (char[]){ "OTEL_EXPORTER_OTLP_HEADERS=authorization=s3cret" }, NULL };
	_cleanup_(buf_release) struct buf b = { 0 };
	char *why;
	struct config *c = load("", env, 0, NULL, &why);

	assert_int_equal(config_dump(c, &b), 0);
	buf_char(&b, '\0');
	assert_null(strstr(b.p, "s3cret"));
	assert_non_null(strstr(b.p, "OTEL_EXPORTER_OTLP_HEADERS"));
	config_free(c);
}

RUN_TESTS
