/* SPDX-License-Identifier: Apache-2.0 */
/* proto/postgresql.c: see fuzz_talk.h. */
#include "fuzz_talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_talk(&proto_postgresql, data, size);
}
