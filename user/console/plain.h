/* SPDX-License-Identifier: Apache-2.0 */
/* Text of strangers on a terminal: names and statuses are shown, never obeyed. Private to console/. */
#ifndef SONDE_CONSOLE_PLAIN_H
#define SONDE_CONSOLE_PLAIN_H

#include "base/str.h"

/* Copies what fits, NUL-terminated; a control character (C0, DEL, C1) and a byte that is not UTF-8 become
 * a dot, and no character is cut in half. */
void plain_copy(char *to, size_t size, struct str from);

#endif
