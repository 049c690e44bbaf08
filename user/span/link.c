/* SPDX-License-Identifier: Apache-2.0 */
/* The table of link methods, in order of evidence. A new method is a file and a row here. */
#include "span/node.h"

const char *const link_wire_name = "trace_context";

const struct link_method *const link_methods[] = {
	&link_same_bytes,
	&link_responder,
	&link_first_send,
	NULL,
};
