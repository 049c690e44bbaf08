/* SPDX-License-Identifier: Apache-2.0 */
/* gzip of whole bodies (RFC 1952, by zlib): what we send, serve and are answered. */
#ifndef SONDE_BASE_GZIP_H
#define SONDE_BASE_GZIP_H

#include "base/buf.h"

/* Appends the compressed bytes to out. -ENOMEM. */
int gzip_compress(struct buf *out, struct str in);

/* Appends at most max bytes of what in unpacks to. -EBADMSG: not gzip, or cut short; -E2BIG: more than max. */
int gzip_expand(struct buf *out, struct str in, size_t max);

#endif
