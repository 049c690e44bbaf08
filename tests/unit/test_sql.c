/* SPDX-License-Identifier: Apache-2.0 */
/* proto/sql.c: literals never pass, the summary says what the conventions' examples say. */
#include "unit.h"

#include "proto/sql.h"

static struct arena arena;

static struct sql read_sql(const char *query)
{
	struct str in = guarded(query, strlen(query));
	struct sql out;

	assert_int_equal(sql_read(in, false, &arena, &out), 0);
	return out;
}

static void assert_str(struct str s, const char *expected)
{
	char text[4096];

	assert_true(s.n < sizeof(text));
	snprintf(text, sizeof(text), "%.*s", (int)s.n, s.n ? s.p : "");
	assert_string_equal(text, expected);
}

static void assert_text(const char *query, const char *expected)
{
	assert_str(read_sql(query).text, expected);
	arena_release(&arena);
}

static void assert_summary(const char *query, const char *expected)
{
	assert_str(read_sql(query).summary, expected);
	arena_release(&arena);
}

TEST(strings_of_every_form_become_placeholders)
{
	assert_text("SELECT 'a', E'it\\'s', B'01', x'1F', U&'\\0041', N'x'", "SELECT ?, ?, ?, ?, ?, ?");
	assert_text("SELECT 'it''s' || $$a 'b' $$ || $q$ $$ $q$", "SELECT ? || ? || ?");
	assert_text("INSERT INTO t VALUES ('a\\', 'b')", "INSERT INTO t VALUES (?, ?)");
}

TEST(numbers_become_placeholders_and_names_keep_their_digits)
{
	assert_text("SELECT a1, 1, 1.5, .5, 1e10, 1.5e-3, 0xff, 1_000 FROM t_2024", "SELECT a1, ?, ?, ?, ?, ?, ?, ? FROM t_2024");
	assert_text("SELECT * FROM t WHERE a = -5 AND b<-1 AND c - 5 > d-5", "SELECT * FROM t WHERE a = ? AND b<? AND c - ? > d-?");
	assert_text("SELECT true, FALSE, truely", "SELECT ?, ?, truely");
}

TEST(parameters_stay)
{
	assert_text("SELECT * FROM t WHERE a = $1 AND b = $22", "SELECT * FROM t WHERE a = $1 AND b = $22");
}

TEST(lists_of_any_length_become_one_placeholder)
{
	assert_text("SELECT 1 FROM t WHERE id IN (1, 2,3)", "SELECT ? FROM t WHERE id IN (?)");
	assert_text("SELECT 1 FROM t WHERE id not in ($1, $2)", "SELECT ? FROM t WHERE id not in (?)");
	assert_text("SELECT f(1, 2), ARRAY[1, -2] WHERE x IN (a, 1)", "SELECT f(?, ?), ARRAY[?] WHERE x IN (a, ?)");
}

TEST(comments_and_blanks_are_folded)
{
	assert_text("/* a /* nested */ 'b' */ SELECT -- 'secret'\n\t a/**/b  FROM\n t;", "SELECT a b FROM t;");
}

TEST(a_text_that_was_cut_shows_no_part_of_a_literal)
{
	assert_text("SELECT * FROM t WHERE a = 'sec", "SELECT * FROM t WHERE a = ?");
	assert_text("SELECT * FROM t WHERE a = $x$sec", "SELECT * FROM t WHERE a = ?");
	assert_text("SELECT * FROM t WHERE a = E'sec\\", "SELECT * FROM t WHERE a = ?");
	assert_text("SELECT a /* sec", "SELECT a");
}

TEST(backslash_escapes_in_plain_strings_when_the_server_says_so)
{
	struct sql out;

	assert_int_equal(sql_read(STR("SELECT 'it\\'s secret'"), true, &arena, &out), 0);
	assert_str(out.text, "SELECT ?");
	arena_release(&arena);
}

TEST(a_long_text_is_bounded)
{
	char query[8192];

	memset(query, 'a', sizeof(query));
	for (size_t i = 10; i < sizeof(query); i += 10)
		query[i] = ' ';
	query[sizeof(query) - 1] = '\0';
	assert_true(read_sql(query).text.n <= SQL_TEXT_MAX);
	arena_release(&arena);
}

TEST(the_summary_follows_the_conventions_examples)
{
	assert_summary("SELECT *\nFROM wuser_table\nWHERE username = ?", "SELECT wuser_table");
	assert_summary("INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?",
		       "INSERT shipping_details SELECT orders");
	assert_summary("SELECT * FROM songs, artists WHERE songs.artist_id == artists.id", "SELECT songs artists");
	assert_summary("SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)",
		       "SELECT SELECT orders customers");
	assert_summary("SELECT * FROM \"song list\", artists", "SELECT \"song list\" artists");
	assert_summary("call some_stored_procedure(1)", "call some_stored_procedure");
}

TEST(tables_are_found_where_they_stand)
{
	assert_summary("delete from only a.b using c where x = 1", "delete a.b c");
	assert_summary("UPDATE t SET a = 1 FROM u, v WHERE t.id = u.id", "UPDATE t u v");
	assert_summary("SELECT a.*, b FROM x.\"Y\" AS a LEFT JOIN z ON a.i = z.i, w ORDER BY a, b", "SELECT x.\"Y\" z w");
	assert_summary("MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN UPDATE SET x = 1", "MERGE a b");
	assert_summary("TABLE t", "TABLE t");
	assert_summary("TRUNCATE TABLE ONLY t, u", "TRUNCATE t");
	assert_summary("COPY t (a, b) FROM STDIN", "COPY t");
	assert_summary("COPY (SELECT a FROM t) TO STDOUT", "COPY SELECT t");
	assert_summary("EXPLAIN ANALYZE UPDATE t SET a = 1", "EXPLAIN UPDATE t");
}

TEST(what_is_no_table_is_not_taken_for_one)
{
	assert_summary("SELECT EXTRACT(YEAR FROM created), trim(both FROM a) FROM t", "SELECT t");
	assert_summary("SELECT a FROM t WHERE a IS DISTINCT FROM b", "SELECT t");
	assert_summary("SELECT * FROM generate_series(1, 5) g, t", "SELECT t");
	assert_summary("SELECT * FROM t FOR UPDATE", "SELECT t");
	assert_summary("INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", "INSERT t");
	assert_summary("GRANT SELECT ON t TO u", "GRANT");
	assert_summary("SET search_path TO x, y", "SET");
	assert_summary("FETCH 10 FROM cursor", "FETCH");
	assert_summary("hello FROM world", "");
}

TEST(names_that_with_makes_are_no_tables)
{
	struct sql out = read_sql("WITH a AS (SELECT * FROM t), b(x) AS (DELETE FROM u RETURNING *) INSERT INTO v SELECT * FROM a, b");

	assert_str(out.summary, "SELECT t DELETE u INSERT v SELECT");
	assert_str(out.operation, "INSERT");
	assert_int_equal(out.collection.n, 0);
	arena_release(&arena);
	assert_summary("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT i FROM r, t) SELECT * FROM r", "SELECT SELECT t SELECT");
}

TEST(definitions_name_the_kind_of_object)
{
	struct sql out = read_sql("CREATE TEMP TABLE IF NOT EXISTS a.t (id int REFERENCES u ON DELETE CASCADE)");

	assert_str(out.summary, "CREATE TABLE a.t");
	assert_str(out.operation, "CREATE TABLE");
	assert_str(out.collection, "a.t");
	arena_release(&arena);
	assert_summary("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX i");
	assert_summary("DROP TABLE IF EXISTS t", "DROP TABLE t");
	assert_summary("CREATE VIEW v AS SELECT * FROM t", "CREATE VIEW v SELECT t");
	assert_text("CREATE USER joe PASSWORD 'secret'", "CREATE USER joe PASSWORD ?");
}

TEST(operation_and_collection_are_said_only_when_certain)
{
	struct sql out = read_sql("select * from t as a join t as b on a.i = b.j;");

	assert_str(out.operation, "select");
	assert_str(out.collection, "t");
	out = read_sql("SELECT 1 FROM t; SELECT 2 FROM t");
	assert_int_equal(out.statements, 2);
	assert_int_equal(out.operation.n + out.collection.n, 0);
	assert_str(out.summary, "SELECT t SELECT t");
	out = read_sql("UPDATE t SET a = (SELECT max(b) FROM u)");
	assert_str(out.operation, "UPDATE");
	assert_int_equal(out.collection.n, 0);
	arena_release(&arena);
}

TEST(a_summary_is_cut_between_names)
{
	char query[2048] = "SELECT * FROM t0";
	struct sql out;

	for (int i = 1; i < 60; i++)
		snprintf(query + strlen(query), sizeof(query) - strlen(query), ", table_%02d", i);
	out = read_sql(query);
	assert_true(out.summary.n <= SQL_SUMMARY_MAX);
	assert_memory_equal(out.summary.p + out.summary.n - 8, "table_", 6);
	arena_release(&arena);
}

RUN_TESTS
