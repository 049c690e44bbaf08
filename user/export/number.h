/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text. */
#ifndef SONDE_EXPORT_NUMBER_H
#define SONDE_EXPORT_NUMBER_H

#include "base/buf.h"

/* The shortest of 15, 16 or 17 digits that reads back as v. v is finite. */
void number_double(struct buf *b, double v);
void number_hex(struct buf *b, const void *bytes, size_t n);

#endif
