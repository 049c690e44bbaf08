/* SPDX-License-Identifier: Apache-2.0 */
/* Which program an interpreter runs: the script, module, class or jar in its arguments. Pure: arguments in,
 * a name out. */
#ifndef SONDE_DISCOVER_SCRIPT_H
#define SONDE_DISCOVER_SCRIPT_H

#include "base/str.h"
#include "bpf/event.h"

struct interpreter {
	const char *exe;		/* file name; digits, dots and dashes may follow */
	enum runtime runtime;
	const char *runtime_name;	/* process.runtime.name, "" where nothing is sure */
	const char *no_script;		/* options after which there is none, each between blanks */
	const char *with_value;		/* options whose value is the next argument */
	const char *names;		/* options whose value is the module or jar */
	const char *skip;		/* words before the script that are none: subcommands */
};

/* The interpreter that this executable is, NULL when it is none. */
const struct interpreter *interpreter_of(const char *exe);

/* The name of what it runs; false when the arguments do not say. args: each ended by a NUL. */
bool script_name(const struct interpreter *in, struct str args, char *name, size_t size);

/* The part of a path behind its last slash. */
struct str last_component(struct str path);

#endif
