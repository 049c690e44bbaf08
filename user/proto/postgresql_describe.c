/* SPDX-License-Identifier: Apache-2.0 */
/* What a PostgreSQL exchange means: one statement, a text of several, or a batch of the extended protocol. */
#include "proto/postgresql.h"

#include "proto/db.h"
#include "proto/sql.h"

/* Drivers put BEGIN in front of the first statement: that makes no batch of it. */
static bool is_transaction_control(struct str operation)
{
	static const char *const words[] = {
		"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq_nocase(operation, str_of(words[i])))
			return true;
	return false;
}

struct batch {
	struct sql sql[PG_TEXTS_MAX];
	const struct sql *first;	/* the first that is no transaction control, else the first */
	uint32_t operations;		/* executed, transaction control not counted */
	bool same_operation, same_summary;
};

/* What the texts have in common. */
static void batch_compare(const struct pg_request *q, struct batch *b)
{
	uint32_t known = 0;

	b->operations = q->executed;
	b->first = NULL;
	b->same_operation = b->same_summary = true;
	for (uint32_t i = 0; i < q->n_texts; i++) {
		const struct sql *sql = &b->sql[i];

		known += q->texts[i].executed;
		if (is_transaction_control(sql->operation)) {
			b->operations -= q->texts[i].executed;
			continue;
		}
		b->first = b->first ? b->first : sql;
		b->same_operation &= str_eq(sql->operation, b->first->operation);
		b->same_summary &= str_eq(sql->summary, b->first->summary);
	}
	b->first = b->first ? b->first : &b->sql[0];
	if (known < q->executed)	/* the others may be anything */
		b->same_operation = b->same_summary = false;
}

static int batch_read(const struct pg_request *q, struct arena *a, struct batch *b)
{
	for (uint32_t i = 0; i < q->n_texts; i++) {
		int err = sql_read(q->texts[i].text, q->backslash, a, &b->sql[i]);

		if (err)
			return err;
	}
	batch_compare(q, b);
	return 0;
}

/* The texts of all, with the separator that the conventions propose. */
static struct str batch_text(const struct pg_request *q, const struct batch *b, struct arena *a)
{
	struct str text = b->sql[0].text;

	for (uint32_t i = 1; i < q->n_texts; i++)
		text = arena_printf(a, "%.*s; %.*s", (int)text.n, text.p, (int)b->sql[i].text.n, b->sql[i].text.p);
	return text;
}

static struct str prefixed(struct arena *a, const char *prefix, struct str s)
{
	return s.n ? arena_printf(a, "%s %.*s", prefix, (int)s.n, s.p) : str_of(prefix);
}

static int describe_texts(const struct pg_request *q, struct arena *a, struct db_call *call)
{
	struct batch b;
	int err = batch_read(q, a, &b);

	if (err)
		return err;
	call->text = batch_text(q, &b, a);
	call->summary = b.first->summary;
	call->operation = b.first->operation;
	call->collection = b.first->collection;
	call->procedure = b.first->procedure;
	if (q->call == PG_BATCH && q->executed == 0) {
		call->operation = STR("PREPARE");
		call->summary = prefixed(a, "PREPARE", call->summary);
	} else if (b.operations > 1) {
		call->batch_size = b.operations;
		call->operation = prefixed(a, "BATCH", b.same_operation ? call->operation : (struct str){ 0 });
		call->summary = prefixed(a, "BATCH", b.same_summary ? call->summary : (struct str){ 0 });
		if (!b.same_summary)
			call->collection = call->procedure = (struct str){ 0 };
	}
	return 0;
}

static int describe_request(const struct pg_request *q, struct arena *a, struct db_call *call)
{
	call->namespace = arena_dup(a, q->database);
	if (q->n_texts)
		return describe_texts(q, a, call);
	if (q->executed > 1)
		call->batch_size = q->executed;
	return 0;
}

int pg_describe(const struct exchange *x, const struct proto_options *opt, struct span *sp)
{
	const struct pg_request *q = x->request.data;
	const struct pg_response *r = x->response.data;
	bool failed = r && r->failed;
	struct db_call call = {
		.system = "postgresql", .returned_rows = r ? r->rows : -1, .batch_size = -1,
		.namespace_in_name = true, .cut = x->request.cut,
	};
	int err;

	(void)opt;
	/* Getting connected, a lone Sync and closing a statement are no calls; failing to connect is told. */
	if (q && (q->call == PG_CANCEL || (q->call == PG_STARTUP && !failed)))
		return -ENOENT;
	if (q && q->call == PG_BATCH && q->n_texts == 0 && q->executed == 0 && !failed && !x->request.cut)
		return -ENOENT;
	sp->protocol = "postgresql";
	err = q ? describe_request(q, &sp->arena, &call) : 0;
	if (err)
		return err;
	if (failed) {
		call.status_code = arena_dup(&sp->arena, str_of(r->sqlstate));
		call.error = call.status_code.n ? call.status_code : STR("_OTHER");
	}
	return db_describe(x, &call, sp);
}
