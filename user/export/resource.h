/* SPDX-License-Identifier: Apache-2.0 */
/* One service instance as an OTLP resource: the attributes that encoders write. */
#ifndef SONDE_EXPORT_RESOURCE_H
#define SONDE_EXPORT_RESOURCE_H

#include "export/export.h"

#define RESOURCE_ATTRS_MAX 48

struct resource {
	struct service service;
	char decoded[sizeof(((struct service *)0)->attributes)];	/* keys and values, percent-decoded */
	uint32_t n;
	struct attr attrs[RESOURCE_ATTRS_MAX];	/* views into this struct, into `resources` and literals */
};

/* Fills *out; an unknown number becomes an "unknown_service". Number 0 is the agent itself. */
void resource_load(struct resource *out, struct resources *r, uint32_t number);

#endif
