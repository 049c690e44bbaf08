/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event on stderr: time, level, process half, text. Only main.c and stage threads log;
 * libraries return errors. */
#ifndef SONDE_BASE_LOG_H
#define SONDE_BASE_LOG_H

#include "base/common.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Call once per process before other threads start: which half this is ("loader", "worker", "sonde"). */
void log_setup(const char *half, enum log_level level);

void log_write(enum log_level level, const char *format, ...) _printf_(2, 3);

/* Logs "text: strerror(-err)" at error level and returns err, so that a caller can `return log_err(...)`. */
int log_err(int err, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
