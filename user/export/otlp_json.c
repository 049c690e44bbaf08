/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_json.h: by printf and buf_json(). */
#include "export/otlp_json.h"

#include <inttypes.h>
#include <math.h>

#include "export/number.h"
#include "export/scope.h"

void json_u64(struct buf *b, const char *name, uint64_t v)
{
	buf_printf(b, "\"%s\":\"%" PRIu64 "\"", name, v);
}

void json_double(struct buf *b, double v)
{
	if (isfinite(v))
		number_double(b, v);
	else
		buf_str(b, isnan(v) ? STR("\"NaN\"") : v > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
}

void json_named_double(struct buf *b, const char *name, double v)
{
	buf_printf(b, "\"%s\":", name);
	json_double(b, v);
}

void json_text(struct buf *b, const char *name, struct str v)
{
	buf_printf(b, "\"%s\":", name);
	json_str(b, v);
}

void json_id(struct buf *b, const char *name, const void *id, size_t n)
{
	buf_printf(b, "\"%s\":\"", name);
	number_hex(b, id, n);
	buf_char(b, '"');
}

static void json_attr(struct buf *b, const struct attr *a)
{
	buf_str(b, STR("{\"key\":"));
	json_str(b, str_of(a->key));
	buf_str(b, STR(",\"value\":{"));
	switch (a->type) {
	case ATTR_STR:
		json_text(b, "stringValue", a->s);
		break;
	case ATTR_INT:
		buf_printf(b, "\"intValue\":\"%" PRId64 "\"", a->i);
		break;
	case ATTR_DOUBLE:
		json_named_double(b, "doubleValue", a->d);
		break;
	case ATTR_BOOL:
		buf_str(b, a->b ? STR("\"boolValue\":true") : STR("\"boolValue\":false"));
		break;
	}
	buf_str(b, STR("}}"));
}

void json_attrs(struct buf *b, const struct attr *attrs, uint32_t n, const struct attr *more, uint32_t n_more)
{
	buf_str(b, STR("\"attributes\":["));
	for (uint32_t i = 0; i < n + n_more; i++) {
		json_comma(b, i == 0);
		json_attr(b, i < n ? &attrs[i] : &more[i - n]);
	}
	buf_char(b, ']');
}

void json_resource_begin(struct buf *b, struct resources *r, uint32_t service, const char *scopes)
{
	struct resource res;

	resource_load(&res, r, service);
	buf_str(b, STR("{\"resource\":{"));
	json_attrs(b, res.attrs, res.n, NULL, 0);
	buf_printf(b, "},\"%s\":[", scopes);
}

void json_scope_begin(struct buf *b, const char *protocol, const char *items)
{
	char name[SCOPE_NAME_MAX];

	buf_str(b, STR("{\"scope\":{"));
	json_text(b, "name", scope_name(name, protocol));
	buf_printf(b, ",\"version\":\"%s\"},\"%s\":[", SONDE_VERSION, items);
}

void json_list_end(struct buf *b)
{
	buf_str(b, STR("],\"schemaUrl\":\"" SEMCONV_SCHEMA_URL "\"}"));
}
