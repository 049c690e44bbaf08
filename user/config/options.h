/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of options: what the YAML file, the environment, the flags, --help, the man page and
 * `sonde config` all read. */
#ifndef SONDE_CONFIG_OPTIONS_H
#define SONDE_CONFIG_OPTIONS_H

#include "config/config.h"

enum option_type {
	OPTION_STRING,			/* char * */
	OPTION_BOOL,			/* bool */
	OPTION_COUNT,			/* uint32_t */
	OPTION_BYTES,			/* uint64_t: 64MiB */
	OPTION_MS,			/* uint32_t: 2s; a bare number is ms */
	OPTION_LIST,			/* struct strings */
	OPTION_CHOICE,			/* uint32_t: place in choices */
	OPTION_WORD,			/* char *: one of choices */
	OPTION_WORDS,			/* read by text: some of choices, with commas between */
};

struct option_row {
	const char *key;		/* YAML path, dots between levels; SONDE_* name follows from it */
	enum option_type type;
	const char *initial;		/* default as text; lists: NULL */
	const char *flag;		/* without "--", or NULL */
	const char *arg;		/* what --help calls the value; "[=X]": may be left out */
	const char *otel;		/* OTEL_* variable that sets it too, or NULL */
	const char *choices;		/* OPTION_CHOICE, OPTION_WORD(S): "a|b|c" */
	size_t offset;			/* in struct config; NO_FIELD: read by text (OTLP) */
	uint64_t min, max;		/* of numbers; max 0: the type's own */
	const char *help;
};
#define NO_FIELD ((size_t)-1)

extern const struct option_row options[];
extern const size_t options_n;

/* Index of the row of that key, flag or variable (SONDE_* or OTEL_*); -ENOENT. */
int option_by_key(struct str key);
int option_by_flag(struct str flag);
int option_by_env(struct str name);
/* SONDE_CAPTURE_RING_SIZE for capture.ring_size. */
void option_env_name(const struct option_row *o, char *buf, size_t size);

int strings_add(struct strings *s, struct str text);
void strings_release(struct strings *s);

/* Is `word` among the words of an OPTION_WORDS' text (NULL: none)? */
bool option_has_word(const char *text, struct str word);

/* Text to the field in c. -EINVAL: *expected says what would be right (static or in buf). */
int option_apply(const struct option_row *o, struct config *c, const char *text, char *expected, size_t size);

#endif
