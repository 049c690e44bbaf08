/* SPDX-License-Identifier: Apache-2.0 */
/* instruments.h: the table. Names, units and descriptions of the semantic conventions
 * (docs/http/http-metrics.md, docs/db/database-metrics.md). */
#include "metrics/instruments.h"

#define SECONDS(name_, help_, bounds_)                                                             \
	{ name_, "s", help_, METRIC_HISTOGRAM, &(bounds_), EXPHIST_SCALE_MAX }
#define BYTES(name_, help_)                                                                        \
	{ name_, "By", help_, METRIC_HISTOGRAM, &bounds_bytes, EXPHIST_SCALE_MAX }

const struct metric_def instruments[INSTRUMENT_COUNT][MEASURE_COUNT] = {
	[INSTRUMENT_HTTP_SERVER] = {
		SECONDS("http.server.request.duration", "Duration of HTTP server requests.",
			bounds_http_seconds),
		BYTES("http.server.request.body.size", "Size of HTTP server request bodies."),
		BYTES("http.server.response.body.size", "Size of HTTP server response bodies."),
	},
	[INSTRUMENT_HTTP_CLIENT] = {
		SECONDS("http.client.request.duration", "Duration of HTTP client requests.",
			bounds_http_seconds),
		BYTES("http.client.request.body.size", "Size of HTTP client request bodies."),
		BYTES("http.client.response.body.size", "Size of HTTP client response bodies."),
	},
	[INSTRUMENT_DB_CLIENT] = {
		SECONDS("db.client.operation.duration", "Duration of database client operations.",
			bounds_db_seconds),
	},
};
