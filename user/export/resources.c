/* SPDX-License-Identifier: Apache-2.0 */
/* resources: services by number, and how one becomes a resource. Owns copies of struct service; the facts
 * of the host are read once, when it is made. Number 0 is the agent itself.
 * Source: semantic-conventions, docs/resource. */
#include "export/resource.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/utsname.h>

#define MACHINE_ID_CHARS 32

struct resources {
	pthread_mutex_t lock;
	struct service *services[SERVICES_MAX];
	char host_name[65], host_id[MACHINE_ID_CHARS + 1];
	const char *host_arch;
};

/* uname(2)'s machine to the well-known values of host.arch; others stay as they are not known. */
static const char *host_arch(const char *machine)
{
	static const struct { const char *machine, *arch; } names[] = {
		{ "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm32" },
		{ "i686", "x86" }, { "ppc64le", "ppc64" }, { "s390x", "s390x" }, { "riscv64", "riscv64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].machine, machine) == 0)
			return names[i].arch;
	return "";
}

/* host.id of a machine that is no cloud instance (docs/resource/host.md): machine-id(5). */
static void read_machine_id(char *id)
{
	_cleanup_(closep) int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, id, MACHINE_ID_CHARS) != MACHINE_ID_CHARS)
		id[0] = '\0';
}

static void read_host(struct resources *r)
{
	struct utsname u;

	read_machine_id(r->host_id);
	r->host_arch = "";
	if (uname(&u))
		return;
	snprintf(r->host_name, sizeof(r->host_name), "%s", u.nodename);
	r->host_arch = host_arch(u.machine);
}

/* A random UUID (RFC 9562, version 4). */
static void write_uuid(char *to, size_t size)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(to, size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void describe_agent(struct service *s)
{
	s->pid = (uint32_t)getpid();
	snprintf(s->name, sizeof(s->name), "sonde");
	snprintf(s->version, sizeof(s->version), SONDE_VERSION);
	write_uuid(s->instance_id, sizeof(s->instance_id));
}

int resources_new(struct resources **out)
{
	struct resources *r = calloc(1, sizeof(*r));

	if (r)
		r->services[0] = calloc(1, sizeof(*r->services[0]));
	if (!r || !r->services[0]) {
		free(r);
		return -ENOMEM;
	}
	pthread_mutex_init(&r->lock, NULL);
	read_host(r);
	describe_agent(r->services[0]);
	*out = r;
	return 0;
}

void resources_free(struct resources *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < SERVICES_MAX; i++)
		free(r->services[i]);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Out of memory: the number stays unknown, or as it was. */
void resources_set(struct resources *r, const struct service *s)
{
	if (s->number >= SERVICES_MAX)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->services[s->number])
		r->services[s->number] = malloc(sizeof(*s));
	if (r->services[s->number])
		*r->services[s->number] = *s;
	pthread_mutex_unlock(&r->lock);
}

bool resources_get(struct resources *r, uint32_t number, struct service *out)
{
	const struct service *s = NULL;

	if (number >= SERVICES_MAX)
		return false;
	pthread_mutex_lock(&r->lock);
	s = r->services[number];
	if (s)
		*out = *s;
	pthread_mutex_unlock(&r->lock);
	return s;
}

/* ---- as attributes ---- */

static bool resource_has(const struct resource *res, struct str key)
{
	for (uint32_t i = 0; i < res->n; i++)
		if (str_eq(str_of(res->attrs[i].key), key))
			return true;
	return false;
}

/* The first value of a key stays; unknown facts are left out. */
static void put_attr(struct resource *res, struct attr a)
{
	if (res->n < RESOURCE_ATTRS_MAX && !resource_has(res, str_of(a.key)))
		res->attrs[res->n++] = a;
}

static void put_str(struct resource *res, const char *key, const char *v)
{
	if (*v)
		put_attr(res, (struct attr){ .key = key, .type = ATTR_STR, .s = str_of(v) });
}

static void put_int(struct resource *res, const char *key, uint32_t v)
{
	if (v)
		put_attr(res, (struct attr){ .key = key, .type = ATTR_INT, .i = v });
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* s percent-decoded and NUL-terminated at *to (room: s.n + 1), which moves behind it. A bad escape stays as
 * it is, an encoded NUL too: it would cut the value. */
static const char *decode_percent(char **to, struct str s)
{
	char *start = *to, *at = start;

	for (size_t i = 0; i < s.n; i++) {
		int high = s.p[i] == '%' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;

		if (low >= 0 && (high | low)) {
			*at++ = (char)(high << 4 | low);
			i += 2;
		} else {
			*at++ = s.p[i];
		}
	}
	*at++ = '\0';
	*to = at;
	return start;
}

/* "key=value,key=value" of OTEL_RESOURCE_ATTRIBUTES (specification, resource/sdk). */
static void put_environment(struct resource *res)
{
	struct str in = str_of(res->service.attributes), pair, key;
	char *to = res->decoded;

	while (in.n) {
		if (!str_cut(&in, ',', &pair)) {
			pair = in;
			in.n = 0;
		}
		if (!str_cut(&pair, '=', &key))
			continue;
		key = str_trim(key);
		pair = str_trim(pair);
		if (key.n) {
			const char *name = decode_percent(&to, key);

			put_str(res, name, decode_percent(&to, pair));
		}
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The order decides: what discovery concluded, then what the process says of itself, then what we saw. */
void resource_load(struct resource *out, struct resources *r, uint32_t number)
{
	struct service *s = &out->service;

	out->n = 0;
	if (!resources_get(r, number, s))
		*s = (struct service){ .number = number };
	put_str(out, "service.name", *s->name ? s->name : "unknown_service");
	put_str(out, "service.namespace", s->namespace_);
	put_str(out, "service.version", s->version);
	put_str(out, "service.instance.id", s->instance_id);
	put_str(out, "telemetry.sdk.name", "sonde");
	put_str(out, "telemetry.sdk.language", "c");
	put_str(out, "telemetry.sdk.version", SONDE_VERSION);
	put_str(out, "telemetry.distro.name", "sonde");
	put_str(out, "telemetry.distro.version", SONDE_VERSION);
	put_environment(out);
	put_int(out, "process.pid", s->pid);
	put_int(out, "process.parent_pid", s->parent_pid);
	put_str(out, "process.executable.path", s->exe);
	put_str(out, "process.executable.name", base_name(s->exe));
	put_str(out, "process.runtime.name", s->runtime);
	put_str(out, "process.owner", s->owner);
	put_str(out, "container.id", s->container_id);
	put_str(out, "host.name", r->host_name);
	put_str(out, "host.id", r->host_id);
	put_str(out, "host.arch", r->host_arch);
	put_str(out, "os.type", "linux");
}
