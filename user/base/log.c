/* SPDX-License-Identifier: Apache-2.0 */
/* log.h: a line is formatted on the stack and written with one write(2), so lines never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *log_half = "sonde";
static enum log_level log_threshold = LOG_INFO;
static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

void log_setup(const char *half, enum log_level level)
{
	log_half = half;
	log_threshold = level;
}

static void log_line(enum log_level level, const char *format, va_list args, int err)
{
	char line[2048];
	struct timespec now;
	struct tm tm;
	size_t n;
	int k;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %-5s %s: ", now.tv_nsec / 1000000,
			      level_names[level], log_half);
	k = vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	n = MIN(n + (size_t)MAX(k, 0), sizeof(line) - 2);
	if (err) {
		k = snprintf(line + n, sizeof(line) - n - 1, ": %s", strerror(-err));
		n = MIN(n + (size_t)MAX(k, 0), sizeof(line) - 2);
	}
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;	/* nobody to tell */
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > log_threshold)
		return;
	va_start(args, format);
	log_line(level, format, args, 0);
	va_end(args);
}

int log_err(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_ERROR, format, args, err);
	va_end(args);
	return err;
}
