/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.h: paths are looked at component by component, the innermost match wins. */
#include "discover/cgroup.h"

#define CONTAINER_ID 64

static bool component_next(struct str *path, struct str *part)
{
	if (!path->n)
		return false;
	if (!str_cut(path, '/', part)) {
		*part = *path;
		path->n = 0;
	}
	return true;
}

static bool suffix_cut(struct str *s, struct str suffix)
{
	if (s->n < suffix.n || memcmp(s->p + s->n - suffix.n, suffix.p, suffix.n) != 0)
		return false;
	s->n -= suffix.n;
	return true;
}

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789abcdef", s.p[i]) || !s.p[i])
			return false;
	return true;
}

struct str cgroup_container_id(struct str path)
{
	struct str part, found = { 0 };

	while (component_next(&path, &part)) {
		struct str id = part;
		char before;

		suffix_cut(&id, STR(".scope"));
		if (id.n < CONTAINER_ID)
			continue;
		before = id.n > CONTAINER_ID ? id.p[id.n - CONTAINER_ID - 1] : '-';
		str_skip(&id, id.n - CONTAINER_ID);
		if ((before == '-' || before == ':') && is_hex(id))
			found = id;
	}
	return found;
}

struct str cgroup_container_name(struct str path)
{
	struct str part, found = { 0 };

	while (component_next(&path, &part)) {
		if (str_starts(part, STR("lxc.payload."))) {
			str_skip(&part, sizeof("lxc.payload.") - 1);
			found = part;
		} else if (str_starts(part, STR("machine-")) && suffix_cut(&part, STR(".scope"))) {
			str_skip(&part, sizeof("machine-") - 1);
			found = part;
		}
	}
	return found;
}

struct str cgroup_unit(struct str path)
{
	struct str all = path, part, found = { 0 };
	bool podman = false;

	while (component_next(&path, &part)) {
		/* Units of a login are whatever somebody types there. */
		if (str_eq(part, STR("user.slice")) || str_starts(part, STR("user@")))
			return (struct str){ 0 };
		podman |= str_starts(part, STR("libpod-"));
		if (suffix_cut(&part, STR(".service")))
			found = part;
	}
	/* Podman's containers run in the unit that started them; others in that of their runtime. */
	if (cgroup_container_id(all).n && !podman)
		return (struct str){ 0 };
	return found;
}
