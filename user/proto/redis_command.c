/* SPDX-License-Identifier: Apache-2.0 */
/* redis_command.h: from arguments to the text of a command. */
#include "proto/redis_command.h"

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

/* Modules have names like JSON.SET. */
static bool is_name_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static void add_text(struct redis_command *c, const char *p, size_t n)
{
	memcpy(c->text + c->text_n, p, n);
	c->text_n += n;
}

/* An argument that does not fit is the last one: "..." always fits behind it. */
static void add_shown(struct redis_command *c, const char *p, size_t n)
{
	bool blank = c->text_n > 0;

	if (c->full)
		return;
	c->full = c->text_n + blank + n + sizeof(" ...") - 1 > sizeof(c->text);
	if (blank)
		add_text(c, " ", 1);
	if (c->full)
		add_text(c, "...", 3);
	else
		add_text(c, p, n);
}

static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '\'';
}

/* As redis-cli writes it: bytes that are not plain make a quoted string with escapes. */
static void add_key(struct redis_command *c, struct str key, bool cut)
{
	static const char hex[] = "0123456789abcdef";
	char text[4 * REDIS_KEY_MAX + 8];
	size_t n = 0, shown = MIN(key.n, (size_t)REDIS_KEY_MAX);
	bool quote = key.n == 0;

	for (size_t i = 0; i < shown; i++)
		quote |= !is_plain(key.p[i]);
	if (quote)
		text[n++] = '"';
	for (size_t i = 0; i < shown; i++) {
		char b = key.p[i];

		if (is_plain(b) || b == ' ' || b == '\'') {
			text[n++] = b;
		} else if (b == '"' || b == '\\') {
			text[n++] = '\\';
			text[n++] = b;
		} else {
			text[n++] = '\\';
			text[n++] = 'x';
			text[n++] = hex[(uint8_t)b >> 4];
			text[n++] = hex[b & 15];
		}
	}
	if (quote)
		text[n++] = '"';
	if (cut || shown < key.n) {
		memcpy(text + n, "...", 3);
		n += 3;
	}
	add_shown(c, text, n);
}

static void set_keys(struct redis_command *c)
{
	const struct redis_spec *spec = c->spec;

	c->key = 1;
	c->key_last = 0;
	if (!spec || !spec->first)
		return;
	c->key = (uint64_t)spec->first;
	c->key_step = (uint64_t)spec->step;
	if (spec->last >= 0)
		c->key_last = (uint64_t)spec->last;
	else if (c->n > (uint64_t)-spec->last)
		c->key_last = c->n - (uint64_t)-spec->last;
}

static void set_name(struct redis_command *c, struct str arg)
{
	c->name_n = 0;
	for (size_t i = 0; i < arg.n && i < sizeof(c->name); i++)
		c->name[i] = upper(arg.p[i]);
	for (size_t i = 0; i < arg.n; i++)
		if (i >= sizeof(c->name) || !is_name_byte(c->name[i]))
			return;		/* not a command's name: it may be anything */
	c->name_n = arg.n;
	c->spec = redis_spec((struct str){ c->name, c->name_n });
	set_keys(c);
	add_shown(c, c->name, c->name_n);
}

/* "CONFIG" and "get" are "CONFIG GET", if there is such a command. */
static bool set_subcommand(struct redis_command *c, struct str arg)
{
	char name[REDIS_NAME_MAX];
	const struct redis_spec *spec;
	size_t n = c->name_n + 1 + arg.n;

	if (n >= sizeof(name))
		return false;
	memcpy(name, c->name, c->name_n);
	name[c->name_n] = ' ';
	for (size_t i = 0; i < arg.n; i++)
		name[c->name_n + 1 + i] = upper(arg.p[i]);
	spec = redis_spec((struct str){ name, n });
	if (!spec)
		return false;
	add_shown(c, name + c->name_n + 1, arg.n);
	memcpy(c->name, name, n);
	c->name_n = n;
	c->spec = spec;
	set_keys(c);
	return true;
}

static void keep_word(struct redis_command *c, struct str arg)
{
	memset(c->word, 0, sizeof(c->word));
	for (size_t i = 0; i < arg.n && arg.n < sizeof(c->word); i++)
		c->word[i] = upper(arg.p[i]);
}

/* An argument that says which of the following ones are keys. */
static void find_keys(struct redis_command *c, struct str arg)
{
	const struct redis_spec *spec = c->spec;
	uint64_t count;

	if (!spec)
		return;
	if (spec->word)
		keep_word(c, arg);
	if (spec->count_at && c->i == spec->count_at && str_to_u64(arg, &count)) {
		c->key = c->i + 1;
		c->key_last = c->i + MIN(count, c->n);
		c->key_step = 1;
	}
	if (spec->streams && c->key > c->key_last && str_eq_nocase(arg, STR("streams"))) {
		c->key = c->i + 1;
		c->key_last = c->i + (c->n - c->i - 1) / 2;
		c->key_step = 1;
	}
}

void redis_command_begin(struct redis_command *c, uint64_t n)
{
	memset(c, 0, offsetof(struct redis_command, name));
	c->n = n;
	c->key = 1;
}

void redis_command_arg(struct redis_command *c, struct str arg, bool cut)
{
	if (c->i == 0) {
		if (!cut)
			set_name(c, arg);
	} else if (c->i == 1 && c->spec && c->spec->container && set_subcommand(c, arg)) {
		;
	} else if (c->name_n && c->i == c->key && c->key <= c->key_last) {
		c->key += c->key_step;
		add_key(c, arg, cut);
	} else if (c->name_n) {
		add_shown(c, "?", 1);
		find_keys(c, arg);
	}
	c->i++;
}
