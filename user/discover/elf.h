/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger's executable says about its own version: the GNU build id and Go's build information.
 * In: a descriptor that pread() works on. Every byte may lie: reads are bounded, nothing is mapped. */
#ifndef SONDE_DISCOVER_ELF_H
#define SONDE_DISCOVER_ELF_H

#include "base/common.h"

struct elf_facts {
	char build_id[41];	/* hex, cut to 20 bytes; "" unknown, as all others */
	bool go;		/* built by the Go toolchain */
	char go_version[32];	/* "go1.22.1" */
	char module_version[64];	/* of the main module; never "(devel)" */
	char vcs_revision[64];
};

/* 0, -ENOEXEC when it is no 64-bit little-endian ELF file, -errno. */
int elf_read(struct elf_facts *out, int fd);

#endif
