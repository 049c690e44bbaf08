/* SPDX-License-Identifier: Apache-2.0 */
/* Which metrics an exchange is recorded in: one table. */
#ifndef SONDE_METRICS_INSTRUMENTS_H
#define SONDE_METRICS_INSTRUMENTS_H

#include "metrics/distribution.h"

struct metric_def {
	const char *name, *unit, *help;
	enum metric_type type;
	const struct bounds *bounds;	/* histograms */
	int32_t scale_max;
};

/* Rows of instruments[]: the duration is what an exchange is looked up by; the sizes go along. */
enum measure { MEASURE_DURATION, MEASURE_REQUEST_SIZE, MEASURE_RESPONSE_SIZE, MEASURE_COUNT };
#define INSTRUMENT_COUNT (INSTRUMENT_DB_CLIENT + 1)

extern const struct metric_def instruments[INSTRUMENT_COUNT][MEASURE_COUNT];	/* name NULL: none */

#endif
