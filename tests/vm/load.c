/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and attaches the BPF programs of one tier and says how that went: `load TIER`. In a kernel that refuses
 * one, the verifier's log is printed. Static, so that it runs in an initramfs of any architecture. */
#include <stdio.h>
#include <string.h>

#include "capture/capture_internal.h"

#define LOG_BYTES	(1 << 20)

/* What is wrong stands at the end of a log. */
static int print_end(enum libbpf_print_level level, const char *format, va_list args)
{
	static char text[LOG_BYTES];
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vsnprintf(text, sizeof(text), format, args);
	return printf("%s", n > 4000 && n < (int)sizeof(text) ? text + n - 4000 : text);
}

static void load_loudly(const struct capture_options *opt, enum tier tier)
{
	struct sonde_bpf *skel = sonde_bpf__open();

	for (size_t i = 0; skel && i < programs_n; i++)
		bpf_program__set_autoload(bpf_object__find_program_by_name(skel->obj, programs[i].name),
					  (programs[i].tiers & tier) && !programs[i].optional);
	if (!skel)
		return;
	skel_configure(skel, opt, tier);
	libbpf_set_print(print_end);
	sonde_bpf__load(skel);
	sonde_bpf__destroy(skel);
}

int main(int argc, char **argv)
{
	struct capture_options opt = { argc > 1 ? argv[1] : "auto", 1 << 20, 1 << 18 };
	struct capture *c;
	char *why = NULL;
	int err = capture_new(&c, &opt, &why);

	if (!err) {
		printf("load: tier %s works\n", capture_tier(c));
		capture_free(c);
		return 0;
	}
	printf("load: tier %s: %s\n", opt.tier, why);
	load_loudly(&opt, strcmp(opt.tier, "socket") ? TIER_SYSCALL : TIER_SOCKET);
	return 1;
}
