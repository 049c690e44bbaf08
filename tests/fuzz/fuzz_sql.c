/* SPDX-License-Identifier: Apache-2.0 */
/* Any text through the SQL sanitiser. The first byte says whether backslashes escape. What comes out is
 * bounded and holds no literal. */
#include "proto/sql.h"
#include "proto/sql_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sql *sql, size_t size)
{
	struct str text = sql->text;
	struct sql_lexeme l;

	if (text.n > MIN(size, (size_t)SQL_TEXT_MAX) || sql->summary.n > SQL_SUMMARY_MAX)
		abort();
	while (sql_scan(&text, false, &l))
		if (l.kind == SQL_LITERAL)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct sql sql;
	char *copy;

	if (size == 0)
		return 0;
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	if (sql_read((struct str){ copy, size - 1 }, data[0] & 1, &a, &sql) == 0)
		check(&sql, size);
	arena_release(&a);
	free(copy);
	return 0;
}
