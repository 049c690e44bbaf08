/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h: sources in order of who knows best; the first that says something wins. */
#include "discover/identity.h"

#include <stdio.h>

#include "base/hash.h"
#include "discover/cgroup.h"
#include "discover/script.h"

#define BUILD_ID_SHOWN 12

static void copy(char *to, size_t size, struct str from)
{
	snprintf(to, size, "%.*s", (int)MIN(from.n, size - 1), from.n ? from.p : "");
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Values in OTEL_RESOURCE_ATTRIBUTES are percent-encoded (OpenTelemetry, Resource SDK). */
static void copy_decoded(char *to, size_t size, struct str from)
{
	size_t n = 0;

	for (size_t i = 0; i < from.n && n < size - 1; i++) {
		char c = from.p[i];

		if (c == '%' && i + 2 < from.n && hex_value(from.p[i + 1]) >= 0 && hex_value(from.p[i + 2]) >= 0) {
			c = (char)(hex_value(from.p[i + 1]) << 4 | hex_value(from.p[i + 2]));
			i += 2;
		}
		if (c)
			to[n++] = c;
	}
	to[n] = '\0';
}

/* Cuts the next `key=value` off; false at the end. */
static bool attribute_next(struct str *in, struct str *key, struct str *value)
{
	while (in->n) {
		struct str pair = *in;

		if (!str_cut(in, ',', &pair))
			in->n = 0;
		if (str_cut(&pair, '=', key)) {
			*key = str_trim(*key);
			*value = str_trim(pair);
			return true;
		}
	}
	return false;
}

static struct str attribute_get(struct str attributes, struct str name)
{
	struct str key, value;

	while (attribute_next(&attributes, &key, &value))
		if (str_eq(key, name))
			return value;
	return (struct str){ 0 };
}

/* Whole pairs only: half a value would be a wrong one. */
static void attributes_copy(char *to, size_t size, struct str from)
{
	if (from.n >= size) {
		from.n = size - 1;
		while (from.n && from.p[from.n] != ',')
			from.n--;
	}
	copy(to, size, from);
}

static bool name_set(struct service *s, struct str name, const char *source)
{
	if (!name.n)
		return false;
	copy(s->name, sizeof(s->name), name);
	snprintf(s->name_source, sizeof(s->name_source), "%s", source);
	return true;
}

/* systemd writes `-` of an instance name as `\x2d` (systemd.unit(5), "string escaping"). */
static void unescape(char *name)
{
	char *to = name;

	for (const char *p = name; *p; p++) {
		if (p[0] == '\\' && p[1] == 'x' && hex_value(p[2]) > 0 && hex_value(p[3]) >= 0) {
			*to++ = (char)(hex_value(p[2]) << 4 | hex_value(p[3]));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

static bool name_from_environment(struct service *s, const struct identity_facts *f)
{
	struct str value = attribute_get(str_of(f->otel->resource_attributes), STR("service.name"));

	if (name_set(s, str_trim(str_of(f->otel->service_name)), "environment"))
		return true;
	if (!name_set(s, value, "environment"))
		return false;
	copy_decoded(s->name, sizeof(s->name), value);
	return true;
}

static bool name_from_cgroup(struct service *s, const struct identity_facts *f)
{
	struct str path = str_of(f->process->cgroup);

	if (!name_set(s, cgroup_container_name(path), "container") && !name_set(s, cgroup_unit(path), "systemd"))
		return false;
	unescape(s->name);
	return true;
}

static bool name_from_script(struct service *s, const struct identity_facts *f)
{
	const struct interpreter *in = interpreter_of(f->process->exe);
	char name[sizeof(s->name)];

	return in && script_name(in, f->args, name, sizeof(name)) && name_set(s, str_of(name), "script");
}

/* A program with several names (busybox, Debian's redis-server) is what it was started as: its first argument's file,
 * where comm agrees, which execve() set from the same name. Empty when they disagree. */
static struct str started_as(const struct identity_facts *f)
{
	struct str comm = str_of(f->process->comm), name = { f->args.p, str_find(f->args, '\0') };

	name.n = str_find(name, ' ');	/* some add their address to the title */
	name = last_component(name);
	return comm.n && str_starts(name, comm) && (name.n == comm.n || comm.n == sizeof(f->process->comm) - 1) ?
	       name : (struct str){ 0 };
}

static bool name_from_executable(struct service *s, const struct identity_facts *f)
{
	return name_set(s, started_as(f), "executable") || name_set(s, last_component(str_of(f->process->exe)), "executable") ||
	       name_set(s, str_of(f->process->comm), "executable");
}

static bool (*const name_sources[])(struct service *s, const struct identity_facts *f) = {
	name_from_environment, name_from_cgroup, name_from_script, name_from_executable,
};

/* An interpreter's build id says nothing about the script that it runs. */
static void version_find(struct service *s, const struct identity_facts *f)
{
	struct str value = attribute_get(str_of(f->otel->resource_attributes), STR("service.version"));
	const struct elf_facts *elf = f->elf;

	if (value.n)
		copy_decoded(s->version, sizeof(s->version), value);
	else if (elf->vcs_revision[0])
		copy(s->version, sizeof(s->version), str_of(elf->vcs_revision));
	else if (elf->module_version[0])
		copy(s->version, sizeof(s->version), str_of(elf->module_version));
	else if (!interpreter_of(f->process->exe))
		copy(s->version, BUILD_ID_SHOWN + 1, str_of(elf->build_id));
}

static enum runtime runtime_find(struct service *s, const struct identity_facts *f)
{
	static const struct interpreter go = { .runtime = RUNTIME_GO, .runtime_name = "go" };
	const struct interpreter *in = interpreter_of(f->process->exe);

	if (!in && f->elf->go)
		in = &go;
	if (!in)
		return RUNTIME_NATIVE;
	copy(s->runtime, sizeof(s->runtime), str_of(in->runtime_name));
	return in->runtime;
}

/* A UUID of version 8 (RFC 9562 5.8): a hash of what makes the instance unique and does not change. */
static void instance_id_make(struct service *s, const struct identity_facts *f)
{
	const struct process *p = f->process;
	uint64_t when[2] = { p->start_ticks, s->container_id[0] ? p->ns_pid : p->pid }, id[2];

	for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
		id[i] = hash_bytes(i + 1, f->host_id.p, f->host_id.n);
		id[i] = hash_bytes(id[i], s->container_id, strlen(s->container_id));
		id[i] = hash_bytes(id[i], when, sizeof(when));
	}
	snprintf(s->instance_id, sizeof(s->instance_id), "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(id[0] >> 32),
		 (unsigned)(id[0] >> 16) & 0xffff, (unsigned)id[0] & 0xfff,
		 ((unsigned)(id[1] >> 48) & 0x3fff) | 0x8000, (unsigned long long)id[1] & 0xffffffffffffull);
}

enum runtime identity_find(struct service *s, const struct identity_facts *f)
{
	const struct process *p = f->process;
	struct str attributes = str_of(f->otel->resource_attributes);

	*s = (struct service){ .pid = p->pid, .parent_pid = p->ppid, .netns = p->netns };
	s->started_unix_ns = process_started_unix_ns(p->start_ticks);
	copy(s->exe, sizeof(s->exe), str_of(p->exe));
	copy(s->cgroup, sizeof(s->cgroup), str_of(p->cgroup));
	copy(s->container_id, sizeof(s->container_id), cgroup_container_id(str_of(p->cgroup)));
	if (p->uid != UINT32_MAX)
		process_owner(p->uid, s->owner, sizeof(s->owner));
	copy_decoded(s->namespace_, sizeof(s->namespace_), attribute_get(attributes, STR("service.namespace")));
	attributes_copy(s->attributes, sizeof(s->attributes), attributes);
	for (size_t i = 0; i < ARRAY_SIZE(name_sources); i++)
		if (name_sources[i](s, f))
			break;
	version_find(s, f);
	instance_id_make(s, f);
	return runtime_find(s, f);
}

void identity_configured(struct service *s, const char *name)
{
	if (strcmp(s->name_source, "environment") != 0)
		name_set(s, str_of(name), "config");
}

bool identity_same(const struct service *parent, const struct service *child)
{
	if (strcmp(parent->exe, child->exe) != 0)
		return false;
	if (strcmp(parent->name, child->name) == 0)
		return true;
	return strcmp(child->name_source, "executable") == 0 && interpreter_of(child->exe);
}
