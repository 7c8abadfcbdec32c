"""What UPDATE and MERGE set columns to: one value for each row, and several columns by one row of values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import duckdb
import pytest

from tests.flight_server.service.test_updates import refused, run


@pytest.fixture
def cursor(writer: flight_sql.Connection) -> Iterator[flight_sql.Cursor]:
    """A cursor at a service on each runtime."""
    with writer.cursor() as cursor:
        yield cursor


WHOLE = "{t}::VARCHAR IS NOT NULL"
"""Where this stands the table is written anew, else single rows of it are."""

NO_VALUES = [
    "unnest([1, 2])",
    "abs(unnest([1, 2]))",
    "unnest([]::INTEGER[])",
    "max(b)",
    "max(q.i)",
    "(SELECT max({t}.b))",
    "row_number() OVER ()",
    "sum(b) OVER (ORDER BY a)",
    "COLUMNS('a|b')",
    "greatest(*COLUMNS('a|b'))",
    "*",
    "{t}.*",
]


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
def test_a_column_is_set_to_one_value_for_each_row(cursor: flight_sql.Cursor, t: str, kind: str) -> None:
    """What is another number of values, or of other rows, is refused as by the kernel; the rows stay as they are."""
    create, source = f"CREATE {kind} {t} AS SELECT i AS a, 10 * i AS b FROM range(4) r(i)", "(SELECT 1 AS i) q"
    run(cursor, create)
    with duckdb.connect() as kernel:
        kernel.execute(create)
        for value, condition in product(NO_VALUES, ("true", WHOLE)):
            merge = f"MERGE INTO {{t}} USING {source} ON q.i = {{t}}.a"
            statements = [
                f"UPDATE {{t}} SET a = {value} FROM {source} WHERE q.i = {{t}}.a AND {condition}",
                f"{merge} AND {condition} WHEN MATCHED THEN UPDATE SET a = {value}",
                f"{merge} WHEN NOT MATCHED THEN INSERT VALUES ({value}, 1)",
            ]
            if "q.i" not in value:
                statements.append(f"UPDATE {{t}} SET a = {value} WHERE {condition}")
            for statement in statements:
                with pytest.raises(duckdb.Error):
                    kernel.execute(statement.format(t=t))
                with pytest.raises(adbc_driver_manager.ProgrammingError):
                    run(cursor, statement.format(t=t))
    assert run(cursor, f"SELECT a, b FROM {t} ORDER BY a") == [(i, 10 * i) for i in range(4)]
    run(cursor, f"DROP TABLE {t}")


@pytest.mark.parametrize(
    ("value", "what"),
    [("1 + max(b)", "aggregates"), ("row_number() OVER ()", "window functions")],
)
def test_an_error_tells_of_a_value_as_what_it_is(cursor: flight_sql.Cursor, t: str, value: str, what: str) -> None:
    """And not of a condition, which is how the binder judges it."""
    run(cursor, f"CREATE TABLE {t} AS SELECT 1 AS a, 2 AS b")
    told = f"Values and conditions take no {what} here; put them into a subquery"
    for statement in (
        f"UPDATE {t} SET a = {value}",
        f"UPDATE {t} SET a = {value} FROM range(2) r(i) WHERE i = a",
        f"MERGE INTO {t} USING range(2) r(i) ON i = a WHEN MATCHED THEN UPDATE SET a = {value}",
        f"MERGE INTO {t} USING range(2) r(i) ON i = a WHEN NOT MATCHED BY SOURCE AND {value} > 1 THEN DELETE",
    ):
        refused(cursor, statement, told)
    run(cursor, f"DROP TABLE {t}")


NO_CONDITIONS = [
    "COLUMNS(*) > 0",
    "COLUMNS('a')::BOOLEAN",
    "greatest(*COLUMNS('a|b')) > 0",
    "length({t}::VARCHAR) > COLUMNS(*)",
]


def test_a_condition_is_one_for_each_row(cursor: flight_sql.Cursor, t: str) -> None:
    """COLUMNS makes a condition of each column, of which the first alone would count, or any."""
    run(cursor, f"CREATE TABLE {t} AS FROM (VALUES (1, 1), (2, -1), (-1, 5)) v(a, b)")
    for condition in (text.format(t=t) for text in NO_CONDITIONS):
        for statement in (
            f"UPDATE {t} SET a = 7 WHERE {condition}",
            f"UPDATE {t} SET a = 7 FROM range(2) r(i) WHERE {condition}",
            f"DELETE FROM {t} WHERE {condition}",
            f"DELETE FROM {t} USING range(2) r(i) WHERE {condition}",
            f"MERGE INTO {t} USING range(2) r(i) ON {condition} WHEN MATCHED THEN DELETE",
            f"MERGE INTO {t} USING range(2) r(i) ON r.i = {t}.a WHEN MATCHED AND {condition} THEN DELETE",
            f"MERGE INTO {t} USING range(2) r(i) ON r.i = {t}.a WHEN NOT MATCHED BY SOURCE AND {condition} THEN DELETE",
        ):
            refused(cursor, statement, r"a star and COLUMNS\(\.\.\.\), which may be several")
    assert run(cursor, f"FROM {t} ORDER BY a") == [(-1, 5), (1, 1), (2, -1)]
    run(cursor, f"DELETE FROM {t} WHERE a IN (SELECT max(COLUMNS('a')) FROM {t}) AND b * b > 0")
    assert run(cursor, f"FROM {t} ORDER BY a") == [(-1, 5), (1, 1)]
    run(cursor, f"DROP TABLE {t}")


ROWS = [
    "SET (a, s) = (5, 'q')",
    "SET (a, s) = (b, s || b) WHERE a > 1",
    "SET (a, b) = (b, a), s = 'x'",
    "SET s = 'x', (a, b) = ROW(b + (1), a)",
    "SET (a, b) = (((1, 2)))",
    "SET (a, b,) = (1, 2,)",
    "SET (a, b) = (DEFAULT, 2)",
    "SET (a, b) = DEFAULT",
    "SET (a, b) = 5",
    "SET (a, b) = (1) + (2)",
    "SET (a, b) = (SELECT max(i) FROM range(9) r(i) WHERE i <= 2 * {t}.a)",
    "SET (a) = (5)",
    "SET (a, b) = (CASE WHEN a > 1 THEN 1 ELSE 2 END, len([1, 2, 3])) FROM range(3) r(i) WHERE r.i = {t}.a",
    "SET (a, s) = (5, {t}::VARCHAR)",
]


@pytest.mark.parametrize("text", ROWS)
def test_columns_are_set_to_the_values_of_a_row(cursor: flight_sql.Cursor, t: str, text: str) -> None:
    changes = [f"UPDATE {t} {text}"]
    if " FROM range(3)" not in text and " WHERE a" not in text:
        source = "(SELECT 1 AS i UNION ALL SELECT 9) q"
        changes.append(f"MERGE INTO {t} USING {source} ON q.i = {t}.a WHEN MATCHED THEN UPDATE {text}")
    for change in changes:
        with duckdb.connect() as kernel:
            for statement in (
                f"CREATE OR REPLACE TABLE {t} (a INTEGER DEFAULT 7, b INTEGER, s VARCHAR)",
                f"INSERT INTO {t} SELECT i, 10 * i, 's' || i FROM range(4) r(i)",
                change.format(t=t),
            ):
                kernel.execute(statement)
                run(cursor, statement)
            rows = kernel.execute(f"SELECT * FROM {t} ORDER BY ALL").fetchall()
        assert run(cursor, f"SELECT * FROM {t} ORDER BY ALL") == rows
    run(cursor, f"DROP TABLE {t}")


def test_a_row_has_as_many_values_as_columns_are_set(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} AS SELECT 1 AS a, 2 AS b")
    refused(cursor, f"UPDATE {t} SET (a, b) = (1, 2, 3)", "There are 3 values for 2 columns")
    refused(cursor, f"UPDATE {t} SET (a, b) = ROW(1)", "There are 1 values for 2 columns")
    refused(cursor, f"UPDATE {t} SET (a) = (1, 2)", "There are 2 values for 1 columns")
    refused(cursor, f"UPDATE {t} SET (a, b) = (SELECT 1, 2)", "Subquery returns 2 columns")
    refused(cursor, f"UPDATE {t} SET (a, a) = (1, 2)", 'Column "a" is set twice')
    assert run(cursor, f"FROM {t}") == [(1, 2)]
    run(cursor, f"DROP TABLE {t}")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET b = ? WHERE a = ?",
        "DELETE FROM {} WHERE b < ?::INTEGER AND a = ?",
        "MERGE INTO {} USING (SELECT ? AS b, ? AS a) q USING (a) WHEN MATCHED THEN UPDATE SET b = q.b",
    ],
)
def test_of_several_rows_of_parameters_an_error_tells_which_one_it_is_about(
    cursor: flight_sql.Cursor, t: str, change: str
) -> None:
    """Each row is a change of its own."""
    run(cursor, f"CREATE TABLE {t} AS SELECT i AS a, 5 * i AS b FROM range(1, 4) r(i)")
    with pytest.raises(
        adbc_driver_manager.ProgrammingError, match=r"This is row 2 of 3 .* what those before it changed stays"
    ):
        cursor.executemany(change.format(t), [("7", 1), ("x", 2), ("7", 3)])
    kept = [] if change.startswith("DELETE") else [(1, 7)]
    assert run(cursor, f"FROM {t} ORDER BY a") == [*kept, (2, 10), (3, 15)]
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"This is row 1 of 2 .* nothing was changed"):
        cursor.executemany(change.format(t), [("x", 2), ("7", 3)])
    with pytest.raises(adbc_driver_manager.ProgrammingError) as alone:
        cursor.execute(change.format(t), ("x", 2))
    assert "This is row" not in str(alone.value)
    run(cursor, f"DROP TABLE {t}")
