/* SPDX-License-Identifier: Apache-2.0 */
/* What traces and metrics share in OTLP/protobuf: attributes, resource, scope. Field numbers:
 * opentelemetry-proto, common/v1/common.proto and resource/v1/resource.proto. */
#ifndef SONDE_EXPORT_OTLP_PB_H
#define SONDE_EXPORT_OTLP_PB_H

#include "export/pb.h"
#include "export/resource.h"

void pb_attr(struct pb *w, uint32_t field, const struct attr *a);
void pb_attrs(struct pb *w, uint32_t field, const struct attr *attrs, uint32_t n);
/* An InstrumentationScope: "sonde/<protocol>", or "sonde" for the agent's own ("sonde" or NULL). */
void pb_scope(struct pb *w, uint32_t field, const char *protocol);
void pb_resource(struct pb *w, uint32_t field, struct resources *r, uint32_t service);
static inline void pb_schema_url(struct pb *w, uint32_t field)
{
	pb_string(w, field, STR(SEMCONV_SCHEMA_URL));
}

#endif
