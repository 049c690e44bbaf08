/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: RESP2 and RESP3 (redis.io, "Redis serialization protocol specification").
 *
 * In:  bytes of either direction. Out: one message per command and per reply, pipelined or not. What the
 * server sends unasked (pushes, pub/sub messages, MONITOR's lines) belongs to no message. Nothing of a value
 * is kept: redis_command.c. */
#include "proto/db.h"
#include "proto/proto.h"
#include "proto/redis_command.h"

#define LINE_MAX 65536		/* of an inline command or a simple string (PROTO_INLINE_MAX_SIZE) */
#define NUMBER_MAX (1ull << 32)	/* larger counts and lengths are no RESP */
#define SKIP_BYTES 512		/* longer strings are not waited for */
#define NEST_MAX 8		/* streamed aggregates within each other */
#define ERROR_MAX 32
#define WORD_MAX 16

struct redis_request {
	struct str operation, text;
	int db;			/* number + 1, 0 unknown */
};

struct redis_reply {
	bool failed;
	size_t error_n;
	char error[ERROR_MAX];	/* the error's prefix; empty when it has none */
};

struct redis {
	/* client to server */
	struct redis_command command;
	bool in_command;
	bool quiet, quiet_next;		/* CLIENT REPLY OFF, SKIP */
	/* server to client */
	struct redis_reply reply;
	bool in_reply, is_push;
	unsigned depth;			/* of streamed aggregates, whose length comes last */
	uint64_t left[NEST_MAX];	/* elements still to come at each depth */
	/* both */
	bool resp3, subscribed, monitor;
	uint32_t confirms;		/* SUBSCRIBE and its kind whose first confirmation is still to come */
	int db, db_before;		/* number + 1, 0 unknown */
	uint64_t requests, replies;	/* counted to know the answer of a SELECT */
	uint64_t select_at;		/* 0: none is unanswered */
};

/* ---- words of the protocol ------------------------------------------------------------------ */

/* Takes a line without its CRLF. False: it is not whole. */
static bool take_line(struct str *in, struct str *line)
{
	const char *cr = in->n ? memmem(in->p, in->n, "\r\n", 2) : NULL;

	if (!cr)
		return false;
	*line = (struct str){ in->p, (size_t)(cr - in->p) };
	str_skip(in, line->n + 2);
	return true;
}

enum number { NUMBER_OK, NUMBER_NULL /* -1 */, NUMBER_STREAMED /* ? */, NUMBER_BAD };

static enum number read_number(struct str s, uint64_t *n)
{
	if (str_eq(s, STR("-1")))
		return NUMBER_NULL;
	if (str_eq(s, STR("?")))
		return NUMBER_STREAMED;
	return str_to_u64(s, n) && *n < NUMBER_MAX ? NUMBER_OK : NUMBER_BAD;
}

/* "$5\r\n" or "*3\r\n": 1 with the count, 0 when the line is not whole, -EPROTO. */
static int take_count(struct str *in, char type, uint64_t *n)
{
	struct str line;

	if (in->n && in->p[0] != type)
		return -EPROTO;
	if (!take_line(in, &line))
		return in->n > 24 ? -EPROTO : 0;
	str_skip(&line, 1);
	return read_number(line, n) == NUMBER_OK ? 1 : -EPROTO;
}

/* ---- commands ------------------------------------------------------------------------------- */

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
	int err = take_count(&rest, '$', &n);

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
		got = take_count(&in, '*', &n);
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
		if (all >= LINE_MAX || !out->cut)
			return all >= LINE_MAX ? -EPROTO : 0;
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

/* ---- replies -------------------------------------------------------------------------------- */

/* The word before the first blank names the kind of error, in capitals by convention. */
static void keep_error(struct redis *s, struct str text)
{
	size_t n = 0;

	s->reply.failed = true;
	while (n < text.n && n < ERROR_MAX && ((text.p[n] >= 'A' && text.p[n] <= 'Z') || text.p[n] == '_' ||
						 (n && text.p[n] >= '0' && text.p[n] <= '9')))
		n++;
	if (n == ERROR_MAX || (n < text.n && text.p[n] != ' '))
		n = 0;
	s->reply.error_n = n;
	memcpy(s->reply.error, text.p, n);
}

static void element_done(struct redis *s)
{
	if (s->left[s->depth])
		s->left[s->depth]--;
}

static void elements_add(struct redis *s, uint64_t n)
{
	s->left[s->depth] = MIN(s->left[s->depth] + n, UINT64_MAX / 4);
}

static int begin_aggregate(struct redis *s, struct str count, char type)
{
	uint64_t n = 0;

	switch (read_number(count, &n)) {
	case NUMBER_NULL:
		element_done(s);
		return 1;
	case NUMBER_STREAMED:
		if (type == '|' || s->depth + 1 == NEST_MAX)
			return -EPROTO;
		s->left[++s->depth] = UINT64_MAX / 4;
		return 1;
	case NUMBER_OK:
		if (type != '|')	/* attributes come before the element that they are about */
			element_done(s);
		elements_add(s, type == '%' || type == '|' ? 2 * n : n);
		return 1;
	default:
		return -EPROTO;
	}
}

/* A string of known length; `first`: it is the reply itself. 1, or 2 when it ends beyond the input. */
static int skip_string(struct redis *s, struct str *in, uint64_t n, bool error, size_t *beyond)
{
	if (error)
		keep_error(s, (struct str){ in->p, MIN(in->n, (size_t)n) });
	*beyond = in->n < n + 2 ? n + 2 - in->n : 0;
	str_skip(in, n + 2);
	return *beyond ? 2 : 1;
}

static int take_string(struct redis *s, struct str *in, struct str count, char type, bool first, size_t *beyond)
{
	uint64_t n;

	switch (read_number(count, &n)) {
	case NUMBER_NULL:
		element_done(s);
		return 1;
	case NUMBER_STREAMED:
		return type == '$' ? 1 : -EPROTO;	/* its parts follow as ;n, the last as ;0 */
	case NUMBER_OK:
		break;
	default:
		return -EPROTO;
	}
	if (type != ';' || n == 0)
		element_done(s);
	if (type == ';' && n == 0)
		return 1;
	return skip_string(s, in, n, type == '!' && first, beyond);
}

/* Takes one element. 1 taken; 0 not all there; 2 its bytes end beyond the input; -EPROTO. */
static int take_element(struct redis *s, struct str *in, bool first, size_t *beyond)
{
	struct str rest = *in, line;
	char type;
	int got;

	if (!take_line(&rest, &line))
		return in->n >= LINE_MAX ? -EPROTO : 0;
	if (line.n == 0)
		return -EPROTO;
	type = line.p[0];
	str_skip(&line, 1);
	switch (type) {
	case '-':
		if (first)
			keep_error(s, line);
		/* fallthrough */
	case '+': case ':': case ',': case '#': case '(': case '_':
		element_done(s);
		got = 1;
		break;
	case '$': case '!': case '=': case ';':
		got = take_string(s, &rest, line, type, first, beyond);
		break;
	case '*': case '~': case '>': case '%': case '|':
		got = begin_aggregate(s, line, type);
		break;
	case '.':
		if (s->depth == 0)
			return -EPROTO;
		s->depth--;
		element_done(s);
		got = 1;
		break;
	default:
		return -EPROTO;
	}
	*in = rest;
	return got;
}

/* The first string of an array: 1 with the word (empty when there is none or it is long), 0 when it is not
 * all there. */
static int peek_word(struct str in, struct str *word)
{
	struct str line;
	uint64_t n;

	*word = (struct str){ 0 };
	if (!take_line(&in, &line) || in.n == 0)
		return 0;
	if (in.p[0] == '+')
		return take_line(&in, word) ? str_skip(word, 1), 1 : 0;
	if (in.p[0] != '$')
		return 1;
	if (!take_line(&in, &line))
		return 0;
	str_skip(&line, 1);
	if (read_number(line, &n) != NUMBER_OK || n > WORD_MAX)
		return 1;
	return take_bytes(&in, n, word);
}

enum unasked { ASKED, UNASKED, CONFIRMATION, UNDECIDED };

static enum unasked array_kind(struct str in)
{
	static const char *const confirmations[] = {
		"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe",
	};
	bool push = in.p[0] == '>';
	struct str word;

	if (!peek_word(in, &word))
		return UNDECIDED;
	for (size_t i = 0; i < ARRAY_SIZE(confirmations); i++)
		if (str_eq(word, str_of(confirmations[i])))
			return CONFIRMATION;
	if (push || str_eq(word, STR("message")) || str_eq(word, STR("pmessage")) || str_eq(word, STR("smessage")))
		return UNASKED;
	return ASKED;
}

/* A reply that no command asked for? SUBSCRIBE a b is answered once per channel: the first one is its reply. */
static enum unasked reply_kind(struct redis *s, struct str in)
{
	enum unasked kind = ASKED;

	s->resp3 |= in.p[0] == '>' || in.p[0] == '%' || in.p[0] == '_';
	if (in.p[0] == '>' || (in.p[0] == '*' && s->subscribed && !s->resp3))
		kind = array_kind(in);
	else if (in.p[0] == '+' && s->monitor && in.n < 2)
		kind = UNDECIDED;
	else if (in.p[0] == '+' && s->monitor)
		kind = in.p[1] >= '0' && in.p[1] <= '9' ? UNASKED : ASKED;	/* +1339518083.107412 [0 ... */
	if (kind != CONFIRMATION)
		return kind;
	if (s->confirms == 0)
		return UNASKED;
	s->confirms--;
	return ASKED;
}

static void begin_reply(struct redis *s, enum unasked kind, struct msg *out)
{
	s->in_reply = true;
	s->is_push = kind != ASKED;
	s->reply = (struct redis_reply){ 0 };
	s->depth = 0;
	s->left[0] = 1;
	out->begin = !s->is_push;
}

static void finish_reply(struct redis *s)
{
	s->in_reply = false;
	if (s->is_push)
		return;
	if (++s->replies == s->select_at && s->reply.failed)
		s->db = s->db_before;
}

static ssize_t parse_reply(struct redis *s, struct str in, struct msg *out)
{
	const size_t all = in.n;
	bool first = !s->in_reply;
	size_t beyond = 0;
	int got = 1;

	if (first) {
		enum unasked kind = reply_kind(s, in);

		if (kind == UNDECIDED && !out->cut)
			return 0;
		begin_reply(s, kind, out);
	}
	while (got == 1 && (s->depth || s->left[0])) {
		got = take_element(s, &in, first, &beyond);
		first = first && got == 0;
	}
	if (got < 0)
		return got;
	if (all == in.n && !out->cut) {
		s->in_reply &= !out->begin;
		return 0;
	}
	out->end = s->depth == 0 && s->left[0] == 0;
	if (out->end)
		finish_reply(s);
	if (!s->is_push) {
		out->kind = MSG_RESPONSE;
		out->data = arena_alloc(out->arena, sizeof(s->reply));
		if (out->data)
			memcpy(out->data, &s->reply, sizeof(s->reply));
	}
	return (ssize_t)(out->cut && !out->end ? all : all - in.n + beyond);
}

static ssize_t redis_parse(void *state, const struct proto_options *opt, enum dir dir, struct str in, struct msg *out)
{
	struct redis *s = state;

	(void)opt;
	if (in.n == 0)
		return 0;
	if (dir == DIR_RESPONSE)
		return parse_reply(s, in, out);
	return s->in_command || in.p[0] == '*' ? parse_array(s, in, out) : parse_inline(s, in, out);
}

static void redis_resync(void *state, enum dir dir)
{
	struct redis *s = state;

	s->select_at = 0;
	s->quiet_next = false;
	if (dir == DIR_REQUEST) {
		s->in_command = false;
		return;
	}
	s->in_reply = false;
	s->confirms = 0;
}

/* ---- sniffing ------------------------------------------------------------------------------- */

static int sniff_array(struct str in)
{
	char name[REDIS_NAME_MAX] = { 0 };
	uint64_t n;
	int got = take_count(&in, '*', &n);

	if (got != 1)
		return got ? 0 : -EAGAIN;
	if (in.n == 0)
		return -EAGAIN;
	got = take_count(&in, '$', &n);
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

	if (!take_line(&in, &line) || !is_printable(line) || line.n > 256)
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

static int sniff_reply(struct str in)
{
	struct redis s = { .left = { 1 } };
	size_t beyond = 0;
	char type = in.p[0];
	int got;

	if (!memchr("+-:,#(_$!=*~>%|", type, 15))
		return 0;
	got = take_element(&s, &in, true, &beyond);
	if (got == 0)
		return in.n < 64 ? -EAGAIN : 0;
	if (got < 0)
		return 0;
	if (type == '-')
		return s.reply.error_n ? 45 : 0;	/* other protocols answer -ERR and +OK too */
	if (got == 2 || in.n == 0)	/* one element, or the head of one */
		return type == '+' || type == ':' ? 40 : 75;
	return take_element(&s, &in, false, &beyond) < 0 ? 0 : 80;
}

static int redis_sniff(struct str head, enum dir dir)
{
	if (head.n == 0)
		return -EAGAIN;
	if (dir == DIR_RESPONSE)
		return sniff_reply(head);
	return head.p[0] == '*' ? sniff_array(head) : sniff_inline(head);
}

/* ---- meaning -------------------------------------------------------------------------------- */

static int redis_describe(const struct exchange *x, const struct proto_options *opt, struct span *sp)
{
	const struct redis_request *q = x->request.data;
	const struct redis_reply *r = x->response.data;
	struct db_call call = { .system = "redis", .returned_rows = -1, .batch_size = -1, .cut = x->request.cut };

	(void)opt;
	sp->protocol = "redis";
	if (q) {
		call.operation = arena_dup(&sp->arena, q->operation);
		call.text = arena_dup(&sp->arena, q->text);
		if (q->db)
			call.namespace = arena_printf(&sp->arena, "%d", q->db - 1);
	}
	if (r && r->failed) {
		call.status_code = arena_dup(&sp->arena, (struct str){ r->error, r->error_n });
		call.error = r->error_n ? call.status_code : STR("_OTHER");
	}
	return db_describe(x, &call, sp);
}

const struct proto proto_redis = {
	.name = "redis",
	.ports = { 6379 },
	.state_size = sizeof(struct redis),
	.sniff = redis_sniff,
	.parse = redis_parse,
	.resync = redis_resync,
	.describe = redis_describe,
};
