/* SPDX-License-Identifier: Apache-2.0 */
/* postgresql_statements.h: a small array, searched in order. */
#include "proto/postgresql_statements.h"

#include "base/hash.h"

#define SEED 0x70677371ull

static uint64_t name_hash(struct str name)
{
	return hash_bytes(SEED, name.p, name.n);
}

static void statement_free(struct pg_statements *p, struct pg_statement *s)
{
	p->bytes -= s->n;
	free(s->text);
	*s = (struct pg_statement){ 0 };
}

static struct pg_statement *find_name(struct pg_statements *p, uint64_t name)
{
	for (size_t i = 0; i < PG_STATEMENTS_MAX; i++)
		if (p->statement[i].name == name)
			return &p->statement[i];
	return NULL;
}

static struct pg_statement *find_oldest(struct pg_statements *p)
{
	struct pg_statement *oldest = NULL;

	for (size_t i = 0; i < PG_STATEMENTS_MAX; i++) {
		struct pg_statement *s = &p->statement[i];

		if (s->name && (!oldest || s->used < oldest->used))
			oldest = s;
	}
	return oldest;
}

/* A free place with room for n bytes of text. */
static struct pg_statement *make_room(struct pg_statements *p, size_t n)
{
	struct pg_statement *s;

	while (p->bytes + n > PG_STATEMENTS_BYTES && (s = find_oldest(p)))
		statement_free(p, s);
	s = find_name(p, 0);
	if (s)
		return s;
	s = find_oldest(p);
	statement_free(p, s);
	return s;
}

uint64_t pg_prepare(struct pg_statements *p, struct str name, struct str text)
{
	uint64_t hash = name_hash(name);
	struct pg_statement *s = find_name(p, hash);
	char *copy;

	if (s)
		statement_free(p, s);
	text.n = MIN(text.n, (size_t)PG_TEXT_MAX);
	copy = malloc(text.n + 1);
	if (!copy)
		return 0;
	memcpy(copy, text.p, text.n);
	s = make_room(p, text.n);
	p->clock++;
	*s = (struct pg_statement){ .name = hash, .serial = p->clock, .used = p->clock, .text = copy,
				    .n = (uint32_t)text.n };
	p->bytes += text.n;
	return s->serial;
}

uint64_t pg_bind(struct pg_statements *p, struct str portal, struct str statement)
{
	uint64_t hash = name_hash(portal);
	struct pg_statement *s = find_name(p, name_hash(statement));
	size_t i = 0;

	while (i < PG_PORTALS_MAX && p->portals[i].name != hash)
		i++;
	if (i == PG_PORTALS_MAX)
		i = p->next_portal++ % PG_PORTALS_MAX;
	p->portals[i].name = hash;
	p->portals[i].serial = s ? s->serial : 0;
	return p->portals[i].serial;
}

struct str pg_text(struct pg_statements *p, uint64_t serial)
{
	for (size_t i = 0; serial && i < PG_STATEMENTS_MAX; i++) {
		struct pg_statement *s = &p->statement[i];

		if (s->serial != serial)
			continue;
		s->used = ++p->clock;
		return (struct str){ s->text, s->n };
	}
	return (struct str){ 0 };
}

struct str pg_portal_text(struct pg_statements *p, struct str portal)
{
	uint64_t hash = name_hash(portal);

	for (size_t i = 0; i < PG_PORTALS_MAX; i++)
		if (p->portals[i].name == hash)
			return pg_text(p, p->portals[i].serial);
	return (struct str){ 0 };
}

void pg_forget(struct pg_statements *p, struct str name)
{
	struct pg_statement *s = find_name(p, name_hash(name));

	if (s)
		statement_free(p, s);
}

void pg_statements_release(struct pg_statements *p)
{
	for (size_t i = 0; i < PG_STATEMENTS_MAX; i++)
		free(p->statement[i].text);
	*p = (struct pg_statements){ 0 };
}
