/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a recording of scripts/record/tap.py (the format is described there), one line at a time. */
#ifndef SONDE_TESTS_FIXTURE_H
#define SONDE_TESTS_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

enum fixture_event { FIXTURE_CONNECTION, FIXTURE_BYTES, FIXTURE_NOT_KEPT, FIXTURE_FIN, FIXTURE_RESET, FIXTURE_END };

struct fixture {
	FILE *f;
	char *line;
	size_t size;
	/* of the event just returned */
	bool response;		/* server to client */
	struct str bytes;	/* FIXTURE_BYTES: valid until the next call */
	size_t n;		/* FIXTURE_NOT_KEPT */
};

/* The path is seen from the top of the source tree, where the tests run. */
static inline void fixture_open(struct fixture *x, const char *path)
{
	*x = (struct fixture){ .f = fopen(path, "r") };
	if (!x->f) {
		perror(path);
		abort();
	}
}

static inline void fixture_close(struct fixture *x)
{
	free(x->line);
	fclose(x->f);
}

/* Decodes in place: bytes are never longer than their text. */
static inline struct str fixture_unescape(char *text)
{
	char *to = text;

	for (char *p = text; *p && *p != '\n';) {
		if (*p != '\\') {
			*to++ = *p++;
		} else if (p[1] == 'x') {
			char hex[3] = { p[2], p[3], 0 };

			*to++ = (char)strtoul(hex, NULL, 16);
			p += 4;
		} else {
			*to++ = p[1] == 'r' ? '\r' : p[1] == 'n' ? '\n' : p[1] == 't' ? '\t' : p[1];
			p += 2;
		}
	}
	return (struct str){ text, (size_t)(to - text) };
}

static inline enum fixture_event fixture_next(struct fixture *x)
{
	do {
		if (getline(&x->line, &x->size, x->f) < 0)
			return FIXTURE_END;
	} while (x->line[0] == '#' || x->line[0] == '\n');
	if (x->line[0] == 'c')
		return FIXTURE_CONNECTION;
	x->response = x->line[0] == '<';
	switch (x->line[1]) {
	case '.':
		return FIXTURE_FIN;
	case '!':
		return FIXTURE_RESET;
	case '+':
		x->n = strtoul(x->line + 2, NULL, 10);
		return FIXTURE_NOT_KEPT;
	default:
		x->bytes = fixture_unescape(x->line + 2);
		return FIXTURE_BYTES;
	}
}

#endif
