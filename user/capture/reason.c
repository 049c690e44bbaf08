/* SPDX-License-Identifier: Apache-2.0 */
/* Why the kernel refused us, in words: which capability is missing, no BTF, lockdown, too old. */
#include <stdio.h>
#include <string.h>

#include "capture/capture_internal.h"

/* include/uapi/linux/capability.h; CAP_SYS_ADMIN stands for all of them. */
static const struct {
	int bit;
	const char *name, *use;
} capabilities[] = {
	{ 39, "CAP_BPF", "to load BPF programs and maps" },
	{ 38, "CAP_PERFMON", "to attach to tracepoints and read memory" },
	{ 12, "CAP_NET_ADMIN", "to attach to cgroups and read sockets" },
};
#define CAP_SYS_ADMIN_BIT 21

static uint64_t effective_capabilities(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	fclose(status);
	return caps;
}

static bool missing_capability(char *buf, size_t n)
{
	uint64_t caps = effective_capabilities();

	if (caps >> CAP_SYS_ADMIN_BIT & 1)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (caps >> capabilities[i].bit & 1)
			continue;
		snprintf(buf, n, "%s is missing (%s): run as root or grant it", capabilities[i].name,
			 capabilities[i].use);
		return true;
	}
	return false;
}

/* "[none] integrity confidentiality": the mode in brackets; confidentiality forbids reading kernel memory. */
static bool locked_down(void)
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return strstr(line, "[confidentiality]") != NULL;
}

void capture_reason(char *buf, size_t n, int err)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		snprintf(buf, n, "this kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF=y");
	else if ((err == -EPERM || err == -EACCES) && missing_capability(buf, n))
		return;
	else if ((err == -EPERM || err == -EACCES) && locked_down())
		snprintf(buf, n, "kernel lockdown is in mode confidentiality, which forbids BPF to read memory");
	else if (err == -ESRCH || err == -ENOENT || err == -ENOTSUP)
		snprintf(buf, n, "this kernel has no such hook");
	else if (err == -EINVAL || err == -EACCES)
		snprintf(buf, n, "this kernel's verifier refuses the program (%s)", strerror(-err));
	else
		snprintf(buf, n, "%s", strerror(-err));
}
