/* SPDX-License-Identifier: Apache-2.0 */
/* discover/identity, script and cgroup: facts of a process in, its service's name, version and ids out. */
#include "unit.h"

#include "discover/cgroup.h"
#include "discover/identity.h"
#include "discover/script.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHORT_ID "0123456789abcdef0123456789abcdef"

/* Arguments are written with blanks between them. */
static struct str args_of(const char *line, char *space, size_t size)
{
	size_t n = (size_t)snprintf(space, size, "%s", line) + 1;

	for (size_t i = 0; i < n; i++)
		if (space[i] == ' ')
			space[i] = '\0';
	return guarded(space, n);
}

struct seen {
	struct service s;
	enum runtime runtime;
};

static struct seen identify_as(const char *comm, const char *exe, const char *args, const char *cgroup,
			       const char *otel_name, const char *otel_attributes)
{
	struct process p = { .pid = 7, .ppid = 1, .ns_pid = 7, .start_ticks = 100 };
	struct process_otel otel = { 0 };
	struct elf_facts elf = { .build_id = "00112233445566778899aabbccddeeff00112233" };
	struct identity_facts f = { .process = &p, .otel = &otel, .elf = &elf, .host_id = STR("host") };
	struct seen seen;
	char space[512];

	snprintf(p.comm, sizeof(p.comm), "%s", comm);
	snprintf(p.exe, sizeof(p.exe), "%s", exe);
	snprintf(p.cgroup, sizeof(p.cgroup), "%s", cgroup);
	snprintf(otel.service_name, sizeof(otel.service_name), "%s", otel_name);
	snprintf(otel.resource_attributes, sizeof(otel.resource_attributes), "%s", otel_attributes);
	f.args = args_of(args, space, sizeof(space));
	seen.runtime = identity_find(&seen.s, &f);
	return seen;
}

static struct seen identify(const char *exe, const char *args, const char *cgroup, const char *otel_name,
			    const char *otel_attributes)
{
	return identify_as("comm", exe, args, cgroup, otel_name, otel_attributes);
}

TEST(scripts_name_their_interpreter)
{
	static const struct { const char *exe, *args, *name; } cases[] = {
		{ "/usr/bin/python3.11", "python app.py", "app" },
		{ "/usr/bin/python3", "python3 -u -W ignore -X dev /srv/pay/worker.py --port 3", "worker" },
		{ "/usr/bin/python3", "python -m pkg.mod x", "pkg.mod" },
		{ "/usr/bin/python3", "python /srv/shop/app.py", "shop" },
		{ "/usr/bin/python3", "python /srv/shop/src/main.py", "shop" },
		{ "/usr/bin/python3", "python ./main.py", "main" },
		{ "/usr/bin/python3", "python /srv/shop/", "shop" },
		{ "/usr/bin/python3", "python /srv/shop/__main__.py", "shop" },
		{ "/usr/bin/python3", "python /srv/shop/manage.py runserver", "shop" },
		{ "/usr/bin/python3", "python /usr/bin/gunicorn shop.wsgi:app", "shop" },
		{ "/usr/bin/python3", "python /usr/bin/gunicorn -w 4 -b 127.0.0.1:80 -k gthread shop.wsgi:app", "shop" },
		{ "/usr/bin/python3", "python /usr/bin/gunicorn --bind unix:/run/x shop.wsgi", "shop" },
		{ "/usr/bin/python3", "python /usr/bin/gunicorn shop.wsgi --workers 2", "shop" },
		{ "/usr/bin/python3", "python /usr/bin/gunicorn -b localhost:80 shop:create_app()", "shop" },
		{ "/usr/bin/python3", "python -m uvicorn pay.main:app --port 80", "pay" },
		{ "/usr/bin/python3", "python /usr/bin/flask --app pay run", "pay" },
		{ "/usr/bin/python3", "python /usr/bin/flask run", "flask" },
		{ "/usr/bin/python3", "python /usr/bin/celery -A tasks worker", "tasks" },
		{ "/usr/bin/python3", "python -c import(x)", "python3" },
		{ "/usr/bin/python3", "python", "python3" },
		{ "/usr/bin/node", "node server.js", "server" },
		{ "/usr/bin/node", "node --require ./trace.js /srv/cart/dist/index.js", "cart" },
		{ "/usr/bin/node", "node --max-old-space-size=100 cart.mjs", "cart" },
		{ "/usr/bin/node", "node -e 1", "node" },
		{ "/opt/jdk/bin/java", "java -jar x.jar", "x" },
		{ "/opt/jdk/bin/java", "java -Xmx1g -jar /srv/shop-api-1.2.3-SNAPSHOT.jar --x", "shop-api" },
		{ "/opt/jdk/bin/java", "java Main", "Main" },
		{ "/opt/jdk/bin/java", "java /srv/Shop.java", "Shop" },
		{ "/opt/jdk/bin/java", "java -cp a.jar:b.jar -Dx=y com.shop.Main arg", "com.shop.Main" },
		{ "/opt/jdk/bin/java", "java -m shop/com.shop.Main", "shop/com.shop.Main" },
		{ "/usr/bin/ruby3.1", "ruby -I lib job.rb", "job" },
		{ "/usr/bin/deno", "deno run -A shop.ts", "shop" },
		{ "/usr/bin/dotnet", "dotnet Shop.dll", "Shop" },
		{ "/usr/bin/bash", "bash -c exit", "bash" },
		{ "/usr/sbin/nginx", "nginx: master", "nginx" },
		{ "/usr/bin/pythonista", "pythonista x.py", "pythonista" },
		{ "", "", "comm" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen = identify(cases[i].exe, cases[i].args, "/", "", "");

		if (strcmp(seen.s.name, cases[i].name))
			fail_msg("%s is called %s, not %s", cases[i].args, seen.s.name, cases[i].name);
	}
}

TEST(a_title_names_the_application_of_gunicorn)
{
	static const char title[] = "gunicorn: master [shop.wsgi:app]";
	char name[32];

	assert_true(script_name(interpreter_of("python3"), guarded(title, sizeof(title)), name, sizeof(name)));
	assert_string_equal(name, "shop");
}

TEST(arguments_without_an_end_are_read_to_their_end)
{
	static const char args[] = { 'p', 'y', 0, 'w', 'o', 'r', 'k', '.', 'p', 'y' };
	char name[32];

	assert_true(script_name(interpreter_of("python3"), guarded(args, sizeof(args)), name, sizeof(name)));
	assert_string_equal(name, "work");
	assert_false(script_name(interpreter_of("python3"), guarded("", 0), name, sizeof(name)));
	assert_false(script_name(interpreter_of("python3"), guarded("\0\0\0", 3), name, sizeof(name)));
}

TEST(cgroup_paths_tell_units_and_containers)
{
	static const struct { const char *path, *unit, *id, *name; } cases[] = {
		{ "/system.slice/nginx.service", "nginx", "", "" },
		{ "/system.slice/system-postgresql.slice/postgresql@15-main.service", "postgresql@15-main", "", "" },
		{ "/shop.slice/shop-api.service", "shop-api", "", "" },
		{ "/user.slice/user-0.slice/session-1.scope", "", "", "" },
		{ "/user.slice/user-0.slice/user@0.service/app.slice/x.service", "", "", "" },
		{ "/init.scope", "", "", "" }, { "/", "", "", "" }, { "", "", "", "" },
		{ "/system.slice/docker-" ID ".scope", "", ID, "" },
		{ "/docker/" ID, "", ID, "" },
		{ "/kubepods.slice/kubepods-pod1_2.slice/cri-containerd-" ID ".scope", "", ID, "" },
		{ "/kubepods/burstable/pod0a/" ID, "", ID, "" },
		{ "/machine.slice/libpod-" ID ".scope/container", "", ID, "" },
		{ "/system.slice/shop.service/libpod-payload-" ID, "shop", ID, "" },
		{ "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID, "", ID, "" },
		{ "/lxc.payload.db", "", "", "db" }, { "/machine.slice/machine-shop.scope/payload", "", "", "shop" },
		{ "/docker/" SHORT_ID, "", "", "" },
		{ "/docker/g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str path = guarded(cases[i].path, strlen(cases[i].path));

		if (!str_eq(cgroup_unit(path), str_of(cases[i].unit)) ||
		    !str_eq(cgroup_container_id(path), str_of(cases[i].id)) ||
		    !str_eq(cgroup_container_name(path), str_of(cases[i].name)))
			fail_msg("%s", cases[i].path);
	}
}

TEST(the_environment_knows_best)
{
	struct seen seen = identify("/usr/bin/python3", "python app.py", "/system.slice/unit.service", "env",
				    "service.name=attr,service.version=1%2C2,service.namespace=ns");

	assert_string_equal(seen.s.name, "env");
	assert_string_equal(seen.s.name_source, "environment");
	assert_string_equal(seen.s.version, "1,2");
	assert_string_equal(seen.s.namespace_, "ns");
	assert_string_equal(seen.s.attributes, "service.name=attr,service.version=1%2C2,service.namespace=ns");
	identity_configured(&seen.s, "config");
	assert_string_equal(seen.s.name, "env");
}

TEST(names_come_from_the_best_source_there_is)
{
	static const struct { const char *cgroup, *attributes, *name, *source; } cases[] = {
		{ "/system.slice/unit.service", " service.name = attr ,x=y", "attr", "environment" },
		{ "/system.slice/unit.service", "service.name=", "unit", "systemd" },
		{ "/system.slice/a\\x2db.service", "broken,=,", "a-b", "systemd" },
		{ "/lxc.payload.db", "", "db", "container" },
		{ "/docker/" ID, "", "job", "script" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen = identify("/usr/bin/python3", "python job.py", cases[i].cgroup, "",
					    cases[i].attributes);

		assert_string_equal(seen.s.name, cases[i].name);
		assert_string_equal(seen.s.name_source, cases[i].source);
		identity_configured(&seen.s, "config");
		assert_string_equal(seen.s.name_source, i ? "config" : "environment");
	}
}

TEST(a_program_with_several_names_is_what_it_was_started_as)
{
	static const struct { const char *comm, *args, *name; } cases[] = {
		{ "redis-server", "redis-server 127.0.0.1:6379", "redis-server" },
		{ "a-very-long-nam", "/usr/bin/a-very-long-name-indeed -x", "a-very-long-name-indeed" },
		{ "renamed", "redis-server", "redis-check-rdb" },
		{ "redis-server", "", "redis-check-rdb" },
		{ "redis", "redis-server", "redis-check-rdb" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(identify_as(cases[i].comm, "/usr/bin/redis-check-rdb", cases[i].args, "/", "", "").s.name,
				    cases[i].name);
}

TEST(an_interpreters_build_is_not_its_scripts_version)
{
	assert_string_equal(identify("/usr/sbin/nginx", "nginx", "/", "", "").s.version, "001122334455");
	assert_string_equal(identify("/usr/bin/node", "node x.js", "/", "", "").s.version, "");
}

TEST(runtimes_are_told_by_what_runs)
{
	assert_int_equal(identify("/usr/bin/python3.13", "", "/", "", "").runtime, RUNTIME_PYTHON);
	assert_int_equal(identify("/usr/bin/nodejs", "", "/", "", "").runtime, RUNTIME_NODE);
	assert_int_equal(identify("/opt/bin/java", "", "/", "", "").runtime, RUNTIME_JAVA);
	assert_string_equal(identify("/opt/bin/java", "", "/", "", "").s.runtime, "openjdk");
	assert_int_equal(identify("/usr/sbin/nginx", "", "/", "", "").runtime, RUNTIME_NATIVE);
	assert_string_equal(identify("/usr/sbin/nginx", "", "/", "", "").s.runtime, "");
}

TEST(go_tells_its_revision)
{
	struct process p = { .pid = 7, .exe = "/srv/pay" };
	struct process_otel otel = { 0 };
	struct elf_facts elf = { .go = true, .module_version = "v1.2.3", .build_id = "00112233445566" };
	struct identity_facts f = { .process = &p, .otel = &otel, .elf = &elf };
	struct service s;

	assert_int_equal(identity_find(&s, &f), RUNTIME_GO);
	assert_string_equal(s.version, "v1.2.3");
	assert_string_equal(s.runtime, "go");
	strcpy(elf.vcs_revision, "deadbeef");
	identity_find(&s, &f);
	assert_string_equal(s.version, "deadbeef");
}

TEST(instance_ids_are_stable_and_differ)
{
	struct service a = identify("/x", "", "/", "", "").s, b = identify("/x", "", "/", "n", "").s;
	struct service c = identify("/x", "", "/docker/" ID, "", "").s;

	assert_string_equal(a.instance_id, b.instance_id);
	assert_string_not_equal(a.instance_id, c.instance_id);
	assert_int_equal(strlen(a.instance_id), 36);
	assert_int_equal(a.instance_id[14], '8');
	assert_non_null(strchr("89ab", a.instance_id[19]));
	assert_string_equal(c.container_id, ID);
}

TEST(attributes_are_cut_between_pairs)
{
	char attributes[700];
	struct seen seen;

	snprintf(attributes, sizeof(attributes), "a=1,b=%0300d,c=%0300d", 1, 2);
	seen = identify("/x", "", "/", "", attributes);
	assert_int_equal(strlen(seen.s.attributes), 3 + 1 + 2 + 300);
}

TEST(relatives_are_one_service_if_they_run_the_same)
{
	struct service parent = identify("/usr/bin/python3", "python /usr/bin/gunicorn shop:app", "/", "", "").s;
	struct service spawned = identify("/usr/bin/python3", "python -c x", "/", "", "").s;
	struct service other = identify("/usr/bin/python3", "python other.py", "/", "", "").s;
	struct service shell = identify("/bin/sh", "sh", "/", "", "").s;

	assert_true(identity_same(&parent, &parent));
	assert_true(identity_same(&parent, &spawned));
	assert_false(identity_same(&parent, &other));
	assert_false(identity_same(&parent, &shell));
}

RUN_TESTS
