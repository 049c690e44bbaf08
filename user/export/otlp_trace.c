/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as an OTLP ExportTraceServiceRequest, written backwards (pb.h).
 * Field numbers: opentelemetry-proto, trace/v1/trace.proto. */
#include "export/otlp_flags.h"
#include "export/otlp_pb.h"
#include "export/span_groups.h"

enum { REQUEST_RESOURCE_SPANS = 1 };
enum { RESOURCE_SPANS_RESOURCE = 1, RESOURCE_SPANS_SCOPES = 2, RESOURCE_SPANS_SCHEMA_URL = 3 };
enum { SCOPE_SPANS_SCOPE = 1, SCOPE_SPANS_SPANS = 2, SCOPE_SPANS_SCHEMA_URL = 3 };
enum {
	SPAN_TRACE_ID = 1, SPAN_SPAN_ID, SPAN_TRACE_STATE, SPAN_PARENT_ID, SPAN_NAME, SPAN_KIND, SPAN_START,
	SPAN_END, SPAN_ATTRIBUTES, SPAN_DROPPED_ATTRIBUTES, SPAN_LINKS = 13, SPAN_STATUS = 15, SPAN_FLAGS
};
enum { LINK_TRACE_ID = 1, LINK_SPAN_ID = 2, LINK_ATTRIBUTES = 4 };
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };

static void put_status(struct pb *w, const struct span *sp)
{
	size_t mark = pb_mark(w);

	if (sp->status == STATUS_UNSET)
		return;
	pb_uint(w, STATUS_CODE, sp->status);
	if (sp->status_message.n)
		pb_string(w, STATUS_MESSAGE, sp->status_message);
	pb_message(w, SPAN_STATUS, mark);
}

static void put_link(struct pb *w, const struct span_link *l)
{
	size_t mark = pb_mark(w);
	struct attr attrs[2];

	pb_attrs(w, LINK_ATTRIBUTES, attrs, link_attrs(attrs, l->method, l->confidence));
	pb_bytes(w, LINK_SPAN_ID, &l->span, sizeof(l->span));
	pb_bytes(w, LINK_TRACE_ID, &l->trace, sizeof(l->trace));
	pb_message(w, SPAN_LINKS, mark);
}

static void put_attributes(struct pb *w, const struct span *sp)
{
	struct attr attrs[2];

	if (sp->dropped_attrs)
		pb_uint(w, SPAN_DROPPED_ATTRIBUTES, sp->dropped_attrs);
	pb_attrs(w, SPAN_ATTRIBUTES, attrs, link_attrs(attrs, sp->link_method, sp->link_confidence));
	pb_attrs(w, SPAN_ATTRIBUTES, sp->attrs, sp->n_attrs);
}

static void put_span(struct pb *w, const struct span *sp)
{
	size_t mark = pb_mark(w);

	pb_fixed32(w, SPAN_FLAGS, span_flags(sp));
	put_status(w, sp);
	for (uint32_t i = sp->n_links; i-- > 0;)
		put_link(w, &sp->links[i]);
	put_attributes(w, sp);
	pb_fixed64(w, SPAN_END, sp->end_unix_ns);
	pb_fixed64(w, SPAN_START, sp->start_unix_ns);
	pb_uint(w, SPAN_KIND, sp->kind);
	pb_string(w, SPAN_NAME, sp->name);
	if (span_id_is_set(&sp->parent))
		pb_bytes(w, SPAN_PARENT_ID, &sp->parent, sizeof(sp->parent));
	if (span_tracestate(sp).n)
		pb_string(w, SPAN_TRACE_STATE, span_tracestate(sp));
	pb_bytes(w, SPAN_SPAN_ID, &sp->id, sizeof(sp->id));
	pb_bytes(w, SPAN_TRACE_ID, &sp->trace, sizeof(sp->trace));
	pb_message(w, SCOPE_SPANS_SPANS, mark);
}

static void put_scope_spans(struct pb *w, const struct span_groups *gs, const struct span_group *g,
			    struct span *const *spans)
{
	size_t mark = pb_mark(w);

	pb_schema_url(w, SCOPE_SPANS_SCHEMA_URL);
	for (uint32_t i = g->first; i != SPAN_NONE; i = gs->next[i])
		put_span(w, spans[i]);
	pb_scope(w, SCOPE_SPANS_SCOPE, g->protocol);
	pb_message(w, RESOURCE_SPANS_SCOPES, mark);
}

int otlp_encode_spans(struct buf *out, struct span *const *spans, size_t n, struct resources *r)
{
	_cleanup_(span_groups_release) struct span_groups gs = { 0 };
	int err = span_groups_make(&gs, spans, n);
	struct pb w;

	if (err)
		return err;
	pb_begin(&w, out);
	for (uint32_t i = gs.n; i > 0;) {
		uint32_t service = gs.groups[i - 1].service;
		size_t mark = pb_mark(&w);

		pb_schema_url(&w, RESOURCE_SPANS_SCHEMA_URL);
		for (; i > 0 && gs.groups[i - 1].service == service; i--)
			put_scope_spans(&w, &gs, &gs.groups[i - 1], spans);
		pb_resource(&w, RESOURCE_SPANS_RESOURCE, r, service);
		pb_message(&w, REQUEST_RESOURCE_SPANS, mark);
	}
	pb_end(&w);
	return out->failed ? -ENOMEM : 0;
}
