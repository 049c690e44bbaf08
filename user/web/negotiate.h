/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's Accept headers ask for (RFC 9110, 12.5). Pure. */
#ifndef SONDE_WEB_NEGOTIATE_H
#define SONDE_WEB_NEGOTIATE_H

#include "base/str.h"

/* OpenMetrics is named, and not wanted less than text/plain. */
bool accepts_openmetrics(struct str accept);
bool accepts_gzip(struct str accept_encoding);

#endif
