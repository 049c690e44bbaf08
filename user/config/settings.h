/* SPDX-License-Identifier: Apache-2.0 */
/* The layers below struct config: for each option its texts and where they came from. A higher layer
 * replaces a lower one whole (a list on the command line does not add to the file's). */
#ifndef SONDE_CONFIG_SETTINGS_H
#define SONDE_CONFIG_SETTINGS_H

#include "config/options.h"

enum layer { LAYER_DEFAULT, LAYER_FILE, LAYER_ENV, LAYER_FLAG };

struct setting {
	enum layer layer;
	struct strings texts;		/* one, or a list's items; n == 0: not set */
	struct strings origins;		/* of each: "default", "file:line:column", "SONDE_X", "--x" */
};

struct settings {
	struct setting *at;		/* options_n of them */
	struct buf errors;		/* one line each */
};

int settings_new(struct settings **out);
void settings_free(struct settings *s);

/* Sets (or for a list adds) option i from a layer; lower layers are ignored, higher ones replace. */
int settings_set(struct settings *s, int i, enum layer layer, struct str text, const char *origin);
/* Notes a mistake; loading goes on so that all are reported at once. */
void settings_error(struct settings *s, const char *format, ...) _printf_(2, 3);

/* The layers. 0 or -ENOMEM; mistakes go to errors. */
int settings_defaults(struct settings *s);
int settings_yaml(struct settings *s, const char *path);			/* also -errno of open */
int settings_yaml_text(struct settings *s, const char *name, struct str text);	/* name: for messages */
int settings_env(struct settings *s, char **env);
int settings_flags(struct settings *s, int argc, char **argv);

/* The one text of an option, or NULL. */
const char *settings_text(const struct settings *s, int i);

#endif
