/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a selector: it is refused with a reason, or it matches without a crash. The same bytes serve as
 * arguments, cgroup path and OTEL_RESOURCE_ATTRIBUTES of a process, which are as hostile. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "discover/identity.h"
#include "discover/script.h"
#include "discover/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void selector_try(const char *text)
{
	static const uint16_t port = 80;
	struct selector_subject p = { .pid = 1, .exe = "/usr/sbin/nginx", .cgroup = "/system.slice/nginx.service",
				      .name = "nginx", .ports = &port, .n_ports = 1, .netns_dir = "/nonexistent" };
	_cleanup_(freep) char *why = NULL;
	struct selector s;

	if (selector_parse(&s, text, &why))
		assert(why && strstr(why, "column"));
	else
		selector_match(&s, &p);
}

static void identity_try(const char *text, const uint8_t *data, size_t size)
{
	static const char *const exes[] = { "/usr/bin/python3", "/usr/bin/node", "/usr/bin/java", "/x" };
	struct process p = { .pid = 7 };
	struct process_otel otel = { 0 };
	struct elf_facts elf = { 0 };
	struct identity_facts f = { .process = &p, .otel = &otel, .elf = &elf,
				    .args = { (const char *)data, size } };
	struct service s;

	p.uid = UINT32_MAX;	/* unknown: /etc/passwd is not what is tested */
	snprintf(p.exe, sizeof(p.exe), "%s", exes[size % ARRAY_SIZE(exes)]);
	snprintf(p.cgroup, sizeof(p.cgroup), "%s", text);
	identity_find(&s, &f);
	snprintf(otel.resource_attributes, sizeof(otel.resource_attributes), "%s", text);
	identity_find(&s, &f);
	assert(memchr(s.name, 0, sizeof(s.name)) && memchr(s.attributes, 0, sizeof(s.attributes)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	selector_try(text);
	identity_try(text, data, size);
	return 0;
}
