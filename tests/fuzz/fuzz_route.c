/* SPDX-License-Identifier: Apache-2.0 */
/* Any paths, one per line, through a small routing tree: bounded, no crash, always terminated. */
#include "span/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, path;
	struct routes *r;
	char buf[64];

	if (routes_new(&r, 64, 4))
		return 0;
	while (str_cut(&in, '\n', &path)) {
		struct str route = routes_match(r, path.n % 3, path, buf, sizeof(buf));

		if (route.n >= sizeof(buf) || buf[route.n])
			abort();
	}
	routes_free(r);
	return 0;
}
