/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as OTLP/JSON, one line. */
#include "export/otlp_flags.h"
#include "export/otlp_json.h"
#include "export/span_groups.h"

static void put_links(struct buf *b, const struct span *sp)
{
	struct attr attrs[2];

	if (!sp->n_links)
		return;
	buf_str(b, STR(",\"links\":["));
	for (uint32_t i = 0; i < sp->n_links; i++) {
		const struct span_link *l = &sp->links[i];

		json_comma(b, i == 0);
		buf_char(b, '{');
		json_id(b, "traceId", &l->trace, sizeof(l->trace));
		buf_char(b, ',');
		json_id(b, "spanId", &l->span, sizeof(l->span));
		buf_char(b, ',');
		json_attrs(b, attrs, link_attrs(attrs, l->method, l->confidence), NULL, 0);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void put_status(struct buf *b, const struct span *sp)
{
	if (sp->status == STATUS_UNSET)
		return;
	buf_str(b, STR(",\"status\":{"));
	if (sp->status_message.n) {
		json_text(b, "message", sp->status_message);
		buf_char(b, ',');
	}
	buf_printf(b, "\"code\":%d}", sp->status);
}

static void put_ids(struct buf *b, const struct span *sp)
{
	json_id(b, "traceId", &sp->trace, sizeof(sp->trace));
	buf_char(b, ',');
	json_id(b, "spanId", &sp->id, sizeof(sp->id));
	buf_char(b, ',');
	if (span_tracestate(sp).n) {
		json_text(b, "traceState", span_tracestate(sp));
		buf_char(b, ',');
	}
	if (span_id_is_set(&sp->parent)) {
		json_id(b, "parentSpanId", &sp->parent, sizeof(sp->parent));
		buf_char(b, ',');
	}
	buf_printf(b, "\"flags\":%u,", span_flags(sp));
}

static void put_span(struct buf *b, const struct span *sp)
{
	struct attr how[2];
	uint32_t n_how = link_attrs(how, sp->link_method, sp->link_confidence);

	buf_char(b, '{');
	put_ids(b, sp);
	json_text(b, "name", sp->name);
	buf_printf(b, ",\"kind\":%d,", sp->kind);
	json_u64(b, "startTimeUnixNano", sp->start_unix_ns);
	buf_char(b, ',');
	json_u64(b, "endTimeUnixNano", sp->end_unix_ns);
	buf_char(b, ',');
	json_attrs(b, sp->attrs, sp->n_attrs, how, n_how);
	if (sp->dropped_attrs)
		buf_printf(b, ",\"droppedAttributesCount\":%u", sp->dropped_attrs);
	put_links(b, sp);
	put_status(b, sp);
	buf_char(b, '}');
}

static void put_scope_spans(struct buf *b, const struct span_groups *gs, const struct span_group *g,
			    struct span *const *spans)
{
	json_scope_begin(b, g->protocol, "spans");
	for (uint32_t i = g->first; i != SPAN_NONE; i = gs->next[i]) {
		json_comma(b, i == g->first);
		put_span(b, spans[i]);
	}
	json_list_end(b);
}

int otlp_json_spans(struct buf *out, struct span *const *spans, size_t n, struct resources *r)
{
	_cleanup_(span_groups_release) struct span_groups gs = { 0 };
	int err = span_groups_make(&gs, spans, n);

	if (err)
		return err;
	buf_str(out, STR("{\"resourceSpans\":["));
	for (uint32_t i = 0; i < gs.n;) {
		uint32_t first = i, service = gs.groups[i].service;

		json_comma(out, first == 0);
		json_resource_begin(out, r, service, "scopeSpans");
		for (; i < gs.n && gs.groups[i].service == service; i++) {
			json_comma(out, i == first);
			put_scope_spans(out, &gs, &gs.groups[i], spans);
		}
		json_list_end(out);
	}
	buf_str(out, STR("]}\n"));
	return out->failed ? -ENOMEM : 0;
}
