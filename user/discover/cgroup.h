/* SPDX-License-Identifier: Apache-2.0 */
/* What a cgroup's path says about who made it: systemd unit, container id or name. Pure. */
#ifndef SONDE_DISCOVER_CGROUP_H
#define SONDE_DISCOVER_CGROUP_H

#include "base/str.h"

/* The 64 hex digits of docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope, docker/ID,
 * .../kubepods/.../ID, ...:cri-containerd:ID; an empty view when there are none. */
struct str cgroup_container_id(struct str path);

/* A container's name, where the path has it: lxc.payload.NAME, machine-NAME.scope (systemd-nspawn). */
struct str cgroup_container_name(struct str path);

/* NAME of the innermost NAME.service, never of a user's session or of a runtime that holds containers. */
struct str cgroup_unit(struct str path);

#endif
