/* SPDX-License-Identifier: Apache-2.0 */
/* trace_context.h: W3C Trace Context (w3.org/TR/trace-context) and B3 (openzipkin/b3-propagation). */
#include "proto/trace_context.h"

#define SAMPLED 1

static int digit_of(char c, bool upper)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (upper && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Exactly 2 * n digits into n bytes. */
static bool hex_bytes(struct str s, uint8_t *out, size_t n, bool upper)
{
	if (s.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = digit_of(s.p[2 * i], upper), lo = digit_of(s.p[2 * i + 1], upper);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* The next n bytes, which a '-' or the end must follow; the '-' is taken too. */
static bool take_part(struct str *in, size_t n, struct str *part)
{
	if (!take_bytes(in, n, part) || (in->n && in->p[0] != '-'))
		return false;
	str_skip(in, 1);
	return true;
}

bool trace_context_w3c(struct str traceparent, struct str tracestate, struct trace_context *out)
{
	struct trace_context c = { .present = true, .tracestate = tracestate };
	struct str in = str_trim(traceparent), version, trace, parent, flags;
	uint8_t v;

	if (!take_part(&in, 2, &version) || !take_part(&in, 32, &trace) || !take_part(&in, 16, &parent) ||
	    !take_bytes(&in, 2, &flags))
		return false;
	if (!hex_bytes(version, &v, 1, false) || v == 0xff)
		return false;
	/* Version 00 ends here; a later one may go on after a '-'. */
	if (in.n && (v == 0 || in.p[0] != '-'))
		return false;
	if (!hex_bytes(trace, c.trace.b, 16, false) || !hex_bytes(parent, c.parent.b, 8, false) ||
	    !hex_bytes(flags, &c.flags, 1, false))
		return false;
	if (!trace_id_is_set(&c.trace) || !span_id_is_set(&c.parent))
		return false;
	*out = c;
	return true;
}

bool trace_context_b3_multi(struct str trace, struct str span, struct str sampled, struct str flags,
			    struct trace_context *out)
{
	struct trace_context c = { .present = true };
	/* 64-bit trace ids are right-aligned in 128 bits. */
	bool wide = trace.n == 32;

	if (!hex_bytes(trace, wide ? c.trace.b : c.trace.b + 8, wide ? 16 : 8, true) ||
	    !hex_bytes(span, c.parent.b, 8, true))
		return false;
	if (!trace_id_is_set(&c.trace) || !span_id_is_set(&c.parent))
		return false;
	/* "d" and flags 1 mean debug, which implies sampled. */
	if (str_eq(sampled, STR("1")) || str_eq(sampled, STR("true")) || str_eq(sampled, STR("d")) ||
	    str_eq(flags, STR("1")))
		c.flags = SAMPLED;
	*out = c;
	return true;
}

bool trace_context_b3(struct str b3, struct trace_context *out)
{
	struct str in = str_trim(b3), trace, span, sampled, none = { 0 };

	if (!str_cut(&in, '-', &trace) || !take_part(&in, 16, &span))
		return false;
	if (!str_cut(&in, '-', &sampled))
		sampled = in;
	return trace_context_b3_multi(trace, span, sampled, none, out);
}
