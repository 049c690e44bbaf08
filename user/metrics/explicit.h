/* SPDX-License-Identifier: Apache-2.0 */
/* The explicit bucket bounds that the semantic conventions advise, and ours where they are silent. */
#ifndef SONDE_METRICS_EXPLICIT_H
#define SONDE_METRICS_EXPLICIT_H

#include "base/common.h"

#define EXPLICIT_BOUNDS_MAX 14

struct bounds {
	uint32_t n;
	double upper[EXPLICIT_BOUNDS_MAX];	/* ascending, inclusive */
};

extern const struct bounds bounds_http_seconds, bounds_db_seconds, bounds_bytes;

/* The bucket of v: 0..n. */
uint32_t bounds_bucket(const struct bounds *b, double v);

#endif
