"""The frames of statements with effects: what is cut out, what is refused, and what is left to the kernel."""

from __future__ import annotations

import pytest

from engine.errors import ForbiddenError, SqlSyntaxError, UnsupportedError
from engine.sql.statement_parser import numbered, parameter_count, parse_statement
from engine.sql.statements import (
    AddColumn,
    AlterTable,
    ChangeType,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Describe,
    Insert,
    Show,
    Statement,
    Update,
)

T = ("t",)


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (
            "CREATE TABLE t (a INT, b DECIMAL(10,2), c STRUCT(x INT, y VARCHAR)[], d TIMESTAMP WITH TIME ZONE NULL)",
            CreateTable(
                T,
                (
                    ("a", "INT"),
                    ("b", "DECIMAL(10,2)"),
                    ("c", "STRUCT(x INT, y VARCHAR)[]"),
                    ("d", "TIMESTAMP WITH TIME ZONE"),
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
        ('/* all */ DELETE FROM t AS "where"', Delete(T, "where")),
        ("TRUNCATE TABLE t", Delete(T, "t")),
        ("ALTER TABLE t ADD a INT DEFAULT 1 + 1", AlterTable(T, AddColumn("a", "INT", "1 + 1"))),
        ("ALTER TABLE t ALTER a TYPE INT USING a + 1", AlterTable(T, ChangeType("a", "INT", "a + 1"))),
        ("show tables", Show("TABLES")),
        ('DESCRIBE "a""b".t', Describe('SELECT * FROM "a""b"."t"')),
    ],
)
def test_statements(text: str, statement: Statement) -> None:
    assert parse_statement(text) == statement


@pytest.mark.parametrize(
    "text", ["SELECT 1", "FROM t", "WITH a AS (SELECT 1) SELECT 1", "", "-- x", "COPY t TO 'x'", "'"]
)
def test_what_is_left_to_the_kernel(text: str) -> None:
    assert parse_statement(text) is None


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("CREATE TABLE t (a INT NOT NULL)", UnsupportedError, "NOT NULL"),
        ("CREATE TABLE t (a INT PRIMARY KEY)", UnsupportedError, "PRIMARY KEY"),
        ("CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES s (a))", UnsupportedError, "FOREIGN"),
        ("CREATE MACRO f(x) AS x", UnsupportedError, "CREATE MACRO"),
        ("DROP TABLE t CASCADE", UnsupportedError, "CASCADE"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", UnsupportedError, "ON is not handled"),
        ("DELETE FROM t RETURNING *", UnsupportedError, "RETURNING"),
        ("UPDATE t SET a = 1 FROM s", UnsupportedError, "FROM"),
        ("UPDATE t SET a = 1 WHERE", SqlSyntaxError, "at the end"),
        ("UPDATE t\nSET a 1", SqlSyntaxError, "line 2, column 7"),
        ("INSERT INTO t VALUES (1", SqlSyntaxError, "expected"),
        ("INSERT INTO t VALUES (1))", SqlSyntaxError, "syntax error"),
        ("CREATE TABLE t (a INT) AS SELECT 1", SqlSyntaxError, "syntax error"),
        ("DROP TABLE t; DROP TABLE u", ForbiddenError, "One statement"),
    ],
)
def test_what_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_statement(text)


def test_parameters_are_numbered_in_the_order_of_the_text() -> None:
    assert numbered("? + '?' + ? -- ?") == "$1 + '?' + $2 -- ?"
    assert numbered("$1 + $2 + $1", 2) == "$3 + $4 + $3"
    assert parameter_count("$1 + $12 + '$99'") == 12
