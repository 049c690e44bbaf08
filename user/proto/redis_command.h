/* SPDX-License-Identifier: Apache-2.0 */
/* One Redis command as it is read, argument by argument, into a text of bounded size in which only the
 * command's name and its keys are shown. Values never get in. */
#ifndef SONDE_PROTO_REDIS_COMMAND_H
#define SONDE_PROTO_REDIS_COMMAND_H

#include "base/str.h"

#define REDIS_NAME_MAX 32	/* "CLUSTER COUNT-FAILURE-REPORTS" is the longest we know */
#define REDIS_TEXT_MAX 256
#define REDIS_KEY_MAX 64	/* bytes of one key that are shown */

/* Where a command has its keys: argument positions, 0 is the name. */
struct redis_spec {
	char name[REDIS_NAME_MAX];
	int8_t first, last, step;	/* last < 0 counts from the end; first 0: none */
	uint8_t count_at;		/* the argument that says how many keys follow it, 0: none */
	bool streams;			/* keys are the first half of what follows STREAMS */
	bool container;			/* the next argument is a subcommand */
	bool word;			/* its last argument is a word of the protocol, which is kept */
};

/* The command of that name (upper case, subcommand after a blank), NULL when it is not known. */
const struct redis_spec *redis_spec(struct str name);

struct redis_command {
	const struct redis_spec *spec;	/* NULL: not known */
	uint64_t n, i;			/* arguments in all; the next one's number */
	uint64_t key, key_last, key_step;	/* next position of a key; key > key_last: no more */
	size_t name_n, text_n;
	bool full;			/* the text is */
	char word[8];			/* spec->word: the last argument in upper case, if it is short */
	char name[REDIS_NAME_MAX];	/* upper case; empty when it is no name at all */
	char text[REDIS_TEXT_MAX];
};

void redis_command_begin(struct redis_command *c, uint64_t n);

/* The next argument; `cut`: only its first bytes are known. */
void redis_command_arg(struct redis_command *c, struct str arg, bool cut);

#endif
