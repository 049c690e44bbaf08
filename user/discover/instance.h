/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of service instances. In: services found and processes that join or leave them. Out: a number
 * for each while it has processes. A number is given anew only when its service is gone and a quarantine is
 * over: records and held spans may still carry it. Owns the table, calls nobody. */
#ifndef SONDE_DISCOVER_INSTANCE_H
#define SONDE_DISCOVER_INSTANCE_H

#include "bpf/event.h"
#include "base/service.h"

struct instances {
	struct instance {
		struct service service;
		uint32_t references;	/* its processes; 0: not in use */
		uint64_t free_at_ns;	/* end of the quarantine, CLOCK_MONOTONIC */
	} v[SERVICES_MAX];		/* index = number; 0 is nobody */
	size_t live;
};

/* Numbers *s (s->number is set) with one reference, the caller's. 0 when there is no number left. */
uint32_t instance_take(struct instances *in, struct service *s, uint64_t now_ns);
/* NULL when nothing has that number. */
struct service *instance_get(struct instances *in, uint32_t number);
void instance_hold(struct instances *in, uint32_t number);
/* Drops a reference; true when it was the last (the service is marked gone; its record stays readable). */
bool instance_drop(struct instances *in, uint32_t number, uint64_t now_ns, uint64_t quarantine_ns);

#endif
