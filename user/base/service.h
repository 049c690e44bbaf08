/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader found out about one watched service instance: the record that goes from discover/
 * to the worker and becomes one OTLP resource. Fixed size, NUL-terminated strings, "" = unknown. */
#ifndef SONDE_BASE_SERVICE_H
#define SONDE_BASE_SERVICE_H

#include "base/common.h"

struct service {
	uint32_t number;		/* the policy's service number, 1..SERVICES_MAX-1 */
	uint32_t pid;			/* the instance's outermost watched process */
	uint32_t parent_pid;
	uint32_t netns;			/* inode of its network namespace */
	uint64_t started_unix_ns;	/* of that process */
	bool exports_otlp;		/* seen sending OTLP traces itself: no spans from us by default */
	bool gone;			/* its last process ended */
	char name[128];			/* service.name */
	char namespace_[64];		/* service.namespace */
	char version[96];		/* service.version */
	char instance_id[64];		/* service.instance.id */
	char name_source[16];		/* "environment", "config", "systemd", "container", "script", "executable" */
	char exe[256];			/* process.executable.path */
	char runtime[24];		/* process.runtime.name: "cpython", "nodejs", "go", "openjdk", "" */
	char owner[32];			/* process.owner */
	char container_id[72];		/* container.id */
	char cgroup[160];		/* path below the cgroup2 mount */
	char attributes[512];		/* OTEL_RESOURCE_ATTRIBUTES of the process, as written there */
};

#endif
