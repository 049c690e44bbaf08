/* SPDX-License-Identifier: Apache-2.0 */
/* OpenTelemetry's names as Prometheus' names (opentelemetry-specification, compatibility/
 * prometheus_and_openmetrics: "OTLP Metric points to Prometheus"). */
#ifndef SONDE_EXPORT_PROMETHEUS_NAME_H
#define SONDE_EXPORT_PROMETHEUS_NAME_H

#include "base/buf.h"

/* "http.server.request.duration" with unit "seconds" as http_server_request_duration_seconds; the unit is not
 * repeated when the name has it. Without _total and the like. */
void prometheus_name(struct buf *b, const char *name, const char *unit);

/* UCUM "s" as "seconds"; "" for annotations ({request}), the dimensionless of what is no gauge, and NULL. */
const char *prometheus_unit(const char *ucum, bool gauge);

/* A label's name of an attribute's key. */
void prometheus_label(struct buf *b, const char *key);
/* The two keys become the same label. */
bool prometheus_label_eq(const char *a, const char *b);

#endif
