/* SPDX-License-Identifier: Apache-2.0 */
/* What people read of the table: --help, the man page, `sonde config`. */
#include <stdio.h>

#include "config/settings.h"

#define LEFT_COLUMNS 25
#define COLUMNS 80

/* The right column: words up to COLUMNS, the next line below the first. */
static void help_text(struct buf *out, struct str text)
{
	size_t column = 2 + LEFT_COLUMNS;
	struct str word;

	for (bool more = true; more;) {
		more = str_cut(&text, ' ', &word);
		if (!more)
			word = text;
		if (column + 1 + word.n > COLUMNS) {
			buf_printf(out, "\n%*s", 2 + LEFT_COLUMNS, "");
			column = 2 + LEFT_COLUMNS;
		} else if (column > 2 + LEFT_COLUMNS) {
			buf_char(out, ' ');
			column++;
		}
		buf_str(out, word);
		column += word.n;
	}
	buf_char(out, '\n');
}

static void help_row(struct buf *out, const struct option_row *o)
{
	char left[64], right[256];

	snprintf(left, sizeof(left), "--%s%s%s", o->flag, o->arg[0] == '[' ? "" : " ", o->arg);
	buf_printf(out, "  %-*s", LEFT_COLUMNS, left);
	snprintf(right, sizeof(right), o->initial ? "%s [%s]" : "%s", o->help, o->initial);
	help_text(out, str_of(right));
}

void config_help(struct buf *out)
{

	buf_str(out, STR("Usage: sonde [run] [FLAGS]   watch services (needs root or capabilities)\n"
			 "       sonde check           what this kernel and these privileges allow\n"
			 "       sonde config [FLAGS]  effective settings and where each came from\n"
			 "       sonde help [--man]    this text, or the man page; sonde --version\n\n"));
	for (size_t i = 0; i < options_n; i++)
		if (options[i].flag)
			help_row(out, &options[i]);
	buf_str(out, STR("  --config FILE            YAML file of settings (or SONDE_CONFIG)\n\n"
			 "Each setting has a YAML key and a variable SONDE_KEY; `sonde config` lists them.\n"
			 "File < environment < flags. The OTEL_* variables of OpenTelemetry work as well.\n"));
}

static void man_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			buf_char(out, '\\');
		buf_char(out, *text);
	}
}

static void man_option(struct buf *out, const struct option_row *o)
{
	char env[96];

	option_env_name(o, env, sizeof(env));
	buf_str(out, STR(".TP\n.B "));
	man_text(out, o->key);
	buf_printf(out, "\n%s.\n", o->help);
	buf_str(out, STR(".br\n"));
	buf_printf(out, "%s", env);
	if (o->otel)
		buf_printf(out, ", %s", o->otel);
	if (o->flag) {
		buf_str(out, STR(", "));
		man_text(out, "--");
		man_text(out, o->flag);
	}
	if (o->choices)
		buf_printf(out, "; one of %s", o->choices);
	if (o->initial)
		buf_printf(out, "; default %s", o->initial);
	buf_char(out, '\n');
}

void config_man(struct buf *out)
{
	buf_printf(out, ".TH SONDE 8 \"\" \"sonde %s\"\n.SH NAME\nsonde \\- watches unmodified services from the kernel\n"
			".SH SYNOPSIS\n.B sonde\n[run|check|config|help] [FLAGS]\n.SH DESCRIPTION\n"
			"sonde derives RED metrics and linked spans of unmodified services from the bytes and times that "
			"the kernel sees, and exports them by OTLP and to Prometheus. Query values, literals, cookies and "
			"credentials never leave its parsers unless configured.\n.SH SETTINGS\n"
			"As YAML keys, variables and flags; file < environment < flags.\n", SONDE_VERSION);
	for (size_t i = 0; i < options_n; i++)
		man_option(out, &options[i]);
	buf_str(out, STR(".SH SIGNALS\nSIGINT and SIGTERM finish held spans, flush within 5 s and exit 0.\n"
			 ".SH EXIT STATUS\n0 success, 1 failure, 2 wrong settings.\n"));
}

int config_dump(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < options_n; i++) {
		const struct setting *t = &c->settings->at[i];
		bool secret = !strcmp(options[i].key, "otlp.headers");

		buf_printf(out, "%-26s ", options[i].key);
		if (!t->texts.n)
			buf_str(out, STR("-"));
		for (size_t k = 0; k < t->texts.n; k++)
			buf_printf(out, "%s%s", k ? "; " : "", secret ? "(set, not shown)" : t->texts.v[k]);
		buf_printf(out, "  (%s)\n", t->texts.n ? t->origins.v[0] : "not set");
	}
	return out->failed ? -ENOMEM : 0;
}
