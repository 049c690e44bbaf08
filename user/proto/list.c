/* SPDX-License-Identifier: Apache-2.0 */
/* list.h: the rows as an array. */
#include "proto/list.h"

const struct proto *const protos[] = {
#define X(name) &proto_##name,
	PROTO_LIST(X)
#undef X
	NULL,
};

unsigned proto_number(const struct proto *p)
{
	for (unsigned i = 0; protos[i]; i++)
		if (protos[i] == p)
			return i + 1;
	return 0;
}

const char *proto_name(unsigned number)
{
	return number >= 1 && number < ARRAY_SIZE(protos) ? protos[number - 1]->name : "";
}
