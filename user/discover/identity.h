/* SPDX-License-Identifier: Apache-2.0 */
/* What a process is called: name, version, runtime, container and instance id of its service. Pure: the
 * facts of process.h and elf.h in, a struct service out (all but its number and flags). */
#ifndef SONDE_DISCOVER_IDENTITY_H
#define SONDE_DISCOVER_IDENTITY_H

#include "base/str.h"
#include "discover/elf.h"
#include "discover/process.h"
#include "base/service.h"

struct identity_facts {
	const struct process *process;
	const struct process_otel *otel;
	struct str args;		/* each ended by a NUL */
	const struct elf_facts *elf;
	struct str host_id;		/* any bytes that no other boot of any host has */
};

/* Fills *s. service.name: OTEL_SERVICE_NAME, service.name of OTEL_RESOURCE_ATTRIBUTES, the systemd unit or
 * container name in the cgroup path, an interpreter's script, the executable's name. */
enum runtime identity_find(struct service *s, const struct identity_facts *f);

/* A name from the configuration: weaker than the environment only. */
void identity_configured(struct service *s, const char *name);

/* Are two related processes the same service? Same executable and name; an interpreter that was started
 * without a script (multiprocessing's `python -c ...`) is what its parent is. */
bool identity_same(const struct service *parent, const struct service *child);

#endif
