/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets and authorities taken apart, and what of them may be exported: keys of the query, never
 * values; never credentials. Pure functions on views. */
#ifndef SONDE_PROTO_URL_H
#define SONDE_PROTO_URL_H

#include "base/arena.h"

struct url {
	struct str scheme;	/* empty: not said */
	struct str userinfo;	/* never to be exported */
	struct str host;	/* without port and brackets */
	uint16_t port;		/* 0: not said */
	struct str path, query;	/* query without '?' */
};

/* The four forms of RFC 9112 3.2: origin, absolute, authority (of CONNECT only) and asterisk. A fragment
 * is dropped. Views into target. */
struct url url_of_target(struct str target, bool connect);

/* userinfo, host and port of an authority or a Host field (RFC 3986 3.2); the rest of *u stays. */
void url_set_authority(struct url *u, struct str authority);

/* 80, 443 or 0. */
uint16_t url_default_port(struct str scheme);

/* "a=1&b=2&x" -> "a=?&b=?&?": a part without '=' may be a value. {NULL, 0} when out of memory. */
struct str url_redact_query(struct arena *a, struct str query);

/* The path with the values of its parameters hidden: "/a;jsessionid=1F/b" -> "/a;jsessionid=?/b". */
struct str url_redact_path(struct arena *a, struct str path);

/* scheme://host:port/path?query of a URL whose path and query are redacted already. Credentials become
 * REDACTED:REDACTED, the scheme's default port is left out. */
struct str url_full(struct arena *a, const struct url *u);

#endif
