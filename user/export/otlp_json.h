/* SPDX-License-Identifier: Apache-2.0 */
/* What spans and metrics share in OTLP/JSON: proto3's JSON mapping, but ids in hex; 64-bit integers are
 * strings, enums are numbers (opentelemetry-specification, protocol/otlp, "JSON Protobuf Encoding"). */
#ifndef SONDE_EXPORT_OTLP_JSON_H
#define SONDE_EXPORT_OTLP_JSON_H

#include "export/json.h"
#include "export/resource.h"

/* "name":value. Infinities and NaN are strings in proto3's JSON. */
void json_u64(struct buf *b, const char *name, uint64_t v);
void json_named_double(struct buf *b, const char *name, double v);
void json_text(struct buf *b, const char *name, struct str v);
void json_id(struct buf *b, const char *name, const void *id, size_t n);
void json_double(struct buf *b, double v);	/* without a name */

/* "attributes":[...] of both lists. */
void json_attrs(struct buf *b, const struct attr *attrs, uint32_t n, const struct attr *more, uint32_t n_more);

/* {"resource":{...},"<scopes>":[ and {"scope":{...},"<items>":[ -- json_list_end() ends either. */
void json_resource_begin(struct buf *b, struct resources *r, uint32_t service, const char *scopes);
void json_scope_begin(struct buf *b, const char *protocol, const char *items);
void json_list_end(struct buf *b);

#endif
