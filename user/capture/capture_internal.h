/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of capture/ share: the capture itself, the table of programs, the tiers. */
#ifndef SONDE_CAPTURE_INTERNAL_H
#define SONDE_CAPTURE_INTERNAL_H

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/hash.h"
#include "capture/capture.h"
#include "skel/sonde.skel.h"

#define CAPTURE_LINKS_MAX 32

/* Bits of the tiers that a program belongs to. */
enum tier { TIER_SOCKET = 1, TIER_SYSCALL = 2, TIER_ANY = TIER_SOCKET | TIER_SYSCALL };

/* One row per program of bpf/. */
struct program {
	const char *name;	/* of the C function */
	const char *hook;	/* for people: "tp_btf/tcp_sendmsg_locked" */
	const char *use;	/* what it is needed for */
	uint8_t tiers;		/* enum tier bits */
	bool optional;		/* without it something is not known, but the tier works */
	bool on_demand;		/* an iterator: loaded, attached only while somebody reads it */
	int counter;		/* enum hook, -1 none */
	uint16_t idle_ns, busy_ns;	/* cost of a firing that is not ours, and of one that is */
};

extern const struct program programs[];
extern const size_t programs_n;

struct capture {
	struct sonde_bpf *skel;
	const char *tier;
	struct bpf_link *links[CAPTURE_LINKS_MAX];
	size_t n_links;
	struct hash turns;	/* turn_key as a number -> struct turns_seen, for differences */
	bool gone[SERVICES_MAX];	/* its keys of `turns` are deleted once they grow no more */
	int cpus;		/* possible ones: per-CPU maps have a value for each */
	void *per_cpu;		/* cpus x struct turn_value */
};

/* Knobs and map sizes; which programs are loaded is not touched. */
void skel_configure(struct sonde_bpf *skel, const struct capture_options *opt, enum tier tier);
/* For libbpf_set_print(): libraries do not log. */
int print_nothing(enum libbpf_print_level level, const char *format, va_list args);
/* Attaches one program; *link is the caller's. */
int program_attach(struct sonde_bpf *skel, const struct program *p, struct bpf_link **link);

/* False when this kernel's BTF lacks the tracepoint; cheaper than trying. */
bool program_has_hook(const struct program *p, const struct btf *btf);

/* Whether this kernel takes it: loads and attaches it by itself for a moment. 0 or -errno. */
int program_try(const struct program *p);

/* Runs an iterator to its end, over a map's elements if there is one; f (if any) gets what it wrote, whole rows
 * at a time. -ENOTSUP when it is not loaded. */
typedef void (*iterator_rows)(void *ctx, const void *rows, size_t n);
int iterator_run(struct bpf_program *prog, struct bpf_map *map, iterator_rows f, void *ctx);

/* Frees what capture_read_turns() remembers. */
void turns_release(struct capture *c);

/* Why loading or attaching failed with err, and what to do, as one sentence in buf. */
void capture_reason(char *buf, size_t n, int err);

#endif
