/* SPDX-License-Identifier: Apache-2.0 */
/* Any header values, one per line, as traceparent and as b3: a context that is taken has both ids. */
#include "proto/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool taken, const struct trace_context *c)
{
	if (taken != c->present || (taken && (!trace_id_is_set(&c->trace) || !span_id_is_set(&c->parent))))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, a = { 0 }, b = { 0 };

	do {
		struct trace_context w3c = { 0 }, single = { 0 }, multi = { 0 };

		b = a;
		if (!str_cut(&in, '\n', &a)) {
			a = in;
			in.n = 0;
		}
		check(trace_context_w3c(a, b, &w3c), &w3c);
		check(trace_context_b3(a, &single), &single);
		check(trace_context_b3_multi(b, a, b, a, &multi), &multi);
	} while (in.n);
	return 0;
}
