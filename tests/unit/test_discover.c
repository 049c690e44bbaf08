/* SPDX-License-Identifier: Apache-2.0 */
/* discover/: a made-up /proc and records in; what the kernel and the worker would be told out. */
#include "unit.h"

#include <ftw.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "discover/discover.h"
#include "discover/process.h"

#define EVENTS_MAX 64
#define PIDS_MAX 5000

/* A /proc in a temporary directory, and what discover said to its sink. */
struct world {
	char proc[64];
	struct discover *d;
	uint32_t watched[PIDS_MAX];	/* pid -> service number */
	enum runtime runtimes[PIDS_MAX];
	struct service services[EVENTS_MAX];
	size_t n_services, n_unwatched;
	uint32_t namespaces[EVENTS_MAX];
	size_t n_changed;
	size_t n_redecided;
	int watch_error;
	uint32_t dies;			/* this pid ends just before the kernel gets its policy */
};

static void file_write(const struct world *w, uint32_t pid, const char *file, const char *text,
		       const char *mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%u/%s", w->proc, pid, file);
	f = fopen(path, mode);
	assert_non_null(f);
	for (; *text; text++)
		fputc(*text == '\n' && strcmp(file, "status") && strcmp(file, "cgroup") ? '\0' : *text, f);
	fclose(f);
}

static void link_write(const struct world *w, uint32_t pid, const char *file, const char *to)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/%s", w->proc, pid, file);
	unlink(path);
	assert_int_equal(symlink(to, path), 0);
}

struct fake {
	uint32_t pid, ppid, start, netns;
	const char *exe, *args, *environment, *cgroup;	/* args and environment: one per line */
	char state;
};

static void process_make(const struct world *w, struct fake f)
{
	static const char *const directories[] = { "", "ns", "task", "task/1" };
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		snprintf(text, sizeof(text), "%s/%u/%s", w->proc, f.pid, directories[i]);
		mkdir(text, 0700);
	}
	snprintf(text, sizeof(text), "%u (a) b) %c %u 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 %u 99", f.pid,
		 f.state ? f.state : 'S', f.ppid, f.start ? f.start : f.pid * 10);
	file_write(w, f.pid, "stat", text, "w");
	snprintf(text, sizeof(text), "Name:\tcomm\nUid:\t0\t0\t0\t0\nNSpid:\t%u\t1\n", f.pid);
	file_write(w, f.pid, "status", text, "w");
	snprintf(text, sizeof(text), "1:cpu:/x\n0::%s\n", f.cgroup ? f.cgroup : "/shop");
	file_write(w, f.pid, "cgroup", text, "w");
	snprintf(text, sizeof(text), "net:[%u]", f.netns ? f.netns : 100);
	link_write(w, f.pid, "ns/net", text);
	link_write(w, f.pid, "exe", f.exe);
	snprintf(text, sizeof(text), "%s\n", f.args ? f.args : f.exe);
	file_write(w, f.pid, "cmdline", text, "w");
	snprintf(text, sizeof(text), "SECRET=x\n%s\n", f.environment ? f.environment : "");
	file_write(w, f.pid, "environ", text, "w");
	snprintf(text, sizeof(text), "%s/%u", w->proc, f.ppid);
	if (access(text, F_OK) == 0) {
		snprintf(text, sizeof(text), "%u ", f.pid);
		file_write(w, f.ppid, "task/1/children", text, "a");
	}
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void process_end(const struct world *w, uint32_t pid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%u", w->proc, pid);
	nftw(path, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static int on_watch(void *ctx, uint32_t tgid, const struct process_policy *p)
{
	struct world *w = ctx;

	if (w->watch_error)
		return w->watch_error;
	if (w->dies == tgid)
		process_end(w, tgid);
	w->watched[tgid] = p->service;
	w->runtimes[tgid] = p->runtime;
	return 0;
}

static int on_unwatch(void *ctx, uint32_t tgid)
{
	struct world *w = ctx;

	w->watched[tgid] = 0;
	w->n_unwatched++;
	return 0;
}

static void on_service(void *ctx, const struct service *s)
{
	struct world *w = ctx;

	assert_true(w->n_services < EVENTS_MAX);
	w->services[w->n_services++] = *s;
}

static void on_changed(void *ctx, uint32_t netns, uint32_t pid)
{
	struct world *w = ctx;

	assert_true(w->n_changed < EVENTS_MAX && !netns == !pid);
	w->namespaces[w->n_changed++] = netns;
}

static void on_redecide(void *ctx)
{
	((struct world *)ctx)->n_redecided++;
}

static void world_open(struct world *w, struct discover_options opt, const char *select, const char *exclude)
{
	struct discover_sink sink = { w, on_watch, on_unwatch, on_service, on_changed, on_redecide };
	char *why;

	memset(w, 0, sizeof(*w));
	snprintf(w->proc, sizeof(w->proc), "/tmp/sonde-proc-XXXXXX");
	assert_non_null(mkdtemp(w->proc));
	opt.select = &select;
	opt.n_select = select != NULL;
	opt.exclude = &exclude;
	opt.n_exclude = exclude != NULL;
	opt.proc = w->proc;
	opt.cgroup_root = "/nonexistent";
	assert_int_equal(discover_new(&w->d, &opt, &sink, &why), 0);
}

static void world_close(struct world *w)
{
	discover_free(w->d);
	nftw(w->proc, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* The last thing said about a number. */
static const struct service *service_said(const struct world *w, uint32_t number)
{
	for (size_t i = w->n_services; i > 0; i--)
		if (w->services[i - 1].number == number)
			return &w->services[i - 1];
	fail_msg("nothing was said about service %u", number);
	return NULL;
}

static void tell(struct world *w, enum rec_kind kind, uint32_t pid, uint32_t ppid, uint32_t service,
		 const char *file)
{
	struct rec_process r = { .h = { .kind = (uint8_t)kind, .tgid = pid, .service = service }, .ptgid = ppid };

	snprintf(r.file, sizeof(r.file), "%s", file ? file : "");
	snprintf(r.comm, sizeof(r.comm), "said");
	discover_record(w->d, &r, sizeof(r));
}

static void nginx_make(const struct world *w)
{
	process_make(w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx" });
	process_make(w, (struct fake){ .pid = 11, .ppid = 10, .exe = "/fake/nginx" });
	process_make(w, (struct fake){ .pid = 12, .ppid = 10, .exe = "/fake/nginx" });
	process_make(w, (struct fake){ .pid = 20, .ppid = 1, .exe = "/fake/redis" });
}

TEST(a_master_and_its_workers_are_one_instance)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	nginx_make(&w);
	assert_int_equal(discover_scan(w.d), 0);
	assert_int_equal(w.watched[10], 1);
	assert_int_equal(w.watched[11], 1);
	assert_int_equal(w.watched[12], 1);
	assert_int_equal(w.watched[20], 0);
	assert_int_equal(w.n_services, 1);
	assert_int_equal(w.services[0].pid, 10);
	assert_string_equal(w.services[0].name, "nginx");
	assert_string_equal(w.services[0].owner, "root");
	assert_string_equal(w.services[0].cgroup, "/shop");
	assert_int_equal(discover_processes(w.d), 3);
	assert_int_equal(discover_services(w.d), 1);
	world_close(&w);
}

TEST(the_last_process_takes_the_instance_with_it)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	nginx_make(&w);
	discover_scan(w.d);
	tell(&w, REC_EXIT, 10, 0, 1, NULL);
	tell(&w, REC_EXIT, 11, 0, 1, NULL);
	assert_int_equal(w.n_services, 1);
	tell(&w, REC_EXIT, 12, 0, 1, NULL);
	tell(&w, REC_EXIT, 12, 0, 1, NULL);
	assert_int_equal(w.n_services, 2);
	assert_true(w.services[1].gone);
	assert_int_equal(discover_services(w.d), 0);
	assert_int_equal(w.n_unwatched, 0);	/* BPF deletes at exit */
	world_close(&w);
}

TEST(two_trees_of_the_same_program_are_two_instances)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	process_make(&w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx" });
	process_make(&w, (struct fake){ .pid = 30, .ppid = 1, .exe = "/fake/nginx" });
	discover_scan(w.d);
	assert_int_equal(w.watched[10], 1);
	assert_int_equal(w.watched[30], 2);
	assert_string_not_equal(w.services[0].instance_id, w.services[1].instance_id);
	world_close(&w);
}

TEST(no_selector_means_all_but_sonde_its_endpoint_and_kernel_threads)
{
	struct world w;
	char *self = realpath("/proc/self/exe", NULL);
	uint32_t own = (uint32_t)getpid() % 1000 + 3000;

	world_open(&w, (struct discover_options){ .otlp_port = 4318 }, NULL, NULL);
	nginx_make(&w);
	process_make(&w, (struct fake){ .pid = own, .ppid = 1, .exe = self });
	process_make(&w, (struct fake){ .pid = 40, .ppid = 1, .exe = "/fake/collector" });
	process_make(&w, (struct fake){ .pid = 41, .ppid = 1, .exe = "/fake/zombie", .state = 'Z' });
	assert_true(discover_needs_listeners(w.d));
	discover_scan(w.d);
	assert_int_not_equal(w.watched[40], 0);
	discover_listener(w.d, 40, 4318, 100);
	assert_int_equal(w.watched[40], 0);
	assert_int_equal(w.watched[own], 0);
	assert_int_equal(w.watched[41], 0);
	assert_int_not_equal(w.watched[20], 0);
	assert_int_not_equal(w.watched[10], w.watched[20]);
	discover_scan(w.d);
	assert_int_equal(w.watched[40], 0);
	free(self);
	world_close(&w);
}

TEST(a_port_selects_its_listeners_tree_in_any_order)
{
	static const uint32_t orders[][3] = { { 10, 11, 12 }, { 12, 11, 10 }, { 11, 10, 12 } };

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct world w;

		world_open(&w, (struct discover_options){ 0 }, "port=80", NULL);
		nginx_make(&w);
		process_make(&w, (struct fake){ .pid = 13, .ppid = 12, .exe = "/fake/helper" });
		assert_true(discover_needs_listeners(w.d));
		discover_scan(w.d);
		assert_int_equal(discover_processes(w.d), 0);
		for (size_t k = 0; k < 3; k++)
			discover_listener(w.d, orders[i][k], 80, 100);
		discover_listener(w.d, 20, 6379, 100);
		assert_int_not_equal(w.watched[10], 0);
		assert_int_equal(w.watched[11], w.watched[10]);
		assert_int_equal(w.watched[12], w.watched[10]);
		assert_int_equal(service_said(&w, w.watched[10])->pid, 10);
		assert_string_equal(service_said(&w, w.watched[13])->name, "helper");
		assert_int_equal(w.watched[20], 0);
		assert_int_equal(discover_services(w.d), 2);
		world_close(&w);
	}
}

TEST(a_listening_record_selects_too)
{
	struct rec_conn listening = { .h = { .kind = REC_LISTEN, .tgid = 20 }, .local_port = 6379, .netns = 100 };
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "port=6379", NULL);
	nginx_make(&w);
	discover_record(w.d, &listening, sizeof(listening));
	assert_int_equal(w.watched[20], 1);
	discover_record(w.d, &listening, sizeof(listening.h));
	discover_record(w.d, &listening, 3);
	assert_int_equal(w.n_services, 1);
	world_close(&w);
}

TEST(forked_children_are_kept_by_book_only)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	nginx_make(&w);
	discover_scan(w.d);
	process_make(&w, (struct fake){ .pid = 14, .ppid = 10, .exe = "/fake/nginx" });
	tell(&w, REC_FORK, 14, 10, 1, NULL);
	assert_int_equal(w.watched[14], 0);	/* the kernel has it already */
	assert_int_equal(discover_processes(w.d), 4);
	assert_int_equal(w.n_changed, 1);
	tell(&w, REC_FORK, 15, 10, 7, NULL);	/* under a number that is no longer its parent's */
	assert_int_equal(w.watched[15], 1);
	tell(&w, REC_FORK, 16, 99, 7, NULL);	/* its parent is not watched any more */
	assert_int_equal(w.watched[16], 0);
	assert_int_equal(w.n_unwatched, 1);
	world_close(&w);
}

TEST(what_a_child_executes_is_decided_anew)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	nginx_make(&w);
	discover_scan(w.d);
	process_make(&w, (struct fake){ .pid = 14, .ppid = 10, .exe = "/fake/nginx" });
	tell(&w, REC_FORK, 14, 10, 1, NULL);
	w.watched[14] = 1;
	process_make(&w, (struct fake){ .pid = 14, .ppid = 10, .exe = "/fake/logrotate" });
	tell(&w, REC_EXEC, 14, 0, 1, "/fake/logrotate");
	assert_int_equal(w.watched[14], 0);
	assert_int_equal(discover_processes(w.d), 3);
	assert_int_equal(w.n_changed, 1);
	assert_int_equal(w.n_redecided, 1);	/* what it inherited was decided for nginx */
	process_make(&w, (struct fake){ .pid = 14, .ppid = 10, .exe = "/fake/nginx" });
	tell(&w, REC_EXEC, 14, 0, 0, "/fake/nginx");
	assert_int_equal(w.watched[14], 1);
	world_close(&w);
}

TEST(all_that_a_selected_pid_starts_is_watched)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "pid=50", NULL);
	process_make(&w, (struct fake){ .pid = 50, .ppid = 1, .exe = "/fake/bash" });
	process_make(&w, (struct fake){ .pid = 51, .ppid = 50, .exe = "/fake/python3", .args = "python\njob.py" });
	discover_scan(w.d);
	assert_int_equal(w.watched[50], 1);
	assert_int_equal(w.watched[51], 2);
	assert_int_equal(w.runtimes[51], RUNTIME_PYTHON);
	assert_string_equal(service_said(&w, 2)->name, "job");
	process_make(&w, (struct fake){ .pid = 52, .ppid = 50, .exe = "/fake/bash" });
	tell(&w, REC_FORK, 52, 50, 1, NULL);
	tell(&w, REC_EXIT, 50, 0, 1, NULL);
	process_make(&w, (struct fake){ .pid = 52, .ppid = 1, .exe = "/fake/curl" });
	tell(&w, REC_EXEC, 52, 0, 1, "/fake/curl");	/* adopted by init, still of that tree */
	assert_string_equal(service_said(&w, w.watched[52])->name, "curl");
	world_close(&w);
}

TEST(exclusions_always_win)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "cgroup=shop", "exe=redis");
	nginx_make(&w);
	discover_scan(w.d);
	assert_int_equal(discover_processes(w.d), 3);
	assert_int_equal(w.watched[20], 0);
	world_close(&w);

	world_open(&w, (struct discover_options){ 0 }, "cgroup=shop", "port=80");
	nginx_make(&w);
	discover_scan(w.d);
	assert_int_equal(discover_processes(w.d), 4);
	discover_listener(w.d, 10, 80, 100);
	assert_int_equal(discover_processes(w.d), 1);
	assert_int_equal(w.watched[11], 0);
	discover_scan(w.d);
	assert_int_equal(discover_processes(w.d), 1);
	world_close(&w);
}

TEST(names_select_and_come_from_the_configuration)
{
	struct discover_name name = { "exe=redis", "cache" };
	struct world w;

	world_open(&w, (struct discover_options){ .names = &name, .n_names = 1 }, "name=cache", NULL);
	nginx_make(&w);
	process_make(&w, (struct fake){ .pid = 60, .ppid = 1, .exe = "/fake/x",
					.environment = "OTEL_SERVICE_NAME=cache\nOTEL_RESOURCE_ATTRIBUTES=service.version=3" });
	discover_scan(w.d);
	assert_int_equal(discover_processes(w.d), 2);
	assert_string_equal(service_said(&w, w.watched[20])->name_source, "config");
	assert_string_equal(service_said(&w, w.watched[60])->name_source, "environment");
	assert_string_equal(service_said(&w, w.watched[60])->version, "3");
	world_close(&w);
}

TEST(each_namespace_is_announced_once)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	process_make(&w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx", .netns = 100 });
	process_make(&w, (struct fake){ .pid = 11, .ppid = 1, .exe = "/fake/nginx", .netns = 101 });
	process_make(&w, (struct fake){ .pid = 12, .ppid = 1, .exe = "/fake/nginx", .netns = 100 });
	discover_scan(w.d);
	assert_int_equal(w.n_changed, 2);
	assert_int_equal(w.namespaces[0], 100);
	assert_int_equal(w.namespaces[1], 101);
	discover_scan(w.d);
	assert_int_equal(w.n_changed, 2);
	process_make(&w, (struct fake){ .pid = 13, .ppid = 1, .exe = "/fake/nginx", .netns = 100 });
	discover_scan(w.d);
	assert_int_equal(w.n_changed, 3);
	assert_int_equal(w.namespaces[2], 0);
	assert_int_equal(w.n_redecided, 0);
	world_close(&w);
}

TEST(a_pid_that_was_reused_is_another_process)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	process_make(&w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx", .start = 5 });
	discover_scan(w.d);
	process_make(&w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx", .start = 6 });
	discover_scan(w.d);
	assert_true(service_said(&w, 1)->gone);
	assert_int_equal(w.watched[10], 2);	/* not 1: it is in quarantine */
	assert_int_equal(discover_processes(w.d), 1);
	world_close(&w);
}

TEST(a_scan_repairs_what_lost_records_hid)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	nginx_make(&w);
	discover_scan(w.d);
	process_end(&w, 12);
	link_write(&w, 11, "exe", "/fake/other");
	process_make(&w, (struct fake){ .pid = 15, .ppid = 10, .exe = "/fake/nginx" });
	discover_scan(w.d);
	assert_int_equal(w.watched[12], 0);
	assert_int_equal(w.watched[11], 0);
	assert_int_equal(w.watched[15], 1);
	assert_int_equal(discover_processes(w.d), 2);
	world_close(&w);
}

TEST(a_number_is_used_again_after_its_quarantine)
{
	struct world w;

	world_open(&w, (struct discover_options){ .quarantine_ns = 1 }, "exe=nginx", NULL);
	process_make(&w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx" });
	discover_scan(w.d);
	tell(&w, REC_EXIT, 10, 0, 1, NULL);
	process_end(&w, 10);
	process_make(&w, (struct fake){ .pid = 11, .ppid = 1, .exe = "/fake/nginx" });
	discover_scan(w.d);
	assert_int_equal(w.watched[11], 1);
	assert_false(service_said(&w, 1)->gone);
	world_close(&w);
}

TEST(a_process_that_has_ended_already_is_still_named)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=curl", NULL);
	tell(&w, REC_EXEC, 70, 0, 0, "/fake/curl");
	assert_int_equal(w.n_services, 2);
	assert_string_equal(w.services[0].name, "curl");
	assert_true(w.services[1].gone);
	assert_int_equal(w.watched[70], 0);
	assert_int_equal(discover_processes(w.d), 0);
	world_close(&w);
}

TEST(a_watched_child_that_has_ended_already_changes_nothing)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "pid=50", NULL);
	process_make(&w, (struct fake){ .pid = 50, .ppid = 1, .exe = "/fake/bash" });
	discover_scan(w.d);
	tell(&w, REC_FORK, 51, 50, 1, NULL);
	tell(&w, REC_EXEC, 51, 0, 1, "/fake/bash");
	assert_int_equal(w.n_services, 1);
	tell(&w, REC_FORK, 52, 50, 1, NULL);
	tell(&w, REC_EXEC, 52, 0, 1, "/fake/curl");
	tell(&w, REC_EXIT, 52, 0, 1, NULL);
	assert_string_equal(w.services[1].name, "curl");
	assert_int_equal(w.n_services, 3);
	assert_int_equal(discover_processes(w.d), 1);
	assert_int_equal(w.n_changed, 1);
	assert_int_equal(w.n_unwatched, 0);
	world_close(&w);
}

TEST(a_process_that_ends_while_it_is_decided_leaves_nothing_behind)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	process_make(&w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx" });
	w.dies = 10;
	discover_scan(w.d);
	assert_int_equal(w.n_unwatched, 1);
	assert_int_equal(discover_processes(w.d), 0);
	assert_true(service_said(&w, 1)->gone);
	world_close(&w);
}

TEST(what_the_kernel_refuses_is_counted)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	nginx_make(&w);
	w.watch_error = -E2BIG;
	discover_scan(w.d);
	assert_int_equal(discover_refused(w.d), 3);
	assert_int_equal(discover_processes(w.d), 0);
	assert_int_equal(discover_services(w.d), 0);
	world_close(&w);
}

TEST(exporters_are_announced_again)
{
	struct world w;

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	nginx_make(&w);
	discover_scan(w.d);
	discover_exports_otlp(w.d, 1);
	discover_exports_otlp(w.d, 1);
	discover_exports_otlp(w.d, 5000);
	assert_int_equal(w.n_services, 2);
	assert_true(w.services[1].exports_otlp);
	world_close(&w);
}

TEST(a_wrong_selector_is_explained)
{
	const char *select = "exe=a,port=x";
	struct discover_options opt = { .select = &select, .n_select = 1, .proc = "/x", .cgroup_root = "/x" };
	struct discover_sink sink = { 0 };
	_cleanup_(freep) char *why = NULL;
	struct discover *d;

	assert_int_equal(discover_new(&d, &opt, &sink, &why), -EINVAL);
	assert_non_null(strstr(why, "column 12"));
}

TEST(a_process_without_files_has_no_facts)
{
	struct world w;
	struct process p;
	char path[128];

	world_open(&w, (struct discover_options){ 0 }, "exe=nginx", NULL);
	assert_int_equal(process_read(&p, w.proc, 10), -ESRCH);
	process_make(&w, (struct fake){ .pid = 10, .ppid = 1, .exe = "/fake/nginx (deleted)" });
	assert_int_equal(process_read(&p, w.proc, 10), 0);
	assert_string_equal(p.exe, "/fake/nginx");
	assert_int_equal(p.ns_pid, 1);
	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s/10/%s", w.proc,
			 (const char *[]){ "status", "cgroup", "exe", "ns/net", "environ" }[i]);
		unlink(path);
	}
	assert_int_equal(process_read(&p, w.proc, 10), 0);
	assert_string_equal(p.exe, "");
	assert_int_equal(p.netns, 0);
	file_write(&w, 10, "stat", "10 (x) S", "w");
	assert_int_equal(process_read(&p, w.proc, 10), -ESRCH);
	world_close(&w);
}

TEST(this_very_process_can_be_read)
{
	uint64_t now = clock_ns(CLOCK_REALTIME), started;
	struct process p;

	assert_int_equal(process_read(&p, "/proc", (uint32_t)getpid()), 0);
	started = process_started_unix_ns(p.start_ticks);
	assert_true(started <= now && now - started < 3600 * NSEC_PER_SEC);
	assert_int_equal(p.ppid, getppid());
	assert_non_null(strstr(p.exe, "test_discover"));
	assert_int_not_equal(p.netns, 0);
}

RUN_TESTS
