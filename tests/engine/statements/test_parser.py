"""The frames of statements with effects: what is cut out, what is refused, and what is left to the kernel."""

from __future__ import annotations

import pytest

from engine.errors import SqlSyntaxError, UnsupportedError
from engine.statements.descriptions import (
    AddColumn,
    AlterTable,
    ChangeType,
    Checkpoint,
    ColumnDefinition,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Describe,
    Drop,
    Insert,
    Merge,
    MergeClause,
    MergeDelete,
    MergeInsert,
    MergeUpdate,
    SetDefault,
    SetNotNull,
    SetSetting,
    Show,
    ShowSettings,
    Statement,
    Transaction,
    Update,
)
from engine.statements.parser import parse_statement
from engine.statements.reader import number_parameters, parameter_count

T = ("t",)


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (
            "CREATE TABLE t (a INT, b DECIMAL(10,2), c STRUCT(x INT, y VARCHAR)[], d TIMESTAMP WITH TIME ZONE NULL)",
            CreateTable(
                T,
                (
                    ColumnDefinition("a", "INT"),
                    ColumnDefinition("b", "DECIMAL(10,2)"),
                    ColumnDefinition("c", "STRUCT(x INT, y VARCHAR)[]"),
                    ColumnDefinition("d", "TIMESTAMP WITH TIME ZONE"),
                ),
            ),
        ),
        (
            """CREATE TABLE t (a INT DEFAULT 1 + CASE WHEN true THEN 2 END NOT NULL,
                               b TEXT CONSTRAINT c NOT NULL DEFAULT NULL)""",
            CreateTable(
                T,
                (
                    ColumnDefinition("a", "INT", "1 + CASE WHEN true THEN 2 END", not_null=True),
                    ColumnDefinition("b", "TEXT", "NULL", not_null=True),
                ),
            ),
        ),
        (
            'create or replace temp table "S".t as select 1::TIMESTAMP WITH TIME ZONE with no data;',
            CreateTableAs(
                ("S", "t"), "select 1::TIMESTAMP WITH TIME ZONE", with_data=False, temporary=True, replace=True
            ),
        ),
        (
            "CREATE TABLE IF NOT EXISTS t(x, y) AS VALUES (1, 2)",
            CreateTableAs(T, "VALUES (1, 2)", ("x", "y"), if_not_exists=True),
        ),
        ("DROP TABLE t CASCADE", Drop("TABLE", T, cascade=True)),
        ("DROP SCHEMA IF EXISTS t RESTRICT", Drop("SCHEMA", T, if_exists=True)),
        ("begin;", Transaction("BEGIN")),
        ("BEGIN TRANSACTION READ ONLY", Transaction("BEGIN")),
        ("START TRANSACTION", Transaction("BEGIN")),
        ("COMMIT WORK", Transaction("COMMIT")),
        ("END", Transaction("COMMIT")),
        ("ABORT TRANSACTION", Transaction("ROLLBACK")),
        ("FORCE CHECKPOINT grism", Checkpoint()),
        ("SET TIME ZONE 'UTC'", SetSetting("timezone", "UTC")),
        ("CREATE VIEW t (a) AS SELECT 'x -- y' -- end", CreateView(T, "SELECT 'x -- y'", ("a",))),
        (
            "INSERT INTO t (a, \"b c\") VALUES (?, 'x,)y'), (DEFAULT, f(1, [2, 3])) ; ",
            Insert(T, ("a", "b c"), (("$1", "'x,)y'"), ("DEFAULT", "f(1, [2, 3])"))),
        ),
        ("INSERT INTO t (WITH a AS (SELECT 1) FROM a)", Insert(T, query="(WITH a AS (SELECT 1) FROM a)")),
        ("INSERT INTO t BY NAME FROM s", Insert(T, query="FROM s", by_name=True)),
        (
            "UPDATE t x SET a = ?, b = a IS NOT DISTINCT FROM ? WHERE c = ? AND d IN (SELECT 1 FROM t)",
            Update(T, "x", (("a", "$1"), ("b", "a IS NOT DISTINCT FROM $2")), "c = $3 AND d IN (SELECT 1 FROM t)"),
        ),
        (
            "UPDATE t SET a = s.b FROM s, (SELECT 1 FROM u) AS v WHERE s.c = t.c",
            Update(T, "t", (("a", "s.b"),), "s.c = t.c", "s, (SELECT 1 FROM u) AS v"),
        ),
        ("DELETE FROM t x USING s y WHERE y.a = x.a", Delete(T, "x", "y.a = x.a", "s y")),
        (
            "WITH a(x) AS (SELECT ?), b AS NOT MATERIALIZED (FROM a) DELETE FROM t WHERE c = ? AND d IN (FROM b)",
            Delete(
                T,
                "t",
                "c = $2 AND d IN (FROM b)",
                ctes="WITH a(x) AS (SELECT $1), b AS NOT MATERIALIZED (FROM a)",
            ),
        ),
        (
            "INSERT INTO t SELECT $high, $low, $HIGH -- $no",
            Insert(T, query="SELECT $1, $2, $1"),
        ),
        (
            """MERGE INTO t AS x USING (SELECT 1 AS a) AS s ON CASE WHEN x.a = s.a THEN true END
               WHEN MATCHED AND x.b > ? THEN DELETE WHEN MATCHED THEN UPDATE SET b = 1, c = CASE WHEN true THEN 2 END
               WHEN NOT MATCHED BY SOURCE THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)""",
            Merge(
                T,
                "x",
                '(SELECT 1 AS a) AS "s"',
                "s",
                "CASE WHEN x.a = s.a THEN true END",
                (
                    MergeClause("both", "x.b > $1", MergeDelete()),
                    MergeClause("both", None, MergeUpdate((("b", "1"), ("c", "CASE WHEN true THEN 2 END")))),
                    MergeClause("target"),
                    MergeClause("source", None, MergeInsert(("a",), ("s.a",))),
                ),
            ),
        ),
        (
            "MERGE INTO t USING s USING (a, b) WHEN MATCHED THEN UPDATE WHEN NOT MATCHED BY TARGET THEN INSERT BY NAME",
            Merge(
                T,
                "t",
                '"s"',
                "s",
                '"t"."a" = "s"."a" AND "t"."b" = "s"."b"',
                (MergeClause("both", None, MergeUpdate()), MergeClause("source", None, MergeInsert(by_name=True))),
            ),
        ),
        ('/* all */ DELETE FROM t AS "where"', Delete(T, "where")),
        ("TRUNCATE TABLE t", Delete(T, "t")),
        ("ALTER TABLE t ADD a INT DEFAULT 1 + 1", AlterTable(T, AddColumn(ColumnDefinition("a", "INT", "1 + 1")))),
        ("ALTER TABLE t ALTER a TYPE INT USING a + 1", AlterTable(T, ChangeType("a", "INT", "a + 1"))),
        ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 2", AlterTable(T, SetDefault("a", "2"))),
        ("ALTER TABLE t ALTER a DROP DEFAULT", AlterTable(T, SetDefault("a"))),
        ("ALTER TABLE t ALTER a SET NOT NULL", AlterTable(T, SetNotNull("a", True))),
        ("show tables", Show("TABLES")),
        ("SHOW TABLES FROM grism.main;", Show("TABLES", ("grism", "main"))),
        ("SHOW VIEWS IN s", Show("VIEWS", ("s",))),
        ("SHOW DATABASES", Show("DATABASES")),
        ("SHOW COLUMNS FROM t", Describe('SELECT * FROM "t"', T)),
        ("SHOW columns", ShowSettings("columns", Describe('SELECT * FROM "columns"', ("columns",)))),
        ("SHOW s.columns", Describe('SELECT * FROM "s"."columns"', ("s", "columns"))),
        ("SHOW ALL", ShowSettings()),
        ('DESCRIBE "a""b".t', Describe('SELECT * FROM "a""b"."t"', ('a"b', "t"))),
        ("DESCRIBE FROM t", Describe("FROM t")),
    ],
)
def test_statements(text: str, statement: Statement) -> None:
    assert parse_statement(text) == statement


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "FROM t",
        "WITH a AS (SELECT 1) SELECT 1",
        "WITH a AS (SELECT 1) SELECT 'DELETE' FROM a",
        "WITH a AS (DELETE FROM t) SELECT 1",
        "WITH a DELETE FROM t",
        "",
        "-- x",
        "COPY t TO 'x'",
        "'",
    ],
)
def test_what_is_left_to_the_kernel(text: str) -> None:
    assert parse_statement(text) is None


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("CREATE TABLE t (a NOT NULL)", SqlSyntaxError, "expected a type"),
        ("CREATE TABLE t (a INT, b AS (a + 1))", UnsupportedError, "AS is not handled"),
        ("CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 1))", UnsupportedError, "CONSTRAINT"),
        ("CREATE TABLE t (a INT PRIMARY KEY)", UnsupportedError, "PRIMARY KEY"),
        ("CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES s (a))", UnsupportedError, "FOREIGN"),
        ("CREATE MACRO f(x) AS x", UnsupportedError, "CREATE MACRO"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", UnsupportedError, "ON CONFLICT is not handled"),
        ("DELETE FROM t RETURNING *", UnsupportedError, "RETURNING"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN INSERT VALUES (1)", SqlSyntaxError, "expected UPDATE"),
        ("MERGE INTO t USING s ON true WHEN NOT MATCHED THEN DELETE", SqlSyntaxError, "expected INSERT"),
        ("MERGE INTO t USING s ON true WHEN NOT MATCHED BY SOURCE THEN UPDATE", SqlSyntaxError, "expected SET"),
        ("MERGE INTO t USING s ON true", SqlSyntaxError, "expected WHEN"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN ERROR", UnsupportedError, "ERROR"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE RETURNING *", UnsupportedError, "RETURNING"),
        (
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING WHEN MATCHED AND a THEN DELETE",
            SqlSyntaxError,
            "without a condition has all these rows already at or near .WHEN MATCHED AND",
        ),
        (
            "MERGE INTO t USING s ON true WHEN NOT MATCHED THEN INSERT WHEN NOT MATCHED BY TARGET THEN DO NOTHING",
            SqlSyntaxError,
            "has all these rows already",
        ),
        ("SAVEPOINT s", UnsupportedError, "no savepoints"),
        ("RELEASE s", UnsupportedError, "no savepoints"),
        ("ROLLBACK TO SAVEPOINT s", UnsupportedError, "no savepoints"),
        ("BEGIN READ", SqlSyntaxError, "syntax error"),
        ("CHECKPOINT other", UnsupportedError, "another catalog"),
        ("UPDATE t SET a = 1 WHERE", SqlSyntaxError, "at the end"),
        ("UPDATE t\nSET a 1", SqlSyntaxError, "line 2, column 7"),
        ("INSERT INTO t VALUES (1", SqlSyntaxError, "expected"),
        ("INSERT INTO t VALUES (1))", SqlSyntaxError, "syntax error"),
        ("CREATE TABLE t (a INT) AS SELECT 1", SqlSyntaxError, "syntax error"),
    ],
)
def test_what_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_statement(text)


def test_parameters_are_numbered_in_the_order_of_the_text() -> None:
    assert number_parameters("? + '?' + ? -- ?") == "$1 + '?' + $2 -- ?"
    assert number_parameters("$1 + $2 + $1", 2) == "$3 + $4 + $3"
    assert number_parameters("?,?,?") == "$1,$2,$3"
    assert number_parameters("$2,$1,$b$ $1,$2 $b$, '$1', e'\\'?', \"$1\", $1 /* ? */", 3) == (
        "$5,$4,$b$ $1,$2 $b$, '$1', e'\\'?', \"$1\", $4 /* ? */"
    )
    assert number_parameters("a=?AND b=?") == "a=$1AND b=$2"
    assert number_parameters("?::INT + ?::INT") == "$1::INT + $2::INT"
    assert number_parameters("?2 + ?1 + $$?$$") == "$2 + $1 + $$?$$"
    assert parameter_count("$1 + $12 + '$99'") == 12


def test_numbers_of_parameters_are_numbers() -> None:
    with pytest.raises(SqlSyntaxError, match="up to 9 digits"):
        parse_statement(f"INSERT INTO t VALUES (${'9' * 5000})")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("INSERT INTO t VALUES (1, 2,), (3, 4)", "INSERT INTO t VALUES (1, 2), (3, 4)"),
        ("INSERT INTO t VALUES (1),", "INSERT INTO t VALUES (1)"),
        ("INSERT INTO t (a, b,) VALUES (DEFAULT, 2,),;", "INSERT INTO t (a, b) VALUES (DEFAULT, 2)"),
        ("UPDATE t SET a = 1, WHERE b", "UPDATE t SET a = 1 WHERE b"),
        ("UPDATE t SET a = 1, b = 2,", "UPDATE t SET a = 1, b = 2"),
        ("CREATE TABLE t (a INT, b INT,)", "CREATE TABLE t (a INT, b INT)"),
        ("CREATE VIEW t (a,) AS SELECT 1", "CREATE VIEW t (a) AS SELECT 1"),
        (
            "MERGE INTO t USING s ON x WHEN MATCHED THEN UPDATE SET a=1, WHEN NOT MATCHED THEN INSERT (a,) VALUES (1,)",
            "MERGE INTO t USING s ON x WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
        ),
    ],
)
def test_a_list_may_end_with_a_comma(text: str, plain: str) -> None:
    assert parse_statement(text) == parse_statement(plain)


@pytest.mark.parametrize(
    "text", ["INSERT INTO t VALUES (1,, 2)", "INSERT INTO t VALUES ,", "INSERT INTO t (,) VALUES (1)"]
)
def test_a_list_has_an_item_before_each_comma(text: str) -> None:
    with pytest.raises(SqlSyntaxError):
        parse_statement(text)


@pytest.mark.parametrize(
    "query", ["(VALUES (1))", "((SELECT 1))", "(TABLE s)", "(FROM s)", "(SELECT 1) UNION (SELECT 2)"]
)
def test_a_query_in_brackets_may_be_inserted(query: str) -> None:
    assert parse_statement(f"INSERT INTO t {query}") == Insert(T, query=query)
    assert parse_statement(f"INSERT INTO t (a) {query}") == Insert(T, ("a",), query=query)
