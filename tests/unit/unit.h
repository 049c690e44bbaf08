/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test uses: cmocka, TEST(a_claim) { ... }, RUN_TESTS at the end and inputs that end at a
 * PROT_NONE page, so that reading one byte too far is a crash. */
#ifndef SONDE_TESTS_UNIT_H
#define SONDE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/str.h"

static struct CMUnitTest unit_tests[256];
static size_t unit_tests_n;

/* A test registers itself before main() runs; RUN_TESTS at the end of the file is main(). */
#define TEST(claim)                                                                                \
	static void claim(void **state);                                                           \
	static void __attribute__((constructor)) claim##_add(void)                                 \
	{                                                                                          \
		unit_tests[unit_tests_n++] = (struct CMUnitTest){ #claim, claim, NULL, NULL, NULL }; \
	}                                                                                          \
	static void claim(void **state __attribute__((unused)))

#define RUN_TESTS                                                                                  \
	int main(void)                                                                             \
	{                                                                                          \
		return _cmocka_run_group_tests(__FILE__, unit_tests, unit_tests_n, NULL, NULL);    \
	}

/* A copy of n bytes (n <= 1 MiB) that ends at an inaccessible page. Never freed: tests are short. */
static inline struct str guarded(const void *bytes, size_t n)
{
	size_t room = (n + 4095) & ~(size_t)4095;
	char *p = mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + room, 4096, PROT_NONE))
		abort();
	if (n)
		memcpy(p + room - n, bytes, n);
	return (struct str){ p + room - n, n };
}

#endif
