/* SPDX-License-Identifier: Apache-2.0 */
/* What people write to say which processes are meant: `port=8080`, `exe=*nginx,cgroup=shop`. In: texts and
 * the facts about one process. Out: whether it is meant. Owns the parsed texts, reads no /proc. */
#ifndef SONDE_DISCOVER_SELECTOR_H
#define SONDE_DISCOVER_SELECTOR_H

#include "base/common.h"

enum selector_key {
	SELECT_PORT, SELECT_EXE, SELECT_PID, SELECT_CGROUP, SELECT_NETNS, SELECT_NAME, SELECT_KEYS
};
#define SELECT_BIT(key) (1u << (key))
/* Keys that point at one process: what it starts belongs to it, whatever it executes. */
#define SELECT_TREE (SELECT_BIT(SELECT_PORT) | SELECT_BIT(SELECT_PID))

struct selector {
	uint32_t keys;		/* SELECT_BIT()s; all of them must match */
	uint16_t port;
	uint32_t pid;
	uint32_t netns;		/* inode; 0: netns_name is meant */
	char exe[256];		/* glob; without a slash it is compared with the file name alone */
	char cgroup[512];	/* without slashes at its ends; "" is the root: everything */
	char netns_name[64];	/* below /run/netns, looked up at each match: names come and go */
	char name[128];		/* service.name */
};

struct selector_subject {
	uint32_t pid, netns;
	const char *exe, *cgroup;
	const char *name;	/* NULL: not known yet, `name=` matches */
	const uint16_t *ports;	/* where it listens */
	size_t n_ports;
	const char *netns_dir;	/* "/run/netns" */
};

/* 0, or -EINVAL with *why = where and what was expected (owned by the caller), *out untouched. */
int selector_parse(struct selector *out, const char *text, char **why);
bool selector_match(const struct selector *s, const struct selector_subject *p);

struct selectors {
	struct selector *v;
	size_t n;
	uint32_t keys;		/* that any of them looks at */
};

int selectors_parse(struct selectors *out, const char *const *texts, size_t n, char **why);
void selectors_release(struct selectors *s);
/* The keys of all that match, 0 when none does. */
uint32_t selectors_match(const struct selectors *s, const struct selector_subject *p);
bool selectors_want_port(const struct selectors *s, uint16_t port);

#endif
