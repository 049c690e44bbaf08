/* SPDX-License-Identifier: Apache-2.0 */
/* Where to listen, and which Host headers belong there. Pure. */
#ifndef SONDE_WEB_LISTEN_H
#define SONDE_WEB_LISTEN_H

#include <sys/socket.h>

#include "base/str.h"

#define HOST_NAME_MAX_LEN 256

struct listen_address {
	struct sockaddr_storage addr;
	socklen_t n;
	bool loopback;		/* only this host can reach it */
};

/* "ADDR:PORT", "[V6]:PORT", "localhost:PORT"; no names are looked up. -EINVAL. */
int listen_parse(struct str text, struct listen_address *out);

/* An IP literal, localhost, or the host's own name, with or without a port. An absent Host (HTTP/1.0) is no
 * browser's. */
bool host_is_local(struct str host, struct str own_name);

#endif
