/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoint variables of the OpenTelemetry specification, general and per signal, made into one target.
 * Pure: the caller says where a variable comes from (environment, file, flag).
 * Source: opentelemetry-specification, protocol/exporter, configuration/sdk-environment-variables. */
#ifndef SONDE_EXPORT_TARGET_H
#define SONDE_EXPORT_TARGET_H

#include "export/export.h"

/* get returns a variable's value or NULL; "" counts as unset, as the specification wants.
 * 0; -ENOMEM; -EINVAL with *why = the variable and what was expected (freed by the caller). Not enabled
 * while no endpoint is set or the signal's exporter is not otlp; `out` is untouched on failure. */
int otlp_target_from_env(enum signal signal, const char *(*get)(void *ctx, const char *name), void *ctx,
			 struct otlp_target *out, char **why);
void otlp_target_release(struct otlp_target *t);

#endif
