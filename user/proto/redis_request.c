/* SPDX-License-Identifier: Apache-2.0 */
/* Redis, client to server: arrays of strings and inline commands. Nothing of a value is kept:
 * redis_command.c. */
#include "proto/redis.h"

#include "proto/resp.h"

#define SKIP_BYTES 512		/* longer strings are not waited for */

enum effect { EFFECT_NONE, EFFECT_SUBSCRIBE, EFFECT_MONITOR, EFFECT_SELECT, EFFECT_RESET, EFFECT_REPLY, EFFECT_SYNC };

static enum effect command_effect(const struct redis_command *c)
{
	static const struct {
		const char *name;
		enum effect effect;
	} effects[] = {
		{ "SUBSCRIBE", EFFECT_SUBSCRIBE }, { "PSUBSCRIBE", EFFECT_SUBSCRIBE },
		{ "SSUBSCRIBE", EFFECT_SUBSCRIBE }, { "UNSUBSCRIBE", EFFECT_SUBSCRIBE },
		{ "PUNSUBSCRIBE", EFFECT_SUBSCRIBE }, { "SUNSUBSCRIBE", EFFECT_SUBSCRIBE },
		{ "MONITOR", EFFECT_MONITOR }, { "SELECT", EFFECT_SELECT }, { "RESET", EFFECT_RESET },
		{ "CLIENT REPLY", EFFECT_REPLY }, { "SYNC", EFFECT_SYNC }, { "PSYNC", EFFECT_SYNC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(effects); i++)
		if (str_eq((struct str){ c->name, c->name_n }, str_of(effects[i].name)))
			return effects[i].effect;
	return EFFECT_NONE;
}

static void select_db(struct redis *s)
{
	uint64_t n;

	s->db_before = s->db;
	s->select_at = s->requests + 1;
	s->db = str_to_u64(str_of(s->command.word), &n) ? (int)n + 1 : 0;
}

/* What the command does to the connection; true when it gets no answer. */
static bool apply_effect(struct redis *s, struct msg *out)
{
	bool silent = s->quiet || s->quiet_next;

	s->quiet_next = false;
	switch (command_effect(&s->command)) {
	case EFFECT_SUBSCRIBE:
		s->subscribed = true;
		s->confirms++;
		break;
	case EFFECT_MONITOR:
		s->monitor = true;
		break;
	case EFFECT_SELECT:
		select_db(s);
		break;
	case EFFECT_RESET:
		s->subscribed = s->monitor = s->quiet = silent = false;
		s->db = 1;	/* "selects database 0" (redis.io, RESET) */
		break;
	case EFFECT_REPLY:
		s->quiet = strcmp(s->command.word, "OFF") == 0;
		s->quiet_next = strcmp(s->command.word, "SKIP") == 0;
		silent = s->quiet || s->quiet_next;
		break;
	case EFFECT_SYNC:
		out->handoff = true;	/* a stream of replication follows */
		silent = true;
		break;
	case EFFECT_NONE:
		break;
	}
	return silent;
}

static struct redis_request *copy_request(const struct redis *s, struct arena *a)
{
	struct redis_request *r = arena_alloc(a, sizeof(*r));

	if (!r)
		return NULL;
	r->operation = arena_dup(a, (struct str){ s->command.name, s->command.name_n });
	r->text = arena_dup(a, (struct str){ s->command.text, s->command.text_n });
	r->db = s->db;
	return r;
}

/* The command is known as far as it will be. */
static void finish_command(struct redis *s, struct msg *out)
{
	bool silent;

	s->in_command = false;
	out->data = copy_request(s, out->arena);
	silent = apply_effect(s, out);
	out->kind = silent ? MSG_ONEWAY : MSG_REQUEST;
	s->requests += !silent;
}

/* Takes one argument. 1 taken; 0 not all there; 2 its bytes end beyond the input; -EPROTO. */
static int take_arg(struct redis *s, struct str *in, bool cut, size_t *beyond)
{
	struct str rest = *in;
	uint64_t n;
	int err = resp_count(&rest, '$', &n);

	if (err != 1)
		return err;
	if (rest.n >= n + 2) {
		redis_command_arg(&s->command, (struct str){ rest.p, n }, false);
		str_skip(&rest, n + 2);
		*in = rest;
		return 1;
	}
	if (!cut && n <= SKIP_BYTES)
		return 0;
	redis_command_arg(&s->command, (struct str){ rest.p, MIN(rest.n, (size_t)n) }, rest.n < n);
	*beyond = n + 2 - rest.n;
	*in = (struct str){ rest.p + rest.n, 0 };
	return 2;
}

static ssize_t parse_array(struct redis *s, struct str in, struct msg *out)
{
	const size_t all = in.n;
	size_t beyond = 0;
	uint64_t n;
	int got = 1;

	out->kind = MSG_REQUEST;
	if (!s->in_command) {
		got = resp_count(&in, '*', &n);
		if (got < 0)
			return got;
		if (got == 1 && n == 0) {
			out->kind = MSG_NONE;
			return (ssize_t)(all - in.n);
		}
		if (got == 1)
			redis_command_begin(&s->command, n);
		else if (out->cut)
			redis_command_begin(&s->command, 1);
		else
			return 0;
		s->in_command = out->begin = true;
	}
	while (got == 1 && s->command.i < s->command.n)
		got = take_arg(s, &in, out->cut, &beyond);
	if (got < 0)
		return got;
	out->end = s->command.i == s->command.n;
	out->partial = out->cut && !out->end;
	if (out->end || out->cut)
		finish_command(s, out);
	return (ssize_t)(out->cut && !out->end ? all : all - in.n + beyond);
}

/* The next word of an inline command; a quoted one (sdssplitargs() of Redis) with its quotes. */
static bool take_word(struct str *in, struct str *word)
{
	size_t n = 0;
	char quote = '\0';

	*in = str_trim(*in);
	while (n < in->n && (quote || in->p[n] != ' ')) {
		char c = in->p[n];

		if (quote && c == '\\' && n + 1 < in->n)
			n++;
		else if (quote ? c == quote : c == '"' || c == '\'')
			quote = quote ? '\0' : c;
		n++;
	}
	return n && take_bytes(in, n, word);
}

static void read_words(struct redis *s, struct str line)
{
	struct str words = line, word;
	uint64_t n = 0;

	while (take_word(&words, &word))
		n++;
	redis_command_begin(&s->command, n);
	while (take_word(&line, &word))
		redis_command_arg(&s->command, word, false);
}

static bool is_printable(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < ' ' || line.p[i] == 0x7f) && line.p[i] != '\t')
			return false;
	return true;
}

static ssize_t parse_inline(struct redis *s, struct str in, struct msg *out)
{
	const size_t all = in.n;
	struct str line;

	if (!str_cut(&in, '\n', &line)) {
		if (all >= RESP_LINE_MAX || !out->cut)
			return all >= RESP_LINE_MAX ? -EPROTO : 0;
		line = in;
		in.n = 0;
		out->partial = true;
	}
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	line = str_trim(line);
	if (!is_printable(line))
		return -EPROTO;
	if (line.n == 0)
		return (ssize_t)(all - in.n);	/* the server ignores it */
	read_words(s, line);
	finish_command(s, out);
	out->begin = true;
	out->end = !out->partial;
	return (ssize_t)(all - in.n);
}

ssize_t redis_parse_request(struct redis *s, struct str in, struct msg *out)
{
	return s->in_command || in.p[0] == '*' ? parse_array(s, in, out) : parse_inline(s, in, out);
}

static int sniff_array(struct str in)
{
	char name[REDIS_NAME_MAX] = { 0 };
	uint64_t n;
	int got = resp_count(&in, '*', &n);

	if (got != 1)
		return got ? 0 : -EAGAIN;
	if (in.n == 0)
		return -EAGAIN;
	got = resp_count(&in, '$', &n);
	if (got != 1)
		return got ? 0 : -EAGAIN;
	if (n >= REDIS_NAME_MAX || n == 0)
		return 0;
	if (in.n < n)
		return -EAGAIN;
	for (size_t i = 0; i < n; i++)
		name[i] = in.p[i] >= 'a' && in.p[i] <= 'z' ? (char)(in.p[i] - 32) : in.p[i];
	return redis_spec((struct str){ name, n }) ? 95 : 70;
}

/* A known command alone on its line: memcached's text looks alike, HTTP's does not end so. Only what health
 * checks send is sure enough by itself. */
static int sniff_inline(struct str in)
{
	struct redis_command c;
	struct str line;

	if (!resp_line(&in, &line) || !is_printable(line) || line.n > 256)
		return 0;
	for (size_t i = 0; i < line.n; i++)
		if (str_starts((struct str){ line.p + i, line.n - i }, STR(" HTTP/")))
			return 0;
	if (str_eq(line, STR("PING")))
		return 60;
	redis_command_begin(&c, 1);
	redis_command_arg(&c, (struct str){ line.p, str_find(line, ' ') }, false);
	return c.spec ? 30 : 0;
}

int redis_sniff_request(struct str in)
{
	return in.p[0] == '*' ? sniff_array(in) : sniff_inline(in);
}
