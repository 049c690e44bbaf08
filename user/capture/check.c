/* SPDX-License-Identifier: Apache-2.0 */
/* `sonde check`: each hook and each tier tried by itself, by loading and attaching it for a moment. Nothing else
 * tells what a kernel allows: not its version, not its configuration, not what it lists. */
#include <stdio.h>
#include <string.h>

#include "capture/capture_internal.h"

static int check_program(const struct program *p, void (*f)(void *ctx, const struct capture_check *c), void *ctx)
{
	struct capture_check line = { .what = p->hook, .required = p->tiers == TIER_ANY && !p->optional };
	char reason[100];

	line.err = program_try(p);
	if (!line.err) {
		snprintf(line.why, sizeof(line.why), "%s", p->use);
	} else {
		capture_reason(reason, sizeof(reason), line.err);
		snprintf(line.why, sizeof(line.why), "%.58s: %s", p->use, reason);
	}
	f(ctx, &line);
	return line.err;
}

/* A tier works when all programs do that it cannot do without. */
static int tier_err(enum tier tier, const int errs[])
{
	for (size_t i = 0; i < programs_n; i++)
		if ((programs[i].tiers & tier) && !programs[i].optional && errs[i])
			return errs[i];
	return 0;
}

static const struct {
	enum tier tier;
	const char *what, *good;
} tier_lines[] = {
	{ TIER_SOCKET, "tier socket", "every byte of TCP and unix stream sockets, io_uring too" },
	{ TIER_SYSCALL, "tier syscall", "TCP and unix stream sockets; bytes moved by io_uring are not seen (gaps)" },
};

static void check_tiers(const int errs[], void (*f)(void *ctx, const struct capture_check *c), void *ctx)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(tier_lines); i++)
		any |= !tier_err(tier_lines[i].tier, errs);
	for (size_t i = 0; i < ARRAY_SIZE(tier_lines); i++) {
		struct capture_check line = { .what = tier_lines[i].what, .required = !any };

		line.err = tier_err(tier_lines[i].tier, errs);
		if (line.err)
			capture_reason(line.why, sizeof(line.why), line.err);
		else
			snprintf(line.why, sizeof(line.why), "%s", tier_lines[i].good);
		f(ctx, &line);
	}
}

int capture_check(void (*f)(void *ctx, const struct capture_check *c), void *ctx)
{
	int *errs = calloc(programs_n, sizeof(*errs));

	if (!errs)
		return -ENOMEM;
	libbpf_set_print(print_nothing);
	for (size_t i = 0; i < programs_n; i++)
		errs[i] = check_program(&programs[i], f, ctx);
	check_tiers(errs, f, ctx);
	free(errs);
	return 0;
}
