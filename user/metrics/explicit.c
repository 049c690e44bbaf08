/* SPDX-License-Identifier: Apache-2.0 */
/* explicit.h: the tables. */
#include "metrics/explicit.h"

/* docs/http/http-metrics.md, http.server.request.duration: advised ExplicitBucketBoundaries. */
const struct bounds bounds_http_seconds = {
	14, { 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10 }
};

/* docs/db/database-metrics.md, db.client.operation.duration: likewise. */
const struct bounds bounds_db_seconds = {
	9, { 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10 }
};

/* The conventions advise nothing for body sizes: powers of four, and empty bodies apart. */
const struct bounds bounds_bytes = {
	13, { 0, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864 }
};

uint32_t bounds_bucket(const struct bounds *b, double v)
{
	uint32_t i = 0;

	while (i < b->n && v > b->upper[i])
		i++;
	return i;
}
