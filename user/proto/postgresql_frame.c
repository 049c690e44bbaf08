/* SPDX-License-Identifier: Apache-2.0 */
/* postgresql_frame.h. */
#include "proto/postgresql_frame.h"

#define FRAME_MAX (1u << 30)	/* larger lengths are no messages (MaxAllocSize) */

/* The length counts itself but not the type byte. */
int pg_read_frame(struct str in, struct pg_frame *f)
{
	uint8_t type;
	uint32_t len;

	if (!take_u8(&in, &type) || !take_u32be(&in, &len))
		return 0;
	if (len < 4 || len > FRAME_MAX)
		return -EPROTO;
	f->type = (char)type;
	f->size = 1 + (size_t)len;
	f->whole = in.n >= len - 4;
	f->body = (struct str){ in.p, MIN(in.n, (size_t)len - 4) };
	return 1;
}

struct str pg_take_text(struct str *body)
{
	struct str s;

	if (take_cstr(body, &s))
		return s;
	s = *body;
	body->n = 0;
	return s;
}

enum pg_class pg_frontend_class(char type)
{
	static const uint8_t classes[128] = {
		['Q'] = PG_FRAME_QUERY, ['F'] = PG_FRAME_FUNCTION, ['S'] = PG_FRAME_SYNC,
		['P'] = PG_FRAME_BATCH, ['B'] = PG_FRAME_BATCH, ['D'] = PG_FRAME_BATCH, ['E'] = PG_FRAME_BATCH,
		['C'] = PG_FRAME_BATCH, ['H'] = PG_FRAME_BATCH,
		['d'] = PG_FRAME_COPY, ['c'] = PG_FRAME_COPY, ['f'] = PG_FRAME_COPY,
		['p'] = PG_FRAME_QUIET,	/* passwords */
		['X'] = PG_FRAME_QUIET,
	};

	return type & 0x80 ? PG_FRAME_BAD : classes[(uint8_t)type];
}

enum pg_class pg_backend_class(char type)
{
	static const uint8_t classes[128] = {
		['R'] = PG_FRAME_ANSWER, ['K'] = PG_FRAME_ANSWER, ['v'] = PG_FRAME_ANSWER, ['Z'] = PG_FRAME_ANSWER,
		['T'] = PG_FRAME_ANSWER, ['C'] = PG_FRAME_ANSWER, ['I'] = PG_FRAME_ANSWER, ['E'] = PG_FRAME_ANSWER,
		['1'] = PG_FRAME_ANSWER, ['2'] = PG_FRAME_ANSWER, ['3'] = PG_FRAME_ANSWER, ['n'] = PG_FRAME_ANSWER,
		['t'] = PG_FRAME_ANSWER, ['s'] = PG_FRAME_ANSWER, ['G'] = PG_FRAME_ANSWER, ['H'] = PG_FRAME_ANSWER,
		['W'] = PG_FRAME_ANSWER, ['c'] = PG_FRAME_ANSWER,
		['D'] = PG_FRAME_BULK, ['d'] = PG_FRAME_BULK, ['V'] = PG_FRAME_BULK,
		['N'] = PG_FRAME_ASYNC, ['S'] = PG_FRAME_ASYNC, ['A'] = PG_FRAME_ASYNC,
	};

	return type & 0x80 ? PG_FRAME_BAD : classes[(uint8_t)type];
}

bool pg_is_startup(uint32_t code)
{
	return code >> 16 == 3 && (code & 0xffff) <= 9999;
}

/* ---- sniffing ------------------------------------------------------------------------------- */

/* Does the body look like what the type says? Only what cannot be otherwise is checked. */
static bool frontend_plausible(const struct pg_frame *f)
{
	struct str body = f->body;
	bool text = body.n == 0 || (body.p[0] & 0x80) || (uint8_t)body.p[0] >= '\t';

	switch (f->type) {
	case 'Q':
		return f->size > 5 && f->whole && body.n ? body.p[body.n - 1] == '\0' && (body.n == 1 || text) : text;
	case 'S': case 'H': case 'X': case 'c':
		return f->size == 5;
	case 'D': case 'C':
		return body.n == 0 || body.p[0] == 'S' || body.p[0] == 'P';
	case 'P':
		return f->size >= 9;
	case 'B':
		return f->size >= 13;
	case 'E':
		return f->size >= 10 && f->size < 300;
	default:
		return true;
	}
}

static bool backend_plausible(const struct pg_frame *f)
{
	switch (f->type) {
	case 'Z':
		return f->size == 6 && (f->body.n == 0 || memchr("ITE", f->body.p[0], 3));
	case '1': case '2': case '3': case 'n': case 'I': case 's': case 'c':
		return f->size == 5;
	case 'E': case 'N':
		return f->body.n == 0 || f->body.p[0] == 'S';	/* the severity comes first */
	case 'C':
		return f->size < 80 && (f->body.n == 0 || (f->body.p[0] >= 'A' && f->body.p[0] <= 'Z'));
	case 'K':
		return f->size >= 13;
	default:
		return f->size > 5;
	}
}

/* Walks the messages that are there. Two that fit are sure, one is likely. */
static int sniff_frames(struct str head, enum dir dir)
{
	int whole = 0;
	struct pg_frame f;

	while (head.n) {
		bool ask = dir == DIR_REQUEST;
		int got = pg_read_frame(head, &f);

		if (got < 0 || (ask ? pg_frontend_class(head.p[0]) : pg_backend_class(head.p[0])) == PG_FRAME_BAD)
			return 0;
		if (got == 0)
			break;
		if (!(ask ? frontend_plausible(&f) : backend_plausible(&f)))
			return 0;
		if (!f.whole)
			return whole ? 85 : f.type == 'Q' || f.type == 'P' || f.type == 'T' ? 60 : 30;
		whole++;
		str_skip(&head, f.size);
		if (dir == DIR_RESPONSE && f.type == 'Z')
			return 95;
	}
	if (whole == 0)
		return -EAGAIN;
	return whole > 1 || f.type == 'Q' ? 90 : 45;
}

static int sniff_untyped(struct str head)
{
	uint32_t len, code;

	if (head.n < 8)
		return -EAGAIN;
	take_u32be(&head, &len);
	take_u32be(&head, &code);
	if (len < 8 || len > PG_STARTUP_MAX)
		return 0;
	if (code == PG_CODE_SSL || code == PG_CODE_GSSENC)
		return len == 8 ? 100 : 0;
	if (code == PG_CODE_CANCEL)
		return 100;
	return pg_is_startup(code) && len > 8 ? 95 : 0;
}

int pg_sniff(struct str head, enum dir dir)
{
	if (head.n == 0)
		return -EAGAIN;
	if (dir == DIR_REQUEST && head.p[0] == '\0')
		return sniff_untyped(head);
	return sniff_frames(head, dir);
}
