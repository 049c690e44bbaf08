/* SPDX-License-Identifier: Apache-2.0 */
/* The file layer: YAML mappings become dotted keys. In: a file or its text. Out: settings_set() calls;
 * every mistake is named file:line:column. */
#include "config/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <yaml.h>

#define FILE_MAX_BYTES (1 << 20)
#define DEPTH_MAX 8

struct reader {
	struct settings *s;
	yaml_document_t doc;
	const char *name;
	int err;
};

static void where(const struct reader *r, const yaml_node_t *n, char *buf, size_t size)
{
	snprintf(buf, size, "%s:%zu:%zu", r->name, n->start_mark.line + 1, n->start_mark.column + 1);
}

static struct str scalar(const yaml_node_t *n)
{
	return (struct str){ (const char *)n->data.scalar.value, n->data.scalar.length };
}

static void mistake(struct reader *r, const yaml_node_t *n, const char *what, const char *key)
{
	char at[300];

	where(r, n, at, sizeof(at));
	settings_error(r->s, "%s: %s: %s", at, key, what);
}

static void set_scalar(struct reader *r, int i, const yaml_node_t *n)
{
	char at[300];

	where(r, n, at, sizeof(at));
	if (memchr(scalar(n).p, '\0', scalar(n).n))
		mistake(r, n, "has a NUL byte", options[i].key);
	else
		r->err = settings_set(r->s, i, LAYER_FILE, scalar(n), at);
}

/* An item of `services` may be written {match: SELECTOR, name: NAME}. */
static void set_pair(struct reader *r, int i, yaml_node_t *n)
{
	struct str match = { 0 }, name = { 0 };
	char at[300], text[600];

	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		yaml_node_t *k = yaml_document_get_node(&r->doc, p->key), *v = yaml_document_get_node(&r->doc, p->value);

		if (k->type != YAML_SCALAR_NODE || v->type != YAML_SCALAR_NODE)
			continue;
		if (str_eq(scalar(k), STR("match")))
			match = scalar(v);
		else if (str_eq(scalar(k), STR("name")))
			name = scalar(v);
	}
	if (!match.n || !name.n) {
		mistake(r, n, "expected `SELECTOR -> NAME` or {match: SELECTOR, name: NAME}", options[i].key);
		return;
	}
	where(r, n, at, sizeof(at));
	snprintf(text, sizeof(text), "%.*s -> %.*s", (int)MIN(match.n, 280u), match.p, (int)MIN(name.n, 280u), name.p);
	r->err = settings_set(r->s, i, LAYER_FILE, str_of(text), at);
}

static void set_list(struct reader *r, int i, yaml_node_t *n)
{
	bool pairs = str_eq(str_of(options[i].key), STR("services"));

	for (yaml_node_item_t *it = n->data.sequence.items.start; it < n->data.sequence.items.top && !r->err; it++) {
		yaml_node_t *item = yaml_document_get_node(&r->doc, *it);

		if (item->type == YAML_SCALAR_NODE)
			set_scalar(r, i, item);
		else if (pairs && item->type == YAML_MAPPING_NODE)
			set_pair(r, i, item);
		else
			mistake(r, item, "expected a text", options[i].key);
	}
}

static bool is_group(struct str key)
{
	for (size_t i = 0; i < options_n; i++) {
		struct str k = str_of(options[i].key);

		if (k.n > key.n && str_starts(k, key) && k.p[key.n] == '.')
			return true;
	}
	return false;
}

static void set_mapping(struct reader *r, yaml_node_t *n, const char *prefix, int depth);

static void set_node(struct reader *r, const yaml_node_t *at, yaml_node_t *v, const char *key, int depth)
{
	int i = option_by_key(str_of(key));

	if (i < 0 && is_group(str_of(key)) && v->type == YAML_MAPPING_NODE && depth < DEPTH_MAX)
		set_mapping(r, v, key, depth + 1);
	else if (i < 0)
		mistake(r, at, is_group(str_of(key)) ? "expected keys below it" :
			"unknown key; `sonde config` lists the known ones", key);
	else if (options[i].type == OPTION_LIST && v->type == YAML_SEQUENCE_NODE)
		set_list(r, i, v);
	else if (v->type == YAML_SCALAR_NODE)
		set_scalar(r, i, v);
	else
		mistake(r, v, options[i].type == OPTION_LIST ? "expected a list" : "expected one value", key);
}

static void set_mapping(struct reader *r, yaml_node_t *n, const char *prefix, int depth)
{
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top && !r->err; p++) {
		yaml_node_t *k = yaml_document_get_node(&r->doc, p->key), *v = yaml_document_get_node(&r->doc, p->value);
		char key[200];

		if (k->type != YAML_SCALAR_NODE) {
			mistake(r, k, "expected a key", prefix);
			continue;
		}
		snprintf(key, sizeof(key), "%s%s%.*s", prefix, *prefix ? "." : "", (int)MIN(scalar(k).n, 100u),
			 scalar(k).p);
		set_node(r, k, v, key, depth);
	}
}

int settings_yaml_text(struct settings *s, const char *name, struct str text)
{
	struct reader r = { .s = s, .name = name };
	yaml_parser_t parser;
	yaml_node_t *root;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	if (!yaml_parser_load(&parser, &r.doc)) {
		settings_error(s, "%s:%zu:%zu: not YAML: %s", name, parser.problem_mark.line + 1,
			       parser.problem_mark.column + 1, parser.problem ? parser.problem : "unreadable");
		yaml_parser_delete(&parser);
		return 0;
	}
	root = yaml_document_get_root_node(&r.doc);
	if (root && root->type == YAML_MAPPING_NODE)
		set_mapping(&r, root, "", 0);
	else if (root && !(root->type == YAML_SCALAR_NODE && !root->data.scalar.length))
		mistake(&r, root, "expected `key: value` lines", "the file");
	yaml_document_delete(&r.doc);
	yaml_parser_delete(&parser);
	return r.err;
}

int settings_yaml(struct settings *s, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = malloc(FILE_MAX_BYTES);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	if (!text)
		return -ENOMEM;
	while ((got = read(fd, text + n, FILE_MAX_BYTES - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		return -errno;
	if (n == FILE_MAX_BYTES)
		return -EFBIG;
	return settings_yaml_text(s, path, (struct str){ text, n });
}
