/* SPDX-License-Identifier: Apache-2.0 */
/* process.h: formats are proc(5)'s. */
#include "discover/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"

#define PF_KTHREAD 0x00200000	/* include/linux/sched.h */

static void path_of(char *path, size_t size, const char *proc, uint32_t pid, const char *file)
{
	snprintf(path, size, "%s/%u/%s", proc, pid, file);
}

/* Reads up to size - 1 bytes and ends them with a NUL. Bytes, or -errno. */
static ssize_t file_read(const char *proc, uint32_t pid, const char *file, char *to, size_t size)
{
	char path[320];
	_cleanup_(closep) int fd = -1;
	size_t n = 0;

	path_of(path, sizeof(path), proc, pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (n < size - 1) {
		ssize_t k = read(fd, to + n, size - 1 - n);

		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		n += (size_t)k;
	}
	to[n] = '\0';
	return (ssize_t)n;
}

static void link_read(const char *proc, uint32_t pid, const char *file, char *to, size_t size)
{
	char path[320];
	ssize_t n;

	path_of(path, sizeof(path), proc, pid, file);
	n = readlink(path, to, size - 1);
	to[n > 0 ? n : 0] = '\0';
}

struct stat_line {
	char state;
	uint32_t ppid;
	unsigned long flags;
	long threads;
	uint64_t start_ticks;
};

static int stat_read(struct stat_line *out, const char *proc, uint32_t pid)
{
	char text[1024], *p;
	int n;

	if (file_read(proc, pid, "stat", text, sizeof(text)) <= 0)
		return -ESRCH;
	p = strrchr(text, ')');	/* comm may hold anything, parentheses too */
	if (!p)
		return -ESRCH;
	n = sscanf(p + 1, " %c %u %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %" SCNu64,
		   &out->state, &out->ppid, &out->flags, &out->threads, &out->start_ticks);
	if (n != 5 || out->flags & PF_KTHREAD)
		return -ESRCH;
	/* A dead leader whose other threads run on is a living process. */
	if (strchr("ZXx", out->state) && out->threads <= 1)
		return -ESRCH;
	return 0;
}

int process_start(const char *proc, uint32_t pid, uint64_t *ticks)
{
	struct stat_line line;
	int err = stat_read(&line, proc, pid);

	if (err)
		return err;
	*ticks = line.start_ticks;
	return 0;
}

bool process_is_running(const char *proc, const struct process *p)
{
	uint64_t start;

	return process_start(proc, p->pid, &start) == 0 && start == p->start_ticks;
}

/* The value of one line of /proc/PID/status. */
static struct str status_field(struct str text, struct str key)
{
	struct str line;

	while (str_cut(&text, '\n', &line)) {
		if (!str_starts(line, key))
			continue;
		str_skip(&line, key.n);
		return str_trim(line);
	}
	return (struct str){ 0 };
}

static void status_read(struct process *p, const char *proc)
{
	char text[4096];
	struct str all, field, part;
	uint64_t v;

	if (file_read(proc, p->pid, "status", text, sizeof(text)) <= 0)
		return;
	all = str_of(text);
	field = status_field(all, STR("Name:"));
	snprintf(p->comm, sizeof(p->comm), "%.*s", (int)field.n, field.p);
	field = status_field(all, STR("Uid:"));	/* real, effective, saved, file system */
	if (str_cut(&field, '\t', &part) && str_to_u64(part, &v))
		p->uid = (uint32_t)v;
	field = status_field(all, STR("NSpid:"));	/* outermost namespace first */
	while (str_cut(&field, '\t', &part))
		;
	if (str_to_u64(field, &v))
		p->ns_pid = (uint32_t)v;
}

static void cgroup_read(struct process *p, const char *proc)
{
	char text[4096];
	struct str all, line;

	if (file_read(proc, p->pid, "cgroup", text, sizeof(text)) <= 0)
		return;
	all = str_of(text);
	while (str_cut(&all, '\n', &line)) {
		if (!str_starts(line, STR("0::")))	/* cgroup2's hierarchy, cgroups(7) */
			continue;
		str_skip(&line, 3);
		snprintf(p->cgroup, sizeof(p->cgroup), "%.*s", (int)line.n, line.p);
	}
}

static void exe_read(struct process *p, const char *proc)
{
	static const char deleted[] = " (deleted)";
	size_t n;

	link_read(proc, p->pid, "exe", p->exe, sizeof(p->exe));
	n = strlen(p->exe);
	if (n > sizeof(deleted) - 1 && strcmp(p->exe + n - (sizeof(deleted) - 1), deleted) == 0)
		p->exe[n - (sizeof(deleted) - 1)] = '\0';
}

int process_read(struct process *out, const char *proc, uint32_t pid)
{
	struct process p = { .pid = pid, .ns_pid = pid };
	struct stat_line line;
	char ns[64];
	int err = stat_read(&line, proc, pid);

	if (err)
		return err;
	p.ppid = line.ppid;
	p.start_ticks = line.start_ticks;
	status_read(&p, proc);
	cgroup_read(&p, proc);
	exe_read(&p, proc);
	link_read(proc, pid, "ns/net", ns, sizeof(ns));
	if (sscanf(ns, "net:[%u]", &p.netns) != 1)
		p.netns = 0;
	*out = p;
	return 0;
}

/* A cgroup2 id is its directory's file handle (cgroup_id(), fs/kernfs/mount.c: kernfs_encode_fh). */
static void cgroup_of_id(uint64_t id, const char *root, char *path, size_t size)
{
	union {
		struct file_handle h;
		char space[sizeof(struct file_handle) + sizeof(uint64_t)];
	} handle = { .h = { .handle_bytes = sizeof(id), .handle_type = 0xfe /* FILEID_KERNFS */ } };
	_cleanup_(closep) int mount = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char link[64], full[512];
	size_t skip = strlen(root);
	ssize_t n;

	memcpy(handle.h.f_handle, &id, sizeof(id));
	fd = mount < 0 ? -1 : open_by_handle_at(mount, &handle.h, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, full, sizeof(full) - 1);
	if (n < (ssize_t)skip)
		return;
	full[n] = '\0';
	if (strncmp(full, root, skip) == 0)
		snprintf(path, size, "%.*s", (int)size - 1, full[skip] ? full + skip : "/");
}

void process_from_exec(struct process *out, const struct rec_process *rec, const char *cgroup_root)
{
	struct process p = { .pid = rec->h.tgid, .ppid = rec->ptgid, .ns_pid = rec->h.tgid, .uid = UINT32_MAX };

	snprintf(p.comm, sizeof(p.comm), "%.*s", (int)sizeof(rec->comm), rec->comm);
	snprintf(p.exe, sizeof(p.exe), "%.*s", (int)sizeof(rec->file), rec->file);
	cgroup_of_id(rec->cgroup, cgroup_root, p.cgroup, sizeof(p.cgroup));
	*out = p;
}

size_t process_args(const char *proc, uint32_t pid, char *args, size_t size)
{
	ssize_t n = file_read(proc, pid, "cmdline", args, size);

	return n > 0 ? (size_t)n : 0;
}

static void variable_take(const char *line, struct str key, char *to, size_t size)
{
	if (strncmp(line, key.p, key.n) == 0)
		snprintf(to, size, "%s", line + key.n);
}

void process_otel(struct process_otel *out, const char *proc, uint32_t pid)
{
	char path[320], *line = NULL;
	size_t size = 0;
	FILE *f;

	*out = (struct process_otel){ 0 };
	path_of(path, sizeof(path), proc, pid, "environ");
	f = fopen(path, "re");
	if (!f)
		return;
	while (getdelim(&line, &size, '\0', f) > 0) {
		variable_take(line, STR("OTEL_SERVICE_NAME="), out->service_name, sizeof(out->service_name));
		variable_take(line, STR("OTEL_RESOURCE_ATTRIBUTES="), out->resource_attributes,
			      sizeof(out->resource_attributes));
	}
	if (line)
		explicit_bzero(line, size);	/* environments hold secrets */
	free(line);
	fclose(f);
}

int process_open_exe(const char *proc, uint32_t pid)
{
	char path[320];
	int fd;

	path_of(path, sizeof(path), proc, pid, "exe");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void children_of_task(const char *proc, uint32_t pid, const char *task,
			     void (*f)(void *ctx, uint32_t pid), void *ctx)
{
	char file[300];
	_cleanup_(freep) char *text = NULL;
	struct str rest, part;
	uint64_t child;
	const size_t size = 1 << 16;

	snprintf(file, sizeof(file), "task/%s/children", task);
	text = malloc(size);
	if (!text || file_read(proc, pid, file, text, size) <= 0)
		return;
	rest = str_of(text);
	while (str_cut(&rest, ' ', &part))
		if (str_to_u64(part, &child))
			f(ctx, (uint32_t)child);
}

void process_children(const char *proc, uint32_t pid, void (*f)(void *ctx, uint32_t pid), void *ctx)
{
	char path[320];
	struct dirent *e;
	DIR *dir;

	path_of(path, sizeof(path), proc, pid, "task");
	dir = opendir(path);
	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			children_of_task(proc, pid, e->d_name, f, ctx);
	closedir(dir);
}

struct listed {
	uint64_t start_ticks;
	uint32_t pid;
};

static int listed_compare(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->start_ticks != y->start_ticks)
		return x->start_ticks < y->start_ticks ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static ssize_t list_read(const char *proc, struct listed **out)
{
	_cleanup_(freep) struct listed *v = NULL;
	size_t n = 0, room = 0;
	struct dirent *e;
	DIR *dir = opendir(proc);

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		struct listed one;
		uint64_t pid;

		if (!str_to_u64(str_of(e->d_name), &pid) || pid > INT32_MAX)
			continue;
		one.pid = (uint32_t)pid;
		if (process_start(proc, one.pid, &one.start_ticks))
			continue;
		if (n == room) {
			struct listed *more = reallocarray(v, room = room ? room * 2 : 256, sizeof(*v));

			if (!more)
				break;
			v = more;
		}
		v[n++] = one;
	}
	closedir(dir);
	if (e)
		return -ENOMEM;
	*out = TAKE_PTR(v);
	return (ssize_t)n;
}

ssize_t process_list(const char *proc, uint32_t **out)
{
	_cleanup_(freep) struct listed *v = NULL;
	ssize_t n = list_read(proc, &v);
	uint32_t *pids;

	if (n < 0)
		return n;
	pids = calloc((size_t)n + 1, sizeof(*pids));
	if (!pids)
		return -ENOMEM;
	if (n)
		qsort(v, (size_t)n, sizeof(*v), listed_compare);
	for (ssize_t i = 0; i < n; i++)
		pids[i] = v[i].pid;
	*out = pids;
	return n;
}

uint64_t process_started_unix_ns(uint64_t start_ticks)
{
	uint64_t ticks_per_s = (uint64_t)sysconf(_SC_CLK_TCK);

	if (!start_ticks)
		return 0;
	return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) + start_ticks * (NSEC_PER_SEC / ticks_per_s);
}

void process_owner(uint32_t uid, char *owner, size_t size)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *user;

	snprintf(owner, size, "%u", uid);
	while (f && (user = fgetpwent(f))) {
		if (user->pw_uid != uid)
			continue;
		snprintf(owner, size, "%s", user->pw_name);
		break;
	}
	if (f)
		fclose(f);
}
