/* SPDX-License-Identifier: Apache-2.0 */
/* sonde: sub-commands, and the fork into two halves. */
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "capture/capture.h"
#include "halves.h"

#define EXIT_USAGE 2
#define IPC_BUFFER_BYTES (1 << 20)

static int print(struct buf *b)
{
	bool failed = b->failed;

	if (!failed)
		fwrite(b->p, 1, b->n, stdout);
	buf_release(b);
	return failed ? 1 : 0;
}

static int load(struct config **c, int argc, char **argv)
{
	char *why = NULL;
	int err = config_new(c, argc, argv, environ, &why);

	if (err)
		fprintf(stderr, "sonde: %s\n", why ? why : strerror(-err));
	free(why);
	return err;
}

static int failed(const char *what)
{
	log_err(-errno, "%s", what);
	return EXIT_FAILURE;
}

static int run(int argc, char **argv)
{
	struct config *c;
	int pair[2], bytes = IPC_BUFFER_BYTES, code;
	pid_t loader = getpid(), worker;

	if (load(&c, argc, argv))
		return EXIT_USAGE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return failed("socketpair");
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	/* Before any bpf(2): the worker inherits nothing that it must not have. */
	worker = fork();
	if (worker < 0)
		return failed("fork");
	if (worker == 0) {
		close(pair[0]);
		code = worker_run(c, pair[1], loader);
	} else {
		close(pair[1]);
		code = loader_run(c, pair[0], worker);
	}
	config_free(c);
	return code;
}

static void show_check(void *ctx, const struct capture_check *c)
{
	bool *usable = ctx;

	printf("%-6s %-36s %s%s%s\n", c->err ? (c->required ? "NO" : "no") : "yes", c->what, c->why,
	       c->err ? ": " : "", c->err ? strerror(-c->err) : "");
	*usable = *usable && !(c->err && c->required);
}

static int check(int argc, char **argv)
{
	bool usable = true;
	int err;

	(void)argv;
	if (argc) {
		fprintf(stderr, "sonde: check takes no arguments\n");
		return EXIT_USAGE;
	}
	err = capture_check(show_check, &usable);
	if (err) {
		log_err(err, "check");
		return EXIT_FAILURE;
	}
	printf("%s\n", usable ? "sonde can run here" : "sonde cannot run here: see the lines marked NO");
	return usable ? 0 : 1;
}

static int show_config(int argc, char **argv)
{
	struct buf b = { 0 };
	struct config *c;

	if (load(&c, argc, argv))
		return EXIT_USAGE;
	config_dump(c, &b);
	config_free(c);
	return print(&b);
}

static int help(int argc, char **argv)
{
	struct buf b = { 0 };

	if (argc && !strcmp(argv[0], "--man"))
		config_man(&b);
	else
		config_help(&b);
	return print(&b);
}

static int version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("sonde " SONDE_VERSION);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "run", run }, { "check", check }, { "config", show_config }, { "help", help },
		{ "--help", help }, { "-h", help }, { "version", version }, { "--version", version },
	};

	log_setup("sonde", LOG_INFO);
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 2, argv + 2);
	if (argc > 1 && argv[1][0] != '-') {
		fprintf(stderr, "sonde: there is no command \"%s\"; see sonde --help\n", argv[1]);
		return EXIT_USAGE;
	}
	return run(argc - 1, argv + 1);
}
