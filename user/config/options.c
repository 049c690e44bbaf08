/* SPDX-License-Identifier: Apache-2.0 */
/* options.h: the rows, names and types. */
#include "config/options.h"

#include <ctype.h>
#include <stdio.h>

#include "discover/selector.h"

#define AT(field) offsetof(struct config, field)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define DAY_MS (24ull * 3600 * 1000)

/* key, type, default, flag, arg, OTEL variable, choices, field, min, max, help */
const struct option_row options[] = {
	{ "select", OPTION_LIST, NULL, "select", "SEL", NULL, NULL, AT(select), 0, 0,
	  "watch port=, exe=, pid=, cgroup=, netns=, name=; a comma means and, another --select means or" },
	{ "exclude", OPTION_LIST, NULL, "exclude", "SEL", NULL, NULL, AT(exclude), 0, 0,
	  "never watch what matches" },
	{ "services", OPTION_LIST, NULL, NULL, NULL, NULL, NULL, AT(services), 0, 0,
	  "names for services: a list of `SELECTOR -> NAME`" },
	{ "otlp.endpoint", OPTION_STRING, NULL, "otlp-endpoint", "URL", "OTEL_EXPORTER_OTLP_ENDPOINT", NULL,
	  NO_FIELD, 0, 0, "send traces and metrics there (off until set)" },
	{ "otlp.protocol", OPTION_CHOICE, "http/protobuf", NULL, NULL, "OTEL_EXPORTER_OTLP_PROTOCOL",
	  "http/protobuf|grpc", NO_FIELD, 0, 0, "how" },
	{ "otlp.headers", OPTION_STRING, NULL, NULL, NULL, "OTEL_EXPORTER_OTLP_HEADERS", NULL, NO_FIELD, 0, 0,
	  "request headers: name=value,name=value" },
	{ "otlp.compression", OPTION_CHOICE, "none", NULL, NULL, "OTEL_EXPORTER_OTLP_COMPRESSION", "none|gzip",
	  NO_FIELD, 0, 0, "of requests" },
	{ "otlp.timeout", OPTION_MS, "10s", NULL, NULL, "OTEL_EXPORTER_OTLP_TIMEOUT", NULL, NO_FIELD, 1, DAY_MS,
	  "of one request" },
	{ "otlp.certificate", OPTION_STRING, NULL, NULL, NULL, "OTEL_EXPORTER_OTLP_CERTIFICATE", NULL, NO_FIELD,
	  0, 0, "file of trusted certificates (PEM)" },
	{ "otlp.client_certificate", OPTION_STRING, NULL, NULL, NULL, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
	  NULL, NO_FIELD, 0, 0, "file of the client certificate (PEM)" },
	{ "otlp.client_key", OPTION_STRING, NULL, NULL, NULL, "OTEL_EXPORTER_OTLP_CLIENT_KEY", NULL, NO_FIELD,
	  0, 0, "file of its key (PEM)" },
	{ "otlp.insecure", OPTION_BOOL, "false", NULL, NULL, "OTEL_EXPORTER_OTLP_INSECURE", NULL, NO_FIELD, 0, 0,
	  "gRPC without TLS where the endpoint has no scheme" },
	{ "otlp.disabled", OPTION_BOOL, "false", NULL, NULL, "OTEL_SDK_DISABLED", NULL, AT(sdk_disabled), 0, 0,
	  "export nothing by OTLP" },
	{ "listen", OPTION_STRING, "127.0.0.1:9464", "listen", "ADDR:PORT", NULL, NULL, AT(listen), 0, 0,
	  "/metrics, /livez, /readyz; or off" },
	{ "print", OPTION_CHOICE, "off", "print", "[=json]", NULL, "off|text|json", AT(print), 0, 0,
	  "spans and RED tables, or OTLP/JSON, on stdout" },
	{ "capture.tier", OPTION_WORD, "auto", "capture", "TIER", NULL, "auto|socket|syscall",
	  AT(capture_tier), 0, 0, "how bytes are seen: auto, socket, syscall" },
	{ "capture.ring_size", OPTION_BYTES, "4MiB", NULL, NULL, NULL, NULL, AT(ring_bytes), 256 * KIB, GIB,
	  "of the ring between kernel and agent, a power of two" },
	{ "capture.request_budget", OPTION_BYTES, "4KiB", NULL, NULL, NULL, NULL, AT(request_budget), 0,
	  CAPTURE_MAX, "payload of one turn's request that is captured; grows to 16 KiB where heads are larger" },
	{ "capture.response_budget", OPTION_BYTES, "1KiB", NULL, NULL, NULL, NULL, AT(response_budget), 0,
	  CAPTURE_MAX, "the same for responses" },
	{ "capture.headers", OPTION_LIST, NULL, NULL, NULL, NULL, NULL, AT(headers), 0, 0,
	  "HTTP headers to export as http.request.header.NAME and http.response.header.NAME" },
	{ "traces.exporter", OPTION_WORDS, "otlp", NULL, NULL, "OTEL_TRACES_EXPORTER", "otlp|none|console",
	  NO_FIELD, 0, 0, "where spans go" },
	{ "traces.hold_window", OPTION_MS, "2s", NULL, NULL, NULL, NULL, AT(hold_window_ms), 0, 600000,
	  "how long a span waits for its parent" },
	{ "traces.hold_spans", OPTION_COUNT, "8192", NULL, NULL, NULL, NULL, AT(hold_spans), 1, 1000000,
	  "how many wait at most" },
	{ "traces.request_timeout", OPTION_MS, "300s", NULL, NULL, NULL, NULL, AT(request_timeout_ms), 100, DAY_MS,
	  "a request without an answer is reported after this" },
	{ "traces.otlp_exporters", OPTION_BOOL, "false", NULL, NULL, NULL, NULL, AT(trace_otlp_exporters), 0, 0,
	  "spans also for services that export OTLP traces themselves" },
	{ "traces.queue_size", OPTION_COUNT, "2048", NULL, NULL, "OTEL_BSP_MAX_QUEUE_SIZE", NULL,
	  AT(export_.queue_max), 1, 1000000, "spans that wait to be sent" },
	{ "traces.batch_size", OPTION_COUNT, "512", NULL, NULL, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", NULL,
	  AT(export_.batch_max), 1, 100000, "spans per request" },
	{ "traces.schedule_delay", OPTION_MS, "5s", NULL, NULL, "OTEL_BSP_SCHEDULE_DELAY", NULL,
	  AT(export_.schedule_delay_ms), 0, DAY_MS, "between requests while batches are not full" },
	{ "traces.export_timeout", OPTION_MS, "30s", NULL, NULL, "OTEL_BSP_EXPORT_TIMEOUT", NULL,
	  AT(export_.export_timeout_ms), 1, DAY_MS, "of one batch with its retries" },
	{ "metrics.exporter", OPTION_WORDS, "otlp", NULL, NULL, "OTEL_METRICS_EXPORTER",
	  "otlp|none|prometheus|console", NO_FIELD, 0, 0, "where metrics go (the scrape is always there)" },
	{ "metrics.interval", OPTION_MS, "60s", NULL, NULL, "OTEL_METRIC_EXPORT_INTERVAL", NULL,
	  AT(metric_interval_ms), 100, DAY_MS, "between two exports" },
	{ "metrics.temporality", OPTION_CHOICE, "cumulative", NULL, NULL,
	  "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative|delta|lowmemory", AT(temporality), 0, 0,
	  "of OTLP metrics" },
	{ "metrics.histogram", OPTION_CHOICE, "base2_exponential_bucket_histogram", NULL, NULL,
	  "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
	  "base2_exponential_bucket_histogram|explicit_bucket_histogram", AT(histogram), 0, 0, "of OTLP metrics" },
	{ "metrics.series_max", OPTION_COUNT, "2000", NULL, NULL, NULL, NULL, AT(series_max), 1, 1000000,
	  "series per metric; the rest is one series with otel.metric.overflow" },
	{ "memory_limit", OPTION_BYTES, "64MiB", "memory-limit", "BYTES", NULL, NULL, AT(memory_limit), 24 * MIB,
	  64 * GIB, "of all sonde processes together" },
	{ "log.level", OPTION_CHOICE, "info", "log-level", "LEVEL", NULL, "error|warn|info|debug", AT(log_level), 0,
	  0, "error, warn, info, debug" },
};
const size_t options_n = ARRAY_SIZE(options);

void option_env_name(const struct option_row *o, char *buf, size_t size)
{
	int n = snprintf(buf, size, "SONDE_%s", o->key);

	for (int i = 0; i < n && (size_t)i < size; i++)
		buf[i] = buf[i] == '.' ? '_' : (char)toupper((unsigned char)buf[i]);
}

int option_by_key(struct str key)
{
	for (size_t i = 0; i < options_n; i++)
		if (str_eq(str_of(options[i].key), key))
			return (int)i;
	return -ENOENT;
}

int option_by_flag(struct str flag)
{
	for (size_t i = 0; i < options_n; i++)
		if (options[i].flag && str_eq(str_of(options[i].flag), flag))
			return (int)i;
	return -ENOENT;
}

int option_by_env(struct str name)
{
	char own[96];

	for (size_t i = 0; i < options_n; i++) {
		option_env_name(&options[i], own, sizeof(own));
		if (str_eq(str_of(own), name) || (options[i].otel && str_eq(str_of(options[i].otel), name)))
			return (int)i;
	}
	return -ENOENT;
}

/* ---- types ---- */

struct unit {
	const char *name;
	uint64_t factor;
};

static bool number_with_unit(struct str text, const struct unit *units, uint64_t *v)
{
	struct str digits = text, unit;
	uint64_t n;

	for (digits.n = 0; digits.n < text.n && isdigit((unsigned char)text.p[digits.n]); digits.n++)
		;
	unit = text;
	str_skip(&unit, digits.n);
	unit = str_trim(unit);
	if (!str_to_u64(digits, &n))
		return false;
	for (; units->name; units++)
		if (str_eq_nocase(unit, str_of(units->name))) {
			*v = n * units->factor;
			return n == 0 || *v / n == units->factor;
		}
	return false;
}

static const struct unit count_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit byte_units[] = {
	{ "", 1 }, { "B", 1 }, { "KiB", KIB }, { "K", KIB }, { "KB", 1000 }, { "MiB", MIB }, { "M", MIB },
	{ "MB", 1000000 }, { "GiB", GIB }, { "G", GIB }, { "GB", 1000000000 }, { NULL, 0 },
};
static const struct unit time_units[] = {
	{ "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "min", 60000 }, { "h", 3600000 }, { NULL, 0 },
};

static int apply_number(const struct option_row *o, void *field, const char *text, char *expected, size_t size)
{
	static const struct { const struct unit *units; const char *what; } kinds[] = {
		[OPTION_COUNT] = { count_units, "a number" },
		[OPTION_BYTES] = { byte_units, "a size like 4KiB or 64MiB" },
		[OPTION_MS] = { time_units, "a time like 500ms or 2s" },
	};
	uint64_t max = o->max ? o->max : UINT32_MAX, v;

	if (!number_with_unit(str_of(text), kinds[o->type].units, &v) || v < o->min || v > max) {
		snprintf(expected, size, "%s, %llu to %llu", kinds[o->type].what, (unsigned long long)o->min,
			 (unsigned long long)max);
		return -EINVAL;
	}
	if (o->offset == AT(ring_bytes) && (v & (v - 1))) {
		snprintf(expected, size, "a power of two");
		return -EINVAL;
	}
	if (!field)
		return 0;
	if (o->type == OPTION_BYTES)
		*(uint64_t *)field = v;
	else
		*(uint32_t *)field = (uint32_t)v;
	return 0;
}

static int apply_string(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

/* The next of words with `separator` between them; false after the last. */
static bool next_word(struct str *rest, char separator, struct str *word)
{
	if (!rest->p)
		return false;
	if (!str_cut(rest, separator, word)) {
		*word = *rest;
		*rest = (struct str){ 0 };
	}
	*word = str_trim(*word);
	return true;
}

/* Place of a word among others, from 0; -ENOENT. */
static int place_of(struct str word, struct str words, char separator)
{
	struct str one;

	for (int i = 0; next_word(&words, separator, &one); i++)
		if (str_eq(one, word))
			return i;
	return -ENOENT;
}

static int apply_choice(const struct option_row *o, void *field, const char *text, char *expected, size_t size)
{
	int i = place_of(str_of(text), str_of(o->choices), '|');

	if (i < 0) {
		snprintf(expected, size, "one of %s", o->choices);
		return -EINVAL;
	}
	if (field && o->type == OPTION_WORD)
		return apply_string(field, text);
	if (field)
		*(uint32_t *)field = (uint32_t)i;
	return 0;
}

static int check_words(const struct option_row *o, const char *text, char *expected, size_t size)
{
	struct str rest = str_of(text), word;

	while (next_word(&rest, ',', &word))
		if (place_of(word, str_of(o->choices), '|') < 0) {
			snprintf(expected, size, "one or more (with commas) of %s", o->choices);
			return -EINVAL;
		}
	return 0;
}

bool option_has_word(const char *text, struct str word)
{
	return text && place_of(word, str_of(text), ',') >= 0;
}

static int apply_bool(void *field, const char *text, char *expected, size_t size)
{
	bool yes = str_eq_nocase(str_of(text), STR("true")), no = str_eq_nocase(str_of(text), STR("false"));

	if (!yes && !no) {
		snprintf(expected, size, "true or false");
		return -EINVAL;
	}
	if (field)
		*(bool *)field = yes;
	return 0;
}

static int check_selector(const char *text, char *expected, size_t size)
{
	struct selector ignored;
	_cleanup_(freep) char *why = NULL;
	int err = selector_parse(&ignored, text, &why);
	const char *what = why ? strstr(why, "expected ") : NULL;

	if (err)
		snprintf(expected, size, "%s", what ? what + strlen("expected ") : "a selector");
	return err;
}

bool config_service_split(const char *text, struct str *selector, struct str *name)
{
	const char *arrow = strstr(text, "->");

	if (!arrow)
		return false;
	*selector = str_trim((struct str){ text, (size_t)(arrow - text) });
	*name = str_trim(str_of(arrow + 2));
	return selector->n && name->n;
}

static int check_service(const char *text, char *expected, size_t size)
{
	struct str selector, name;
	char alone[768];

	if (!config_service_split(text, &selector, &name) || selector.n >= sizeof(alone)) {
		snprintf(expected, size, "SELECTOR -> NAME");
		return -EINVAL;
	}
	snprintf(alone, sizeof(alone), "%.*s", (int)selector.n, selector.p);
	return check_selector(alone, expected, size);
}

static int check_item(const struct option_row *o, const char *text, char *expected, size_t size)
{
	if (o->offset == AT(select) || o->offset == AT(exclude))
		return check_selector(text, expected, size);
	return o->offset == AT(services) ? check_service(text, expected, size) : 0;
}

int option_apply(const struct option_row *o, struct config *c, const char *text, char *expected, size_t size)
{
	void *field = o->offset == NO_FIELD ? NULL : (char *)c + o->offset;
	int err;

	switch (o->type) {
	case OPTION_BOOL:
		return apply_bool(field, text, expected, size);
	case OPTION_CHOICE:
	case OPTION_WORD:
		return apply_choice(o, field, text, expected, size);
	case OPTION_WORDS:
		return check_words(o, text, expected, size);
	case OPTION_LIST:
		err = check_item(o, text, expected, size);
		return err ? err : strings_add(field, str_of(text));
	case OPTION_STRING:
		return field ? apply_string(field, text) : 0;
	default:
		return apply_number(o, field, text, expected, size);
	}
}
