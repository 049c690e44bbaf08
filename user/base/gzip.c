/* SPDX-License-Identifier: Apache-2.0 */
/* gzip.h: one call of deflate or inflate per chunk of output. */
#include "base/gzip.h"

#include <zlib.h>

#define GZIP_WINDOW (15 + 16)	/* deflateInit2: 16 asks for a gzip header instead of zlib's */
#define CHUNK 16384

int gzip_compress(struct buf *out, struct str in)
{
	unsigned char chunk[CHUNK];
	z_stream z = { .next_in = (unsigned char *)in.p, .avail_in = (uInt)in.n };
	int status;

	/* The lowest level: a quarter of the default's time, and telemetry is repetitive anyway. */
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = chunk;
		z.avail_out = sizeof(chunk);
		status = deflate(&z, Z_FINISH);
		buf_add(out, chunk, sizeof(chunk) - z.avail_out);
	} while (status == Z_OK || status == Z_BUF_ERROR);
	deflateEnd(&z);
	return status == Z_STREAM_END && !out->failed ? 0 : -ENOMEM;
}

int gzip_expand(struct buf *out, struct str in, size_t max)
{
	unsigned char chunk[CHUNK];
	z_stream z = { .next_in = (unsigned char *)in.p, .avail_in = (uInt)in.n };
	int status, err = 0;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = chunk;
		z.avail_out = sizeof(chunk);
		status = inflate(&z, Z_NO_FLUSH);
		if (z.total_out > max) {
			err = -E2BIG;
			break;
		}
		buf_add(out, chunk, sizeof(chunk) - z.avail_out);
	} while (status == Z_OK);
	inflateEnd(&z);
	if (err)
		return err;
	return status == Z_STREAM_END ? (out->failed ? -ENOMEM : 0) : -EBADMSG;
}
