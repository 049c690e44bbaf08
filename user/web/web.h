/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server of the worker (libmicrohttpd): /metrics, /livez, /readyz; later the API and the UI. */
#ifndef SONDE_WEB_WEB_H
#define SONDE_WEB_WEB_H

#include "base/buf.h"

struct web;

struct web_sink {
	void *ctx;
	/* Called in the server's thread; must lock what it reads. */
	int (*metrics)(void *ctx, bool openmetrics, struct buf *out);
	bool (*live)(void *ctx);
	/* When not ready, *why gets a short text (static). */
	bool (*ready)(void *ctx, const char **why);
};

/* listen: "ADDR:PORT", "[V6]:PORT"; port 0 chooses one. -EADDRINUSE, -EINVAL, -errno. */
int web_new(struct web **out, const char *listen, const struct web_sink *sink);
void web_free(struct web *w);
uint16_t web_port(const struct web *w);

#endif
