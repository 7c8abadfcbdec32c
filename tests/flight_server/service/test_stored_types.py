"""A stored column has the kernel's type, whatever lies beneath: it is read, changed, sorted and refused by it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pyarrow as pa
import pytest

COLUMNS = {
    "BOOLEAN": ["true"],
    "UTINYINT": ["255"],
    "HUGEINT": ["-170141183460469231731687303715884105728", "5"],
    "UHUGEINT": ["340282366920938463463374607431768211455"],
    "BIGNUM": ["12345678901234567890123456789012345678901234567890"],
    "DECIMAL(38,10)": ["-0.0000000001"],
    "FLOAT": ["'nan'", "0.1"],
    "VARCHAR": ["''", "'ü'"],
    "BLOB": ["'\\x00\\xFF'"],
    "BIT": ["'10101'", "'0'"],
    "UUID": ["'00000000-0000-0000-0000-000000000001'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "JSON": ["""'{"a":   1e400, "b": 12345678901234567890123}'""", "'null'", "to_json('nan'::DOUBLE)"],
    "ENUM('c', 'b', 'it''s', '')": ["'c'", "'it''s'", "''"],
    "DATE": ["'infinity'", "'0044-03-15 (BC)'"],
    "TIME": ["'23:59:59.999999'"],
    "TIME_NS": ["'12:00:00.123456789'"],
    "TIME WITH TIME ZONE": ["'12:34:56.000001-15:59:59'"],
    "TIMESTAMP": ["'infinity'", "'2020-01-01 00:00:00.000001'"],
    "TIMESTAMP_S": ["'2020-01-01 00:00:01'"],
    "TIMESTAMP_MS": ["'2020-01-01 00:00:00.001'"],
    "TIMESTAMP_NS": ["'2020-01-01 00:00:00.000000001'"],
    "TIMESTAMP WITH TIME ZONE": ["'2020-01-01 00:00:00+02'"],
    "INTERVAL": ["INTERVAL '-14 months 3 days -00:00:00.000001'", "INTERVAL '1 day'"],
    "GEOMETRY": ["'POINT Z (0.1 2e300 3)'", "'POINT EMPTY'"],
    "GEOMETRY('OGC:CRS84')": ["'LINESTRING (0 0, 1 1)'"],
    "VARIANT": ["{'a': 1.5::DECIMAL(4,1), 'b': ['x', NULL]}", "'2020-01-01'::DATE", "[1, 2]"],
    "UNION(n INTEGER, s VARCHAR, tag UUID)": [
        "union_value(n := NULL::INTEGER)",
        "union_value(s := '1'::VARCHAR)",
        "union_value(\"tag\" := '00000000-0000-0000-0000-000000000001'::UUID)",
    ],
    "INTEGER[2]": ["[1, NULL]"],
    "VARCHAR[2]": ["['a', NULL]"],
    "INTEGER[2][1]": ["[[1, 2]]"],
    "UUID[]": ["['00000000-0000-0000-0000-000000000001', NULL]", "[]"],
    "JSON[1][]": ["""[['{"a": 1}']]""", """[['[-inf, {"a": Infinity, } , ]']]"""],
    "MAP(VARCHAR, ENUM('y', 'x'))": ["MAP {'k': 'x', 'l': NULL}", "MAP {}"],
    "MAP(UUID, INTERVAL[])": ["MAP {'00000000-0000-0000-0000-000000000001': [INTERVAL 1 DAY]}"],
    'STRUCT(a UUID, "b c" BIT[], "select" STRUCT("x""b" HUGEINT))': [
        """{'a': NULL, 'b c': ['1'], 'select': {'x"b': 1}}""",
        """{'a': '00000000-0000-0000-0000-000000000001', 'b c': NULL, 'select': NULL}""",
    ],
    "UNION(n INTEGER, s UUID)[]": [
        "[union_value(n := 1), NULL, union_value(s := '00000000-0000-0000-0000-000000000001'::UUID)]"
    ],
    "STRUCT(v VARIANT, u UNION(a INTEGER, b VARIANT[]))": [
        "{'v': 5::VARIANT, 'u': union_value(a := 1)}",
        "{'v': NULL, 'u': union_value(b := ['x'::VARIANT])}",
    ],
    "MAP(INTEGER, UNION(a INTEGER))[]": ["[MAP {1: union_value(a := 2)}, MAP {}]"],
    "UNION(a INTEGER)[1]": ["[union_value(a := 3)]"],
    "TUPLE(INTEGER, UUID)": ["row(1, '00000000-0000-0000-0000-000000000001')"],
}
KINDS = list(COLUMNS)
NAMES = [f"c{i}" for i in range(len(KINDS))]


def run(connection: flight_sql.Connection, text: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


@pytest.fixture
def table(writer: flight_sql.Connection) -> Iterator[str]:
    """The name of a table that is not there yet; it is dropped."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield name
    run(writer, f"DROP TABLE IF EXISTS {name}")


def written() -> str:
    """Rows of all kinds: the values of each, and a NULL at least."""
    longest = max(map(len, COLUMNS.values())) + 1
    rows = (
        ", ".join(f"CAST({(values + ['NULL'] * longest)[i]} AS {kind})" for kind, values in COLUMNS.items())
        for i in range(longest)
    )
    return ", ".join(f"({i}, {row})" for i, row in enumerate(rows))


ROWS = f"(SELECT * FROM (VALUES {written()}) AS v(id, {', '.join(NAMES)}))"


def values(connection: flight_sql.Connection, source: str) -> dict[str, list[tuple[Any, ...]]]:
    """The texts and types of the values of each kind."""
    items = ", ".join(f"{name}::VARCHAR, typeof({name})" for name in NAMES)
    found = run(connection, f"SELECT id, {items}, union_tag({NAMES[KINDS.index(UNION)]}) FROM {source} ORDER BY id")
    return {kind: [(row[0], row[1 + 2 * i], row[2 + 2 * i]) for row in found] for i, kind in enumerate(KINDS)} | {
        "tag": [(row[0], row[-1]) for row in found]
    }


UNION = next(kind for kind in KINDS if kind.startswith("UNION(n INTEGER, s VARCHAR"))


def types(connection: flight_sql.Connection, table: str) -> list[str]:
    return [row[1] for row in run(connection, f"DESCRIBE {table}")][1:]


def test_what_is_written_is_read_back_whatever_comes_between(writer: flight_sql.Connection, table: str) -> None:
    expected = values(writer, ROWS)
    definitions = ", ".join(f"{name} {kind}" for name, kind in zip(NAMES, KINDS, strict=True))
    run(writer, f"CREATE TABLE {table} (id INTEGER, {definitions})")
    assert types(writer, table) == KINDS
    run(writer, f"INSERT INTO {table} (id) VALUES (-1)")
    run(writer, f"INSERT INTO {table} SELECT * FROM {ROWS}")
    run(writer, f"UPDATE {table} SET id = id + 100")
    run(writer, f"DELETE FROM {table} WHERE id = 99")
    run(writer, f"ALTER TABLE {table} ADD COLUMN more UUID")
    run(
        writer,
        f"MERGE INTO {table} AS t USING (SELECT 100 AS k) ON id = k WHEN MATCHED THEN UPDATE SET more = NULL",
    )
    run(writer, f"ALTER TABLE {table} DROP COLUMN more")
    assert types(writer, table) == KINDS
    assert values(writer, f"(SELECT * REPLACE (id - 100 AS id) FROM {table})") == expected
    told = run(
        writer,
        f"SELECT data_type FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position",
    )
    assert [row[0] for row in told[1:]] == KINDS


def test_a_table_of_a_query_has_its_types(writer: flight_sql.Connection, table: str) -> None:
    expected = values(writer, ROWS)
    run(writer, f"CREATE TABLE {table} AS SELECT * FROM {ROWS}")
    assert types(writer, table) == KINDS
    run(writer, f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {table}")
    assert types(writer, table) == KINDS
    assert values(writer, table) == expected


def test_comparison_and_order_are_those_of_the_type(writer: flight_sql.Connection, table: str) -> None:
    run(writer, f"CREATE TABLE {table} (id INTEGER, e ENUM('c', 'b', 'a'), h HUGEINT, i INTERVAL, u UUID)")
    run(
        writer,
        f"INSERT INTO {table} VALUES (1, 'a', 10, INTERVAL 9 DAY, 'FFFFFFFF-0000-0000-0000-000000000000'), "
        "(2, 'b', 9, INTERVAL 10 DAY, '0f000000-0000-0000-0000-000000000000'), (3, 'c', -1, INTERVAL 1 MONTH, NULL)",
    )

    def ids(rest: str) -> list[int]:
        return [row[0] for row in run(writer, f"SELECT id FROM {table} {rest}")]

    assert ids("ORDER BY e") == [3, 2, 1]
    assert ids("ORDER BY h") == [3, 2, 1]
    assert ids("ORDER BY i") == [1, 2, 3]
    assert ids("WHERE e < 'a'::ENUM('c', 'b', 'a') ORDER BY id") == [2, 3]
    assert ids("WHERE h > 9 ORDER BY id") == [1]
    assert ids("WHERE i = INTERVAL 30 DAY") == [3]
    assert ids("WHERE u = 'ffffffff-0000-0000-0000-000000000000'") == [1]
    assert ids("WHERE u IN ('0F000000-0000-0000-0000-000000000000') OR u IS NULL ORDER BY id") == [2, 3]
    assert run(writer, f"SELECT max(e), min(h)::INTEGER, count(DISTINCT u) FROM {table}") == [("a", -1, 2)]


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("ENUM('a')", "'b'", "'b'"),
        ("UUID", "'no uuid'", "no uuid"),
        ("JSON", "'{'", "JSON"),
        ("JSON", "(repeat('[', 513) || repeat(']', 513))::JSON", 'Column "x" .* takes JSON of at most 512 levels'),
        ("MAP(VARCHAR, JSON[])", "MAP {'a': [repeat('[', 513) || repeat(']', 513)]}", 'Column "x" .* 512 levels'),
        ("BIT", "'2'", "bit"),
        ("ENUM('a')[]", "['b']", "'b'"),
        ("HUGEINT", "'x'", "'x'"),
        ("TIME", "'24:00:00'", "24:00:00 is no time"),
        ("STRUCT(t TIME, u UUID)", "{'t': '24:00:00', 'u': NULL}", 'valid Arrow data in column "x"'),
    ],
)
def test_values_are_checked_when_they_are_written(
    writer: flight_sql.Connection, table: str, kind: str, value: str, said: str
) -> None:
    run(writer, f"CREATE TABLE {table} (id INTEGER, x {kind})")
    run(writer, f"INSERT INTO {table} VALUES (1, NULL)")
    for text in (f"INSERT INTO {table} VALUES (2, {value})", f"UPDATE {table} SET x = {value}"):
        with pytest.raises(adbc_driver_manager.ProgrammingError, match=said):
            run(writer, text)
    assert run(writer, f"SELECT id, x IS NULL FROM {table}") == [(1, True)]


def test_json_that_a_column_cannot_take_is_refused_by_every_change(writer: flight_sql.Connection, table: str) -> None:
    deep, said = "(repeat('[', 513) || repeat(']', 513))", "takes JSON of at most 512 levels"
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=said):
        run(writer, f"CREATE TABLE {table} AS SELECT {deep}::JSON AS x")
    run(writer, f"CREATE TABLE {table} AS SELECT 1 AS id, {deep} AS s, repeat('[', 512) || repeat(']', 512) AS x")
    for change in (
        f"ALTER TABLE {table} ADD COLUMN y JSON DEFAULT {deep}",
        f"ALTER TABLE {table} ALTER COLUMN s TYPE JSON",
        f"CREATE OR REPLACE TABLE {table} AS SELECT s::JSON AS s FROM {table}",
        f"CREATE TEMP TABLE {table}_2 AS SELECT {deep}::JSON AS x",
    ):
        with pytest.raises(adbc_driver_manager.ProgrammingError, match=said):
            run(writer, change)
    run(writer, f"ALTER TABLE {table} ALTER COLUMN x TYPE JSON")
    merge = f"MERGE INTO {table} USING (SELECT 1 AS id, {deep} AS v) AS q USING (id) WHEN MATCHED THEN UPDATE SET x = v"
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=said):
        run(writer, merge)
    with writer.cursor() as cursor, pytest.raises(adbc_driver_manager.ProgrammingError, match=said):
        cursor.adbc_ingest(table, pa.table({"x": ["[" * 513 + "]" * 513]}), mode="append")
    assert run(writer, f"SELECT length(x), length(s) FROM {table}") == [(1024, 1026)]
