/* SPDX-License-Identifier: Apache-2.0 */
/* http.route without a framework's help: clusters path segments per service and method and learns which
 * segments vary (/users/42 -> /users/{id}). Bounded: over the limit the rest is a star. */
#ifndef SONDE_SPAN_ROUTE_H
#define SONDE_SPAN_ROUTE_H

#include "base/str.h"

struct routes;

/* nodes_max: path segments kept over all services; children_max: different values of one segment before it
 * becomes {id}. */
int routes_new(struct routes **out, size_t nodes_max, size_t children_max);
void routes_free(struct routes *r);

/* The route of a path (no query) as seen by that service, written to buf (NUL-terminated, cut to size).
 * Segments that look like ids (numbers, UUIDs, hex, long random words) are {id} at once; others once they
 * vary too much. A segment that became {id} stays so. */
struct str routes_match(struct routes *r, uint32_t service, struct str path, char *buf, size_t size);

#endif
