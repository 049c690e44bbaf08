/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_pb.h: as pb.h wants it, last field first. */
#include "export/otlp_pb.h"

#include "export/scope.h"

enum { KEYVALUE_KEY = 1, KEYVALUE_VALUE = 2 };
enum { ANYVALUE_STRING = 1, ANYVALUE_BOOL = 2, ANYVALUE_INT = 3, ANYVALUE_DOUBLE = 4 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2, RESOURCE_ATTRIBUTES = 1 };

void pb_attr(struct pb *w, uint32_t field, const struct attr *a)
{
	size_t mark = pb_mark(w);

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
	pb_string(w, KEYVALUE_KEY, str_of(a->key));
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
