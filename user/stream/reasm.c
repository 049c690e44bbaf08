/* SPDX-License-Identifier: Apache-2.0 */
/* reasm.h. A send claims more than the socket takes (EAGAIN, short write): the next firing then begins
 * inside the claim and shows the same bytes again, so the part below `next` is old. */
#include "stream/reasm.h"

void flow_open(struct flow *f, uint64_t pos)
{
	f->next = f->want = pos;
	f->n_marks = 0;
}

void flow_release(struct flow *f)
{
	free(f->bytes);
	f->bytes = NULL;
	f->n = f->size = 0;
}

uint64_t flow_gap(const struct flow *f, const struct segment *s)
{
	return s->pos > f->next ? s->pos - f->next : 0;
}

static void marks_drop_parsed(struct flow *f)
{
	uint32_t old = 0;

	while (old < f->n_marks && f->marks[old].end <= f->want)
		old++;
	f->n_marks -= old;
	memmove(f->marks, f->marks + old, f->n_marks * sizeof(f->marks[0]));
}

static void mark_add(struct flow *f, const struct segment *s)
{
	marks_drop_parsed(f);
	if (f->n_marks == FLOW_MARKS)
		f->n_marks--;
	f->marks[f->n_marks++] = (struct mark){
		.end = s->pos + s->len,
		.ts_ns = s->ts_ns,
		.task = s->task,
		.tgid = s->tgid,
		.tid = s->tid,
		.queue_ns = s->queue_ns,
		.len = s->len,
		.send = s->io == IO_SEND,
	};
}

bool flow_accept(struct flow *f, const struct segment *s, struct fresh *out)
{
	uint64_t old = f->next > s->pos ? f->next - s->pos : 0;

	if (old >= s->len)
		return false;
	out->pos = s->pos + old;
	out->end = s->pos + s->len;
	out->bytes = (struct str){ s->data, s->cap };
	str_skip(&out->bytes, old);
	f->next = out->end;
	mark_add(f, s);
	return true;
}

static int flow_append(struct flow *f, struct str more)
{
	uint32_t size = f->size ? f->size : 512;
	char *p;

	if (more.n > FLOW_BYTES_MAX - f->n)
		return -ENOBUFS;
	while (size < f->n + more.n)
		size *= 2;
	p = size == f->size ? f->bytes : realloc(f->bytes, size);
	if (!p)
		return -ENOMEM;
	f->bytes = p;
	f->size = size;
	memcpy(p + f->n, more.p, more.n);
	f->n += (uint32_t)more.n;
	return 0;
}

int flow_input(struct flow *f, const struct fresh *fresh, struct str *in)
{
	if (f->n) {
		int err = fresh->bytes.n ? flow_append(f, fresh->bytes) : 0;

		*in = (struct str){ f->bytes, f->n };
		return err;
	}
	*in = fresh->bytes;
	if (f->want > fresh->pos)
		str_skip(in, f->want - fresh->pos);
	return 0;
}

int flow_keep(struct flow *f, struct str rest)
{
	if (!rest.n) {
		flow_release(f);
		return 0;
	}
	if (f->n) {
		memmove(f->bytes, rest.p, rest.n);
		f->n = (uint32_t)rest.n;
		return 0;
	}
	return flow_append(f, rest);
}

void flow_jump(struct flow *f, uint64_t want)
{
	flow_release(f);
	f->want = want;
}

const struct mark *flow_mark(const struct flow *f, uint64_t pos)
{
	for (uint32_t i = 0; i < f->n_marks; i++)
		if (f->marks[i].end > pos)
			return &f->marks[i];
	return f->n_marks ? &f->marks[f->n_marks - 1] : NULL;
}
