/* SPDX-License-Identifier: Apache-2.0 */
/* instance.h: lowest free number first. */
#include "discover/instance.h"

uint32_t instance_take(struct instances *in, struct service *s, uint64_t now_ns)
{
	for (uint32_t number = 1; number < SERVICES_MAX; number++) {
		struct instance *i = &in->v[number];

		if (i->references || i->free_at_ns > now_ns)
			continue;
		s->number = number;
		i->service = *s;
		i->references = 1;
		in->live++;
		return number;
	}
	return 0;
}

struct service *instance_get(struct instances *in, uint32_t number)
{
	return number < SERVICES_MAX && in->v[number].references ? &in->v[number].service : NULL;
}

void instance_hold(struct instances *in, uint32_t number)
{
	in->v[number].references++;
}

bool instance_drop(struct instances *in, uint32_t number, uint64_t now_ns, uint64_t quarantine_ns)
{
	struct instance *i = &in->v[number];

	if (--i->references)
		return false;
	i->service.gone = true;
	i->free_at_ns = now_ns + quarantine_ns;
	in->live--;
	return true;
}
