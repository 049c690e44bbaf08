/* SPDX-License-Identifier: Apache-2.0 */
/* discover/elf.h on any bytes: no crash, and every text ends inside its field. */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "discover/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(closep) int fd = memfd_create("elf", MFD_CLOEXEC);
	struct elf_facts f;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || elf_read(&f, fd))
		return 0;
	assert(memchr(f.build_id, 0, sizeof(f.build_id)) && memchr(f.go_version, 0, sizeof(f.go_version)));
	assert(memchr(f.module_version, 0, sizeof(f.module_version)));
	assert(memchr(f.vcs_revision, 0, sizeof(f.vcs_revision)));
	return 0;
}
