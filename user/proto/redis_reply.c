/* SPDX-License-Identifier: Apache-2.0 */
/* Redis, server to client: one reply at a time, of any depth, and what comes unasked (pushes, messages of
 * subscriptions, MONITOR's lines), which belongs to no message. */
#include "proto/redis.h"

#include "proto/resp.h"

#define WORD_MAX 16		/* of the words that begin a message of a subscription */

/* The word before the first blank names the kind of error, in capitals by convention. */
static void keep_error(struct redis *s, struct str text)
{
	size_t n = 0;

	s->reply.failed = true;
	while (n < text.n && n < REDIS_ERROR_MAX && ((text.p[n] >= 'A' && text.p[n] <= 'Z') || text.p[n] == '_' ||
						 (n && text.p[n] >= '0' && text.p[n] <= '9')))
		n++;
	if (n == REDIS_ERROR_MAX || (n < text.n && text.p[n] != ' '))
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

	switch (resp_number(count, &n)) {
	case RESP_NULL:
		element_done(s);
		return 1;
	case RESP_STREAMED:
		if (type == '|' || s->depth + 1 == REDIS_NEST_MAX)
			return -EPROTO;
		s->left[++s->depth] = UINT64_MAX / 4;
		return 1;
	case RESP_NUMBER:
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

	switch (resp_number(count, &n)) {
	case RESP_NULL:
		element_done(s);
		return 1;
	case RESP_STREAMED:
		return type == '$' ? 1 : -EPROTO;	/* its parts follow as ;n, the last as ;0 */
	case RESP_NUMBER:
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

	if (!resp_line(&rest, &line))
		return in->n >= RESP_LINE_MAX ? -EPROTO : 0;
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
	if (!resp_line(&in, &line) || in.n == 0)
		return 0;
	if (in.p[0] == '+')
		return resp_line(&in, word) ? str_skip(word, 1), 1 : 0;
	if (in.p[0] != '$')
		return 1;
	if (!resp_line(&in, &line))
		return 0;
	str_skip(&line, 1);
	if (resp_number(line, &n) != RESP_NUMBER || n > WORD_MAX)
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

ssize_t redis_parse_reply(struct redis *s, struct str in, struct msg *out)
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

int redis_sniff_reply(struct str in)
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
