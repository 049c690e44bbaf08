/* SPDX-License-Identifier: Apache-2.0 */
/* The instrumentation scope's name: the part of sonde that made a signal. */
#ifndef SONDE_EXPORT_SCOPE_H
#define SONDE_EXPORT_SCOPE_H

#include <stdio.h>

#include "base/str.h"

#define SCOPE_NAME_MAX 64

/* "sonde/<protocol>"; "sonde" for what belongs to no protocol (NULL or "sonde"). Written to buf. */
static inline struct str scope_name(char buf[SCOPE_NAME_MAX], const char *protocol)
{
	bool own = !protocol || strcmp(protocol, "sonde") == 0;

	snprintf(buf, SCOPE_NAME_MAX, own ? "sonde" : "sonde/%s", protocol);
	return str_of(buf);
}

#endif
