/* SPDX-License-Identifier: Apache-2.0 */
/* usage.h: getrusage(2), proc(5). */
#include "base/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

uint64_t usage_cpu_ns(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

uint64_t usage_rss_bytes(pid_t pid)
{
	unsigned long size, resident = 0;
	char text[128];
	ssize_t n;
	int fd;

	snprintf(text, sizeof(text), "/proc/%d/statm", (int)pid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	closep(&fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%lu %lu", &size, &resident) == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
