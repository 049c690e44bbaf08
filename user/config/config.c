/* SPDX-License-Identifier: Apache-2.0 */
/* config.h: layers to struct config. The OTLP targets are resolved by export/target.h, which asks for
 * OTEL_* names; an option of ours that has such a name answers with its effective text. */
#include "config/config.h"

#include <ctype.h>
#include <stdio.h>

#include "base/log.h"
#include "config/settings.h"
#include "export/target.h"

static const char *env_get(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static const char *config_path(int argc, char **argv, char *const *env)
{
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--config") && i + 1 < argc)
			return argv[i + 1];
		if (!strncmp(argv[i], "--config=", 9))
			return argv[i] + 9;
	}
	return env_get(env, "SONDE_CONFIG");
}

static int load_layers(struct settings *s, int argc, char **argv, char **env)
{
	const char *path = config_path(argc, argv, env);
	int err = settings_defaults(s);

	if (!err && path && *path) {
		err = settings_yaml(s, path);
		if (err && err != -ENOMEM) {
			settings_error(s, "%s: %s", path, strerror(-err));
			err = 0;
		}
	}
	if (!err)
		err = settings_env(s, env);
	return err ? err : settings_flags(s, argc, argv);
}

static int apply_all(struct config *c)
{
	struct settings *s = c->settings;
	char expected[160];

	for (size_t i = 0; i < options_n; i++)
		for (size_t k = 0; k < s->at[i].texts.n; k++) {
			int err = option_apply(&options[i], c, s->at[i].texts.v[k], expected, sizeof(expected));

			if (err == -ENOMEM)
				return err;
			if (err)
				settings_error(s, "%s: %s: \"%s\": expected %s", s->at[i].origins.v[k], options[i].key,
					       s->at[i].texts.v[k], expected);
		}
	return 0;
}

/* ---- OTLP ---- */

struct lookup {
	const struct settings *s;
	char *const *env;
	char ms[24];
};

static const char *lookup_get(void *ctx, const char *name)
{
	struct lookup *l = ctx;
	int i = option_by_env(str_of(name));
	struct config probe = { 0 };
	char ignored[160];

	if (i < 0)
		return env_get(l->env, name);
	if (l->s->at[i].layer == LAYER_DEFAULT)
		return NULL;
	/* The specification's timeouts are plain milliseconds; ours may say 10s. */
	if (options[i].type == OPTION_MS && options[i].offset == NO_FIELD) {
		struct option_row as_field = options[i];

		as_field.offset = offsetof(struct config, hold_window_ms);
		if (option_apply(&as_field, &probe, settings_text(l->s, i), ignored, sizeof(ignored)))
			return NULL;
		snprintf(l->ms, sizeof(l->ms), "%u", probe.hold_window_ms);
		return l->ms;
	}
	return settings_text(l->s, i);
}

static int resolve_targets(struct config *c, char *const *env)
{
	struct lookup l = { .s = c->settings, .env = env };

	for (int signal = 0; signal < SIGNAL_COUNT; signal++) {
		char *why = NULL;
		int err = otlp_target_from_env(signal, lookup_get, &l, &c->export_.targets[signal], &why);

		if (err == -ENOMEM)
			return err;
		if (err)
			settings_error(c->settings, "%s", why ? why : "the OTLP settings are wrong");
		free(why);
		if (c->sdk_disabled)
			c->export_.targets[signal].enabled = false;
	}
	return 0;
}

static void derive(struct config *c)
{
	const char *traces = settings_text(c->settings, option_by_key(STR("traces.exporter")));
	const char *metrics = settings_text(c->settings, option_by_key(STR("metrics.exporter")));

	if (c->print == PRINT_OFF && (option_has_word(traces, STR("console")) || option_has_word(metrics, STR("console"))))
		c->print = PRINT_TEXT;
	c->traces = c->print != PRINT_OFF || c->export_.targets[SIGNAL_TRACES].enabled;
	if (option_has_word(traces, STR("none")))
		c->traces = false;
	c->export_.batch_max = MIN(c->export_.batch_max, c->export_.queue_max);
	c->export_.bytes_max = c->memory_limit / 4;
	for (size_t i = 0; i < c->headers.n; i++)	/* HTTP names them without regard to case */
		for (char *p = c->headers.v[i]; *p; p++)
			*p = (char)tolower((unsigned char)*p);
	c->proto = (struct proto_options){ (const char *const *)c->headers.v, c->headers.n };
}

int config_new(struct config **out, int argc, char **argv, char **const env, char **why)
{
	struct config *c = calloc(1, sizeof(*c));
	int err = c ? settings_new(&c->settings) : -ENOMEM;

	if (!err)
		err = load_layers(c->settings, argc, argv, env);
	if (!err)
		err = apply_all(c);
	if (!err)
		err = resolve_targets(c, env);
	if (!err && c->settings->errors.n) {
		c->settings->errors.p[c->settings->errors.n - 1] = '\0';	/* the last newline */
		*why = TAKE_PTR(c->settings->errors.p);
		c->settings->errors = (struct buf){ 0 };
		err = -EINVAL;
	}
	if (err) {
		config_free(c);
		return err;
	}
	derive(c);
	*out = c;
	return 0;
}

struct service_policy config_service_policy(const struct config *c)
{
	return (struct service_policy){ .mode = CAPTURE_HEADS, .request_budget = (uint32_t)c->request_budget,
					.response_budget = (uint32_t)c->response_budget };
}

void config_free(struct config *c)
{
	if (!c)
		return;
	strings_release(&c->select);
	strings_release(&c->exclude);
	strings_release(&c->services);
	strings_release(&c->headers);
	free(c->listen);
	free(c->capture_tier);
	for (int i = 0; i < SIGNAL_COUNT; i++)
		otlp_target_release(&c->export_.targets[i]);
	settings_free(c->settings);
	free(c);
}
