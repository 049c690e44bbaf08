/* SPDX-License-Identifier: Apache-2.0 */
/* What a process costs. */
#ifndef SONDE_BASE_USAGE_H
#define SONDE_BASE_USAGE_H

#include "base/common.h"

uint64_t usage_cpu_ns(void);		/* of the calling process: user + system, all threads */
/* Resident size of a process by /proc/PID/statm, so for the loader only; 0 unknown. */
uint64_t usage_rss_bytes(pid_t pid);

#endif
