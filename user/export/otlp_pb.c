/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_pb.h: as pb.h wants it, last field first. */
#include "export/otlp_pb.h"

#include "export/scope.h"

enum { KEYVALUE_KEY = 1, KEYVALUE_VALUE = 2 };
enum { ANYVALUE_STRING = 1, ANYVALUE_BOOL = 2, ANYVALUE_INT = 3, ANYVALUE_DOUBLE = 4 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2, RESOURCE_ATTRIBUTES = 1 };

/* A KeyValue with a string whose lengths all fit one byte, which nearly every attribute is: its size is known
 * before, so that it is written at once. False: it is none such. */
static bool put_short_string(struct pb *w, uint32_t field, struct str key, struct str value)
{
	size_t size = 2 + key.n + 4 + value.n;	/* tag and length of the key, of the AnyValue, of its string */
	uint8_t *p;

	if (size >= 128 || field >= 16 || !(p = pb_take(w, 2 + size)))
		return false;
	*p++ = (uint8_t)(field << 3 | PB_BYTES);
	*p++ = (uint8_t)size;
	*p++ = KEYVALUE_KEY << 3 | PB_BYTES;
	*p++ = (uint8_t)key.n;
	if (!pb_copy_ascii(p, key.p, key.n) || !pb_copy_ascii(p + key.n + 4, value.p, value.n)) {
		w->p += 2 + size;
		return false;
	}
	p += key.n;
	*p++ = KEYVALUE_VALUE << 3 | PB_BYTES;
	*p++ = (uint8_t)(2 + value.n);
	*p++ = ANYVALUE_STRING << 3 | PB_BYTES;
	*p = (uint8_t)value.n;
	return true;
}

void pb_attr(struct pb *w, uint32_t field, const struct attr *a)
{
	size_t mark = pb_mark(w);
	struct str key = str_of(a->key);

	if (a->type == ATTR_STR && put_short_string(w, field, key, a->s))
		return;

	switch (a->type) {
	case ATTR_STR:
		pb_string(w, ANYVALUE_STRING, a->s);
		break;
	case ATTR_INT:
		pb_uint(w, ANYVALUE_INT, (uint64_t)a->i);
		break;
	case ATTR_DOUBLE:
		pb_double(w, ANYVALUE_DOUBLE, a->d);
		break;
	case ATTR_BOOL:
		pb_uint(w, ANYVALUE_BOOL, a->b);
		break;
	}
	pb_message(w, KEYVALUE_VALUE, mark);
	pb_string(w, KEYVALUE_KEY, key);
	pb_message(w, field, mark);
}

void pb_attrs(struct pb *w, uint32_t field, const struct attr *attrs, uint32_t n)
{
	while (n-- > 0)
		pb_attr(w, field, &attrs[n]);
}

void pb_scope(struct pb *w, uint32_t field, const char *protocol)
{
	size_t mark = pb_mark(w);
	char name[SCOPE_NAME_MAX];

	pb_string(w, SCOPE_VERSION, STR(SONDE_VERSION));
	pb_string(w, SCOPE_NAME, scope_name(name, protocol));
	pb_message(w, field, mark);
}

void pb_resource(struct pb *w, uint32_t field, struct resources *r, uint32_t service)
{
	size_t mark = pb_mark(w);
	struct resource res;

	resource_load(&res, r, service);
	pb_attrs(w, RESOURCE_ATTRIBUTES, res.attrs, res.n);
	pb_message(w, field, mark);
}
