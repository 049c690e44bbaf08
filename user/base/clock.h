/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: the kernel stamps records with CLOCK_MONOTONIC, signals leave with Unix time. */
#ifndef SONDE_BASE_CLOCK_H
#define SONDE_BASE_CLOCK_H

#include <time.h>

#include "base/common.h"

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static inline uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* What to add to a CLOCK_MONOTONIC time to get Unix time, as of now (the wall clock may be stepped). */
static inline int64_t clock_unix_offset_ns(void)
{
	uint64_t before = monotonic_ns(), wall = clock_ns(CLOCK_REALTIME), after = monotonic_ns();

	return (int64_t)(wall - before - (after - before) / 2);
}

#endif
