/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of the agent. The loader (parent) loads, attaches, reads /proc and per-CPU maps, writes
 * policy; the worker (child, forked before the first bpf(2)) does everything else. */
#ifndef SONDE_HALVES_H
#define SONDE_HALVES_H

#include "config/config.h"

/* Both run until SIGINT or SIGTERM and return an exit code. ipc: their end of the socket pair. */
int loader_run(const struct config *config, int ipc, pid_t worker);
int worker_run(const struct config *config, int ipc, pid_t loader);

#endif
