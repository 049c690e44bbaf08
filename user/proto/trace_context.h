/* SPDX-License-Identifier: Apache-2.0 */
/* Trace context as header values, whatever protocol carried them. Pure: values in, ids out. All return
 * false, and leave *out alone, when the value names no trace. */
#ifndef SONDE_PROTO_TRACE_CONTEXT_H
#define SONDE_PROTO_TRACE_CONTEXT_H

#include "span/span.h"

/* W3C Trace Context level 1 and 2. tracestate is taken as it is, as a view (may be empty). */
bool trace_context_w3c(struct str traceparent, struct str tracestate, struct trace_context *out);

/* B3 in one header: trace-span[-sampled[-parent]]; "0", "1" and "d" alone name no trace. */
bool trace_context_b3(struct str b3, struct trace_context *out);

/* B3 in several: X-B3-TraceId, -SpanId, -Sampled, -Flags; the last two may be empty. */
bool trace_context_b3_multi(struct str trace, struct str span, struct str sampled, struct str flags,
			    struct trace_context *out);

#endif
