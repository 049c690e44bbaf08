/* SPDX-License-Identifier: Apache-2.0 */
/* db.h: from a call to attributes. */
#include "proto/db.h"

#include "proto/common.h"

/* {summary}, else {operation} {target}, else {target}, else {system} (database-spans.md, "Name"). */
static struct str call_name(const struct db_call *call, struct arena *a)
{
	struct str target = call->collection.n ? call->collection : call->procedure;

	if (call->summary.n)
		return call->summary;
	if (target.n == 0 && call->namespace_in_name)
		target = call->namespace;
	if (call->operation.n && target.n)
		return arena_printf(a, "%.*s %.*s", (int)call->operation.n, call->operation.p, (int)target.n, target.p);
	if (call->operation.n)
		return call->operation;
	return target.n ? target : str_of(call->system);
}

int db_describe(const struct exchange *x, const struct db_call *call, struct span *sp)
{
	int err = proto_describe_kind(x, sp);

	if (err)
		return err;
	sp->instrument = sp->kind == SPAN_CLIENT ? INSTRUMENT_DB_CLIENT : INSTRUMENT_NONE;
	sp->name = call_name(call, &sp->arena);
	if (!sp->name.p)
		return -ENOMEM;
	span_str(sp, ATTR_DB_SYSTEM_NAME, str_of(call->system), true);
	span_str(sp, ATTR_DB_NAMESPACE, call->namespace, true);
	span_str(sp, ATTR_DB_OPERATION_NAME, call->operation, true);
	span_str(sp, ATTR_DB_COLLECTION_NAME, call->collection, true);
	span_str(sp, ATTR_DB_STORED_PROCEDURE_NAME, call->procedure, true);
	span_str(sp, ATTR_DB_QUERY_SUMMARY, call->summary, true);
	span_str(sp, ATTR_DB_QUERY_TEXT, call->text, false);
	span_str(sp, ATTR_DB_RESPONSE_STATUS_CODE, call->status_code, true);
	if (call->batch_size > 1)
		span_int(sp, ATTR_DB_OPERATION_BATCH_SIZE, call->batch_size, false);
	if (call->returned_rows >= 0)
		span_int(sp, ATTR_DB_RESPONSE_RETURNED_ROWS, call->returned_rows, false);
	if (call->error.n) {
		sp->status = STATUS_ERROR;	/* without a message: it may quote data */
		span_str(sp, ATTR_ERROR_TYPE, call->error, true);
	}
	proto_describe_server(x, sp, (struct str){ 0 }, 0);
	proto_describe_network(x, sp, (struct str){ 0 });
	proto_describe_end(x, sp);
	if (call->cut)
		span_bool(sp, ATTR_SONDE_HEAD_CUT, true);
	return 0;
}
