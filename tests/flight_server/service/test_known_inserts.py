"""INSERTs that run again with other values: what is known of them by then gives the rows that each has by itself."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal

import adbc_driver_flightsql.dbapi as flight_sql
import duckdb
import pytest

from tests.flight_server.service.test_updates import run

# How columns are defined, and statements of one shape: the first is planned by itself, others by what is known by then.
TEXTS: list[tuple[str, Sequence[str]]] = [
    ("a BIGINT, b VARCHAR", ["(1, 'x')", "(-2, 'O''Neill')", "(NULL, '')", "(3000000000, NULL)", "(4, '$1 ?')"]),
    ("a TINYINT, b USMALLINT, c INTEGER, d HUGEINT", ["(1, 2, 3, 4)", "(-128, 65535, -3, 999999999999999999)"]),
    ("a SMALLINT, b INTEGER, c DATE", ["('1', ' 2 ', '2024-02-29')", "('-7', '1e3', '0044-03-15 (BC)')"]),
    ("a VARCHAR, b VARCHAR, c VARCHAR, d VARCHAR", ["(1, 1.50, TRUE, 1e5)", "(-17, -0.05, false, -2.5E-3)"]),
    ("a DOUBLE, b DOUBLE, c FLOAT", ["(0.1, 1e-7, 1)", "(123456789012.345, 2.5E10, 0.3)", "(-0.0, -1e308, 16777217)"]),
    ("a DECIMAL(9, 2), b DECIMAL(18, 3), c BIGINT", ["(1.005, 7, 2.5)", "(-9.994, -8, 3.5)", "(0.015, 0, 0.5)"]),
    ("a BOOLEAN, b BOOLEAN", ["(TRUE, 'no')", "(false, 't')", "(NULL, 'false')"]),
    ("a DATE, b TIMESTAMP, c TIME", ["(DATE '2024-01-31', TIMESTAMP '2024-01-31 1:02:03.000004', TIME '23:59:59')"]),
    ("a TIMESTAMPTZ, b TIMESTAMP_NS", ["('2024-07-01 00:00:00+02', '1999-12-31 23:59:59.123456789')"]),
    ("a BLOB, b UUID", [r"('\xFFa', '0123456789abcdef0123456789abcdef')", "('', NULL)"]),
    ("a JSON, b INTERVAL", ["""('{"x": [1, null]}', '1 day 2 hours')""", "('[]', '-3 months')"]),
    ("a ENUM ('x', 'it''s'), b BIT", ["('x', '101')", "('it''s', '0')", "(NULL, '11')"]),
    ("a INTEGER[], b STRUCT(i INTEGER)", ["([1, NULL], {'i': 1})", "('[2]', '{i: 7}')", "('[3]', '{i: 8}')"]),
    ("a UNION(s VARCHAR, i INTEGER, t TINYINT)", ["(1)", "(2)", "('x')", "('y')"]),
    (
        "a BIGINT, b TEXT",
        ["(1, 'x'), (2, 'y')", "(3, NULL), (NULL, 'z')", "(4, 'a'), ('5', 'b')", "(3000000000, ''), (6, '')"],
    ),
    (
        "a BIGINT DEFAULT 7, b VARCHAR DEFAULT 'b', c REAL",
        ["(DEFAULT, 'x', 1)", "(default, 'y', 2)", "(1, DEFAULT, 0.5)"],
    ),
    ("a BIGINT, b VARCHAR", ["(1 + 1, upper('x'))", "(2 + 2, upper('y'))", "(/* a */ 3, 'z') -- b"]),
]


@pytest.mark.parametrize(("columns", "rows"), TEXTS, ids=lambda value: value if isinstance(value, str) else "")
def test_texts_that_differ_in_literals(
    writer: flight_sql.Connection, t: str, columns: str, rows: Sequence[str]
) -> None:
    with writer.cursor() as cursor, duckdb.connect() as kernel:
        kernel.execute("SET TimeZone = 'UTC'")
        for statement in [f"CREATE TABLE {t} ({columns})", *(f"INSERT INTO {t} VALUES {row}" for row in 3 * rows)]:
            run(cursor, statement)
            kernel.execute(statement)
        question = f"SELECT COLUMNS(*)::VARCHAR FROM {t} ORDER BY ALL"
        assert run(cursor, question) == kernel.execute(question).fetchall()
        run(cursor, f"DROP TABLE {t}")


@pytest.mark.parametrize(
    ("insert", "good", "bad", "said"),
    [
        ("VALUES ({}, 'x')", "1", "300", "out of range"),
        ("VALUES ({}, 'x')", "'1'", "'one'", "Could not convert string 'one'"),
        ("VALUES ({}, 'x')", "1", "NULL", "takes no NULLs"),
        ("VALUES ({}, 'x'), (2, 'y')", "1", "-129", "out of range"),
        ("VALUES ({}, 'x')", "1", "1, 2", "3 values for 2 columns"),
    ],
)
def test_what_is_wrong_with_a_value_is_told_as_the_first_time(
    writer: flight_sql.Connection, t: str, insert: str, good: str, bad: str, said: str
) -> None:
    """With its place, and the table stays as it was."""
    with writer.cursor() as cursor:
        messages = []
        for name, before in ((t, 0), (f"{t}_known", 3)):
            run(cursor, f"CREATE TABLE {name} (a TINYINT NOT NULL DEFAULT 5, b VARCHAR)")
            for _ in range(before):
                run(cursor, f"INSERT INTO {name} {insert.format(good)}")
            with pytest.raises(flight_sql.Error, match=said) as error:
                run(cursor, f"INSERT INTO {name} {insert.format(bad)}")
            messages.append(str(error.value).replace(name, t))
            assert run(cursor, f"SELECT count(*) FROM {name}") == [(before * insert.count("), (") + before,)]
            run(cursor, f"DROP TABLE {name}")
        assert messages[0] == messages[1]


def test_parameters_that_come_again(writer: flight_sql.Connection, t: str) -> None:
    rows = [
        (1, "x", 0.5, datetime.date(2024, 1, 31), Decimal("1.25")),
        (None, None, None, None, None),
        (2**40, "", -0.0, datetime.date(1, 1, 1), Decimal("-0.01")),
        (-3, "$1", 1e300, None, Decimal("12345.67")),
    ]
    with writer.cursor() as cursor:
        run(
            cursor,
            f"CREATE TABLE {t} (a BIGINT, b VARCHAR, c DOUBLE, d DATE, e DECIMAL(9, 2), f TIMESTAMPTZ, g VARCHAR)",
        )
        for row in 3 * rows:
            cursor.execute(f"INSERT INTO {t} VALUES (?, ?, ?, ?, ?, now(), typeof(?))", (*row, row[0]))
        found = run(cursor, f"SELECT a, b, c, d, e FROM {t}")
        assert sorted(map(repr, found)) == sorted(map(repr, 3 * rows))
        assert run(cursor, f"SELECT count(DISTINCT f) FROM {t}") == [(3 * len(rows),)]
        assert run(cursor, f"SELECT DISTINCT g FROM {t} ORDER BY ALL") == [('"NULL"',), ("BIGINT",)]
        run(cursor, f"DROP TABLE {t}")


def test_columns_that_change_between_inserts(writer: flight_sql.Connection, t: str) -> None:
    with writer.cursor() as cursor:
        run(cursor, f"CREATE TABLE {t} (a INTEGER, b VARCHAR)")
        changes = [
            f"ALTER TABLE {t} ALTER b SET DEFAULT 'none'",
            f"ALTER TABLE {t} ALTER a TYPE DOUBLE",
            f"ALTER TABLE {t} RENAME b TO c",
            f"ALTER TABLE {t} ADD COLUMN d BIGINT DEFAULT 4",
        ]
        for change in ["SELECT 1", *changes]:
            run(cursor, change)
            for number in range(3):
                run(cursor, f"INSERT INTO {t} (a) VALUES ({number})")
        found = run(cursor, f"SELECT a, c, d, count(*) FROM {t} GROUP BY ALL ORDER BY ALL")
        assert sum(row[-1] for row in found) == 15
        assert {row[1:] for row in found} == {(None, 4, 1), ("none", 4, 4)}
        run(cursor, f"DROP TABLE {t}")


def test_a_session_with_temporary_tables(writer: flight_sql.Connection, t: str) -> None:
    with writer.cursor() as cursor:
        run(cursor, f"CREATE TABLE {t} (a INTEGER)")
        run(cursor, f"CREATE TEMP TABLE {t}_own (a INTEGER)")
        for number in range(3):
            for name in (t, f"{t}_own"):
                run(cursor, f"INSERT INTO {name} VALUES ({number})")
        run(cursor, f"CREATE TEMP TABLE {t} (a INTEGER)")
        run(cursor, f"INSERT INTO {t} VALUES (3)")
        assert run(
            cursor, f"SELECT (SELECT count(*) FROM {t}), (SELECT count(*) FROM main.{t}), count(*) FROM {t}_own"
        ) == [(1, 3, 3)]
        for name in (t, f"{t}_own", f"main.{t}"):
            run(cursor, f"DROP TABLE {name}")
