/* SPDX-License-Identifier: Apache-2.0 */
/* script.h: one row per interpreter, one list of launchers whose argument is the application. */
#include "discover/script.h"

#include <stdio.h>

#define ARGS_MAX 256

#define NODE_NO_SCRIPT " -e --eval -p --print -i "
#define NODE_WITH_VALUE " -r --require --import --loader --experimental-loader -C --conditions "

static const struct interpreter interpreters[] = {
	{ "python", RUNTIME_PYTHON, "cpython", " -c ", " -W -X -Q --check-hash-based-pycs ", " -m ", "" },
	{ "nodejs", RUNTIME_NODE, "nodejs", NODE_NO_SCRIPT, NODE_WITH_VALUE, "", "" },
	{ "node", RUNTIME_NODE, "nodejs", NODE_NO_SCRIPT, NODE_WITH_VALUE, "", "" },
	{ "java", RUNTIME_JAVA, "openjdk", "",
	  " -cp -classpath --class-path -p --module-path --upgrade-module-path --add-modules --limit-modules"
	  " --add-opens --add-exports --add-reads ", " -jar -m --module ", "" },
	{ "ruby", RUNTIME_NATIVE, "", " -e ", " -I -r -C ", "", "" },
	{ "perl", RUNTIME_NATIVE, "", " -e -E ", "", "", "" },
	{ "php", RUNTIME_NATIVE, "", " -r -a ", " -c -d -t -S ", " -f ", "" },
	{ "bun", RUNTIME_NATIVE, "", " -e --eval ", " -r --preload ", "", " run " },
	{ "deno", RUNTIME_NATIVE, "", " eval repl ", "", "", " run serve " },
	{ "dotnet", RUNTIME_NATIVE, "", "", "", "", " exec " },
	{ "bash", RUNTIME_NATIVE, "", " -c ", " -o -O --rcfile --init-file ", "", "" },
	{ "dash", RUNTIME_NATIVE, "", " -c ", " -o ", "", "" },
};

/* Programs that load an application named by an argument `package.module:object`. */
static const char *const launchers[] = {
	"gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve", "flask", "celery",
};

/* File names that say nothing about the service; the directory does. */
static const char *const generic_scripts[] = {
	"index", "main", "server", "app", "__main__", "manage", "wsgi", "asgi",
};
static const char *const generic_directories[] = {
	"", ".", "..", "src", "dist", "build", "bin", "lib", "app", "out",
};

static bool listed(const char *const *list, size_t n, struct str word)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(word, str_of(list[i])))
			return true;
	return false;
}

/* Is the option among " -a -b "? */
static bool option_in(const char *options, struct str option)
{
	struct str rest = str_of(options), word;

	while (str_cut(&rest, ' ', &word))
		if (word.n && str_eq(word, option))
			return true;
	return false;
}

struct str last_component(struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/')
			return (struct str){ path.p + i, path.n - i };
	return path;
}

const struct interpreter *interpreter_of(const char *exe)
{
	struct str file = last_component(str_of(exe));

	for (size_t i = 0; i < ARRAY_SIZE(interpreters); i++) {
		struct str rest = file, name = str_of(interpreters[i].exe);

		if (!str_starts(file, name))
			continue;
		str_skip(&rest, name.n);
		if (strspn(rest.p, "0123456789.-") == rest.n)
			return &interpreters[i];
	}
	return NULL;
}

static size_t args_split(struct str args, struct str *v)
{
	size_t n = 0;

	while (n < ARGS_MAX && take_cstr(&args, &v[n]))
		n++;
	if (n < ARGS_MAX && args.n)	/* cut by the reader */
		v[n++] = args;
	return n;
}

static bool name_copy(char *name, size_t size, struct str s)
{
	if (!s.n)
		return false;
	snprintf(name, size, "%.*s", (int)MIN(s.n, size - 1), s.p);
	return true;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* `shop`, `shop.wsgi`, `shop.wsgi:app`, `shop:create_app()`; not `4`, `127.0.0.1:80`, `unix:/x`. */
static bool is_application(struct str s, bool *object)
{
	bool start = true;

	*object = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (*object && c == '(')
			return !start;
		if (!start && c == ':' && !*object)
			*object = true;
		else if (start ? !is_word(c) || (c >= '0' && c <= '9') : !is_word(c) && c != '.')
			return false;
		start = c == '.' || c == ':';
	}
	return s.n && !start;
}

/* The argument that names the application: the first with an object, else the one behind --app or -A, else
 * the first or the last argument if it is no option's value. */
static struct str application_find(const struct str *args, size_t n)
{
	struct str found = { 0 };
	bool object;

	for (size_t i = 0; i < n; i++) {
		bool is = is_application(args[i], &object);
		bool valued = i && args[i - 1].n && args[i - 1].p[0] == '-';

		if (is && object)
			return args[i];
		if (is && i && (str_eq(args[i - 1], STR("--app")) || str_eq(args[i - 1], STR("-A"))))
			found = args[i];
		else if (is && !found.n && !valued && (i == 0 || i == n - 1))
			found = args[i];
	}
	return found;
}

/* The application's outermost package: `shop` of `shop.wsgi:app`. */
static bool application_name(const struct str *args, size_t n, char *name, size_t size)
{
	struct str app = application_find(args, n);

	app.n = MIN(str_find(app, '.'), str_find(app, ':'));
	return !str_eq(app, STR("run")) && !str_eq(app, STR("worker")) && name_copy(name, size, app);
}

static struct str without_extension(struct str file)
{
	size_t n = file.n;

	while (n > 1 && file.p[n - 1] != '.')
		n--;
	return n > 1 ? (struct str){ file.p, n - 1 } : file;
}

/* Maven's `shop-1.2.3.jar` is the artifact `shop`: a name that changes with each release is none. */
static struct str without_version(struct str file)
{
	for (size_t i = 1; i + 1 < file.n; i++)
		if (file.p[i] == '-' && file.p[i + 1] >= '0' && file.p[i + 1] <= '9')
			return (struct str){ file.p, i };
	return file;
}

static bool path_name(struct str path, char *name, size_t size)
{
	struct str file, base;

	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	file = last_component(path);
	base = without_extension(file);
	if (!listed(generic_scripts, ARRAY_SIZE(generic_scripts), base))
		return name_copy(name, size, base);
	while (path.n > file.n) {
		path.n -= file.n + 1;
		file = last_component(path);
		if (!listed(generic_directories, ARRAY_SIZE(generic_directories), file))
			return name_copy(name, size, file);
	}
	return name_copy(name, size, base);
}

static bool ends_with(struct str s, struct str end)
{
	return s.n > end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

static bool java_name(struct str program, char *name, size_t size)
{
	struct str file = last_component(program);

	if (ends_with(file, STR(".jar")))
		return name_copy(name, size, without_version(without_extension(file)));
	return name_copy(name, size, ends_with(file, STR(".java")) ? without_extension(file) : program);
}

static bool program_name(const struct interpreter *in, const struct str *args, size_t n, bool module,
			 char *name, size_t size)
{
	struct str file = last_component(args[0]);

	if (listed(launchers, ARRAY_SIZE(launchers), file) && application_name(args + 1, n - 1, name, size))
		return true;
	if (in->runtime == RUNTIME_JAVA)
		return java_name(args[0], name, size);
	return module ? name_copy(name, size, args[0]) : path_name(args[0], name, size);
}

/* gunicorn with setproctitle says `gunicorn: master [shop.wsgi:app]` and nothing else. */
static bool title_name(struct str title, char *name, size_t size)
{
	struct str before;

	if (!str_starts(title, STR("gunicorn: ")) || !str_cut(&title, '[', &before))
		return false;
	title.n = str_find(title, ']');
	return application_name(&title, 1, name, size);
}

bool script_name(const struct interpreter *in, struct str args, char *name, size_t size)
{
	struct str v[ARGS_MAX];
	size_t n = args_split(args, v);

	if (n && title_name(v[0], name, size))
		return true;
	for (size_t i = 1; i < n; i++) {
		if (option_in(in->no_script, v[i]))
			return false;
		if (option_in(in->names, v[i]))
			return i + 1 < n && v[i + 1].n &&
			       program_name(in, v + i + 1, n - i - 1, true, name, size);
		if (option_in(in->with_value, v[i]))
			i++;
		else if (v[i].n && !strchr("-@", v[i].p[0]) && !option_in(in->skip, v[i]))
			return program_name(in, v + i, n - i, false, name, size);
	}
	return false;
}
