/* SPDX-License-Identifier: Apache-2.0 */
/* Small decisions about a span that both OTLP encodings make alike. */
#ifndef SONDE_EXPORT_OTLP_FLAGS_H
#define SONDE_EXPORT_OTLP_FLAGS_H

#include "span/span.h"

/* opentelemetry-proto, trace/v1/trace.proto, enum SpanFlags. */
#define SPAN_FLAGS_HAS_IS_REMOTE 0x100u
#define SPAN_FLAGS_IS_REMOTE 0x200u

/* A server's or consumer's parent is in another process; a client's is what its own process was doing. */
static inline uint32_t span_flags(const struct span *sp)
{
	bool remote = span_id_is_set(&sp->parent) && (sp->kind == SPAN_SERVER || sp->kind == SPAN_CONSUMER);

	return sp->flags | SPAN_FLAGS_HAS_IS_REMOTE | (remote ? SPAN_FLAGS_IS_REMOTE : 0);
}

/* The tracestate that came with the trace; of a trace that is not the span's it says nothing. */
static inline struct str span_tracestate(const struct span *sp)
{
	bool same = sp->wire.present && memcmp(&sp->wire.trace, &sp->trace, sizeof(sp->trace)) == 0;

	return same ? sp->wire.tracestate : (struct str){ 0 };
}

/* How the parent, or a link, was found, as attributes; returns how many (0 when method is NULL). */
static inline uint32_t link_attrs(struct attr out[2], const char *method, float confidence)
{
	if (!method)
		return 0;
	out[0] = (struct attr){ .key = ATTR_SONDE_LINK_METHOD, .type = ATTR_STR, .s = str_of(method) };
	out[1] = (struct attr){ .key = ATTR_SONDE_LINK_CONFIDENCE, .type = ATTR_DOUBLE, .d = confidence };
	return 2;
}

#endif
