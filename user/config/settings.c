/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h: storage, defaults, environment, flags. */
#include "config/settings.h"

#include <stdarg.h>
#include <stdio.h>

int settings_new(struct settings **out)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->at = calloc(options_n, sizeof(*s->at));
	if (!s->at) {
		free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

static void setting_clear(struct setting *t)
{
	strings_release(&t->texts);
	strings_release(&t->origins);
	*t = (struct setting){ 0 };
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < options_n; i++)
		setting_clear(&s->at[i]);
	free(s->at);
	buf_release(&s->errors);
	free(s);
}

int strings_add(struct strings *s, struct str text)
{
	char **v = realloc(s->v, (s->n + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	s->v = v;
	v[s->n] = strndup(text.p ? text.p : "", text.n);
	if (!v[s->n])
		return -ENOMEM;
	s->n++;
	return 0;
}

void strings_release(struct strings *s)
{
	for (size_t k = 0; k < s->n; k++)
		free(s->v[k]);
	free(s->v);
	*s = (struct strings){ 0 };
}

int settings_set(struct settings *s, int i, enum layer layer, struct str text, const char *origin)
{
	struct setting *t = &s->at[i];
	int err;

	if (t->texts.n && t->layer > layer)
		return 0;
	if (t->layer < layer || options[i].type != OPTION_LIST)
		setting_clear(t);
	t->layer = layer;
	err = strings_add(&t->origins, str_of(origin));
	return err ? err : strings_add(&t->texts, text);
}

void settings_error(struct settings *s, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	buf_str(&s->errors, str_of(line));
	buf_char(&s->errors, '\n');
}

const char *settings_text(const struct settings *s, int i)
{
	return i >= 0 && s->at[i].texts.n ? s->at[i].texts.v[0] : NULL;
}

int settings_defaults(struct settings *s)
{
	for (size_t i = 0; i < options_n; i++) {
		int err = options[i].initial ? settings_set(s, (int)i, LAYER_DEFAULT, str_of(options[i].initial),
							    "default") : 0;

		if (err)
			return err;
	}
	return 0;
}

/* ---- environment ---- */

/* A list in a variable: items between semicolons (selectors have commas inside). */
static int env_set(struct settings *s, int i, struct str value, const char *name)
{
	struct str item;
	bool more = true;
	int err = 0;

	if (options[i].type != OPTION_LIST)
		return settings_set(s, i, LAYER_ENV, value, name);
	while (more && !err) {
		more = str_cut(&value, ';', &item);
		item = str_trim(more ? item : value);
		if (item.n)
			err = settings_set(s, i, LAYER_ENV, item, name);
	}
	return err;
}

/* OTEL_EXPORTER_PROMETHEUS_HOST and _PORT are the two halves of `listen`. */
static int env_prometheus(struct settings *s, const char *host, const char *port)
{
	char listen[300];
	bool v6 = host && strchr(host, ':') && host[0] != '[';

	if (!host && !port)
		return 0;
	snprintf(listen, sizeof(listen), "%s%s%s:%s", v6 ? "[" : "", host ? host : "127.0.0.1", v6 ? "]" : "",
		 port ? port : "9464");
	return settings_set(s, option_by_key(STR("listen")), LAYER_ENV, str_of(listen),
			    host ? "OTEL_EXPORTER_PROMETHEUS_HOST" : "OTEL_EXPORTER_PROMETHEUS_PORT");
}

static bool is_own_variable(struct str name)
{
	return str_starts(name, STR("SONDE_")) && !str_eq(name, STR("SONDE_CONFIG"));
}

int settings_env(struct settings *s, char **env)
{
	const char *host = NULL, *port = NULL;
	int err = 0;

	/* OTEL_* first, so that sonde's own variable wins over the general one. */
	for (int own = 0; own < 2 && !err; own++) {
		if (own)
			err = env_prometheus(s, host, port);
		for (char **e = env; *e && !err; e++) {
			struct str value = str_of(*e), name;
			char zname[96];
			int i;

			if (!str_cut(&value, '=', &name) || is_own_variable(name) != own || name.n >= sizeof(zname))
				continue;
			snprintf(zname, sizeof(zname), "%.*s", (int)name.n, name.p);
			if (str_eq(name, STR("OTEL_EXPORTER_PROMETHEUS_HOST")))
				host = value.p;
			if (str_eq(name, STR("OTEL_EXPORTER_PROMETHEUS_PORT")))
				port = value.p;
			i = option_by_env(name);
			if (i < 0 && own)
				settings_error(s, "%s: there is no such option; `sonde config` lists them", zname);
			else if (i >= 0 && value.n)	/* empty means unset (OTel: common specification) */
				err = env_set(s, i, value, zname);
		}
	}
	return err;
}

/* ---- flags ---- */

int settings_flags(struct settings *s, int argc, char **argv)
{
	int err = 0;

	for (int k = 0; k < argc && !err; k++) {
		struct str value = str_of(argv[k]), name = value;
		char origin[80];
		bool given;
		int i;

		if (!str_starts(value, STR("--"))) {
			settings_error(s, "%s: not an option; see sonde --help", argv[k]);
			continue;
		}
		str_skip(&value, 2);
		name = value;
		given = str_cut(&value, '=', &name);
		snprintf(origin, sizeof(origin), "--%.*s", (int)name.n, name.p);
		if (str_eq(name, STR("config"))) {	/* read before the others: config.c */
			k += !given;
			continue;
		}
		i = option_by_flag(name);
		if (i < 0) {
			settings_error(s, "%s: there is no such flag; see sonde --help", origin);
			continue;
		}
		if (!given && options[i].arg && options[i].arg[0] == '[') {
			value = STR("text");
		} else if (!given) {
			if (++k >= argc) {
				settings_error(s, "%s: needs a value (%s)", origin, options[i].arg);
				break;
			}
			value = str_of(argv[k]);
		}
		err = settings_set(s, i, LAYER_FLAG, value, origin);
	}
	return err;
}
