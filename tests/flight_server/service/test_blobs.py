"""Blob columns of Lance tables, in both of their forms: read, written, changed, kept, and left alone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import lance
import pyarrow as pa
import pytest

from tests.flight_server.service.test_stored_types import run as run_one
from tests.harness.runtimes import SqlRuntime, Tables

BLOB = pa.field("b", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
SCHEMA = pa.schema([("i", pa.int64()), BLOB, ("s", pa.string())])
LARGE = bytes(range(256)) * 1200  # which later formats keep in a file of its own
VALUES = {0: LARGE, 1: None, 2: b"", 3: b"small", 4: LARGE[1:]}


@pytest.fixture
def path(
    runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]], writer: flight_sql.Connection
) -> Iterator[Path]:
    """Where a table is to lie, which is dropped in the end."""
    (folder,) = make_runtime(runtime_name, "lance")[1].storage.directories()
    path = Path(folder, f"b_{uuid.uuid4().hex[:12]}.lance")
    yield path
    run(writer, f"DROP TABLE IF EXISTS {path.stem}")


@pytest.fixture(params=["2.1", None], ids=["v1", "v2"])
def table(path: Path, request: pytest.FixtureRequest) -> str:
    """A table with blobs that another tool has written, in several fragments."""
    lance.write_dataset(data(VALUES), str(path), data_storage_version=request.param, max_rows_per_file=2)
    return path.stem


def data(values: dict[int, bytes | None]) -> pa.Table:
    texts = [f"s{i}" for i in values]
    return pa.table([pa.array(values), pa.array(values.values(), pa.large_binary()), pa.array(texts)], schema=SCHEMA)


def run(writer: flight_sql.Connection, *texts: str) -> list[tuple[Any, ...]]:
    """The rows of the last statement."""
    rows: list[tuple[Any, ...]] = []
    for text in texts:
        rows = run_one(writer, text)
    return rows


def stored(writer: flight_sql.Connection, table: str) -> dict[int, bytes | None]:
    return dict(run(writer, f"SELECT i, b FROM {table} ORDER BY i"))


def test_they_are_read(writer: flight_sql.Connection, table: str) -> None:
    assert [row[:2] for row in run(writer, f"DESCRIBE {table}")][1] == ("b", "BLOB")
    assert stored(writer, table) == VALUES
    assert run(writer, f"SELECT b FROM {table} WHERE i = 3") == [(b"small",)]
    assert run(writer, f"SELECT i FROM {table} WHERE b IS NULL") == [(1,)]
    assert run(writer, f"SELECT i FROM {table} WHERE octet_length(b) > 5 ORDER BY i") == [(0,), (4,)]
    assert run(writer, f"SELECT count(*) FROM {table} x JOIN {table} y USING (b)") == [(4,)]
    assert len(run(writer, f"SELECT b FROM {table} LIMIT 2")) == 2
    assert run(writer, f"SELECT sum(octet_length(b))::BIGINT FROM {table}") == [(2 * len(LARGE) + 4,)]


@pytest.mark.parametrize("version", ["2.1", None])
def test_rows_that_have_ids_of_their_own_are_not_found_by_these(
    writer: flight_sql.Connection, path: Path, version: str | None
) -> None:
    """After a change by another tool the id of a row is the address of another one, or of none."""
    rows = data({i: bytes([65 + i]) * 3 for i in range(6)})
    dataset = lance.write_dataset(
        rows, str(path), max_rows_per_file=3, enable_stable_row_ids=True, data_storage_version=version
    )
    dataset.delete("i = 1")
    dataset.optimize.compact_files(target_rows_per_fragment=3)
    assert run(writer, f"SELECT i, b FROM {path.stem} WHERE i % 4 = 0 ORDER BY i") == [(0, b"AAA"), (4, b"EEE")]
    found = run(writer, f"SELECT i, s, b FROM {path.stem} ORDER BY i DESC LIMIT 3")
    assert found == [(5, "s5", b"FFF"), (4, "s4", b"EEE"), (3, "s3", b"DDD")]
    change = f"UPDATE {path.stem} SET b = 'x'::BLOB, s = 'y' WHERE i = 2"
    if version is None:  # whose blobs Lance does not change in their place, and elsewhere the row had another id
        with pytest.raises(adbc_driver_manager.NotSupportedError, match=r"stable row ids.*DELETE the rows"):
            run(writer, change)
        change = f"DELETE FROM {path.stem} WHERE i = 2; INSERT INTO {path.stem} VALUES (2, 'x'::BLOB, 'y')"
    run(writer, change, f"DELETE FROM {path.stem} WHERE i = 3", f"UPDATE {path.stem} SET s = 'z' WHERE i = 5")
    found = run(writer, f"SELECT b, s FROM {path.stem} WHERE i IN (2, 3, 5) ORDER BY i")
    assert found == [(b"x", "y"), (b"FFF", "z")]


def test_who_does_not_name_them_does_not_read_them(writer: flight_sql.Connection, path: Path) -> None:
    lance.write_dataset(data(VALUES), str(path))
    for file in (path / "data").glob("*/*"):
        file.unlink()
    assert run(writer, f"SELECT i, s FROM {path.stem} WHERE i > 3") == [(4, "s4")]
    assert run(writer, f"SELECT count(*), max(s) FROM {path.stem}") == [(5, "s4")]
    assert run(writer, f"SELECT b FROM {path.stem} WHERE i = 3") == [(b"small",)]
    run(writer, f"UPDATE {path.stem} SET s = 'x' WHERE i = 0", f"DELETE FROM {path.stem} WHERE i = 4")
    with pytest.raises(
        adbc_driver_manager.Error, match=r"A file of the version that the query reads is not there"
    ) as caught:
        run(writer, f"SELECT b FROM {path.stem}")
    assert path.stem not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT b FROM {} WHERE i % 4 = 3", [(b"small",)]),
        ("SELECT * FROM {} WHERE reverse(s) = '3s'", [(3, b"small", "s3")]),
        ("SELECT i + 1, b FROM {} WHERE i IN (1, 3) AND length(s) = 2 ORDER BY s DESC", [(4, b"small"), (2, None)]),
        ("SELECT b, i FROM {} WHERE i BETWEEN 1 AND 3 ORDER BY i % 2, i LIMIT 1 OFFSET 2", [(b"small", 3)]),
        (
            "SELECT octet_length(b) FROM (SELECT b FROM {} WHERE i % 2 = 1 ORDER BY s LIMIT 5) ORDER BY ALL",
            [(5,), (None,)],
        ),
        ("SELECT b FROM {} JOIN (VALUES (3), (4)) v(j) ON i = j WHERE i % 4 = 3", [(b"small",)]),
        ("SELECT sum(octet_length(b))::INTEGER FROM {} WHERE i % 4 IN (2, 3)", [(5,)]),
        ("SELECT b FROM {} WHERE i % 4 = 5 ORDER BY i LIMIT 3", []),
    ],
)
def test_they_are_read_of_the_rows_that_are_left(
    writer: flight_sql.Connection, path: Path, query: str, found: list[tuple[Any, ...]]
) -> None:
    lance.write_dataset(data(VALUES), str(path), max_rows_per_file=3)
    for file in (path / "data").glob("*/*"):  # those of other rows are large and lie in these
        file.unlink()
    assert run(writer, query.format(path.stem)) == found


def test_the_first_of_an_order_are_found_first(writer: flight_sql.Connection, path: Path, runtime_name: str) -> None:
    lance.write_dataset(data(VALUES), str(path))
    for file in (path / "data").glob("*/*") if runtime_name == "local" else ():  # on Ray each task looks for its first
        file.unlink()
    assert run(writer, f"SELECT b FROM {path.stem} ORDER BY (i + 2) % 5 LIMIT 1") == [(b"small",)]
    assert run(writer, f"SELECT b, i * 2 AS d FROM {path.stem} ORDER BY abs(d - 4), d LIMIT 2 OFFSET 1") == [
        (None, 2),
        (b"small", 6),
    ]


def test_conditions_mean_the_same(writer: flight_sql.Connection, table: str) -> None:
    """Rows that are found before their blobs are read are those that are found in a table without any."""
    run(writer, f"DELETE FROM {table} WHERE i = 1", f"INSERT INTO {table} SELECT i + 10, b, NULL FROM {table}")
    run(writer, f"CREATE TABLE {table}_plain AS SELECT i, (b || ''::BLOB) AS b, s FROM {table}")
    try:
        for query in (
            "SELECT b FROM {} WHERE s IS NULL ORDER BY i % 3, i DESC",
            "SELECT * FROM {} WHERE i % 2 = 0 ORDER BY s NULLS FIRST, i LIMIT 3",
            "SELECT * FROM {} ORDER BY s DESC NULLS LAST, i LIMIT 2 OFFSET 3",
            "SELECT s, b FROM {} WHERE b >= 'small'::BLOB ORDER BY octet_length(b), i LIMIT 2",
            "SELECT i FROM {} WHERE octet_length(b) % 2 = 1 ORDER BY i",
            "SELECT x.i, y.b FROM {} x JOIN {} y ON x.i = y.i + 10 WHERE x.i % 2 = 0 AND y.i % 4 <> 3 ORDER BY ALL",
            "SELECT b, count(*) FROM {} WHERE i % 5 < 4 GROUP BY b ORDER BY ALL",
            "SELECT i, b FROM (SELECT * FROM {} WHERE i % 3 = 0 LIMIT 100 OFFSET 0) WHERE i > 3 ORDER BY i",
            "SELECT DISTINCT ON (s) s, b FROM {} WHERE i % 2 = 0 ORDER BY s, i",
            "SELECT b FROM {} WHERE random() >= 0 AND i % 2 = 0 ORDER BY i",
            "SELECT i, first_value(b) OVER (ORDER BY i) FROM {} WHERE i % 7 > 1 ORDER BY i",
            "SELECT b FROM {} WHERE i % 3 = 0 UNION ALL SELECT b FROM {} WHERE i % 3 = 1 ORDER BY ALL",
            "SELECT i, b FROM {} WHERE i IN (SELECT max(i) FROM {} WHERE i % 4 = 0)",
        ):
            found, expected = (run(writer, query.replace("{}", name)) for name in (table, f"{table}_plain"))
            assert found == expected, query
            assert found, query
    finally:
        run(writer, f"DROP TABLE {table}_plain")


def test_tables_of_queries_have_them(writer: flight_sql.Connection, table: str, path: Path) -> None:
    """Columns that are passed on as they are stay blobs; what is computed of them does not."""
    made = f"{table}_made"
    run(writer, f"CREATE VIEW {table}_view AS SELECT i AS k, b AS c FROM {table}")
    try:
        for query, kinds in (
            (f"SELECT * FROM {table}", {"b": True, "s": False}),
            (
                f"SELECT c AS d, c || 'x'::BLOB AS e FROM {table}_view WHERE k % 2 = 0 ORDER BY k",
                {"d": True, "e": False},
            ),
            (f"SELECT b FROM {table} UNION ALL SELECT c FROM {table}_view", {"b": True}),
            (f"SELECT b FROM {table} UNION ALL SELECT 'x'::BLOB", {"b": False}),
            (f"SELECT x.b, y.c FROM {table} x LEFT JOIN {table}_view y ON x.i = y.k + 1", {"b": True, "c": True}),
            (f"SELECT min(b) AS b FROM {table}", {"b": False}),
            (f"WITH w AS MATERIALIZED (SELECT * FROM {table}) SELECT * FROM w LIMIT 9", {"b": True}),
        ):
            run(writer, f"CREATE OR REPLACE TABLE {made} AS {query}")
            fields = lance.dataset(str(path.with_name(f"{made}.lance"))).schema
            assert {name: "lance.blob" in str(fields.field(name).type) for name in kinds} == kinds, query
            assert (
                sorted(map(repr, run(writer, f"FROM {made}"))) == sorted(map(repr, run(writer, query)))
                or "LIMIT" in query
            )
        run(writer, f"CREATE OR REPLACE TEMP TABLE {table}_own AS SELECT * FROM {table}")
        assert stored(writer, f"{table}_own") == VALUES
        run(writer, f"DROP TABLE {table}_own")
    finally:
        run(writer, f"DROP TABLE IF EXISTS {made}", f"DROP VIEW {table}_view")


def test_they_are_written(writer: flight_sql.Connection, table: str) -> None:
    run(writer, f"INSERT INTO {table} VALUES (5, 'abc'::BLOB, NULL), (6, NULL, NULL), (7, '', NULL)")
    run(writer, f"INSERT INTO {table} (i) VALUES (8)")
    run(writer, f"INSERT INTO {table} BY NAME SELECT 10 + i AS i, b FROM {table} WHERE i < 5")
    more = {20: b"ingested", 21: None, 22: LARGE}
    with writer.cursor() as cursor:
        cursor.adbc_ingest(table, data(more), mode="append")
        cursor.adbc_ingest(table, pa.table({"i": [23], "b": pa.array([b"plain"], pa.binary())}), mode="append")
    with writer.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (i, b) VALUES (?, ?)", (24, b"bound"))
    written = {5: b"abc", 6: None, 7: b"", 8: None, **{10 + i: value for i, value in VALUES.items()}}
    assert stored(writer, table) == {**VALUES, **written, **more, 23: b"plain", 24: b"bound"}


def test_changes_of_other_columns_keep_them(writer: flight_sql.Connection, table: str, path: Path) -> None:
    before = lance.dataset(str(path)).schema.field("b").type
    run(writer, f"UPDATE {table} SET s = 'x' WHERE i IN (0, 1)", f"DELETE FROM {table} WHERE i = 2")
    run(writer, f"ALTER TABLE {table} ADD COLUMN n INTEGER DEFAULT 7", f"ALTER TABLE {table} DROP COLUMN s")
    run(writer, f"MERGE INTO {table} t USING (SELECT 3 AS i) x ON t.i = x.i WHEN MATCHED THEN UPDATE SET n = 8")
    run(writer, f"ALTER TABLE {table} ALTER i TYPE INTEGER", f"ALTER TABLE {table} RENAME COLUMN b TO c")
    run(writer, f"ALTER TABLE {table} RENAME COLUMN c TO b", f"OPTIMIZE {table}", f"VACUUM {table} RETAIN '0 days'")
    assert stored(writer, table) == {i: value for i, value in VALUES.items() if i != 2}
    assert run(writer, f"SELECT n FROM {table} ORDER BY i") == [(7,), (7,), (8,), (7,)]
    assert lance.dataset(str(path)).schema.field("b").type == before


def test_they_are_changed(writer: flight_sql.Connection, table: str) -> None:
    run(writer, f"UPDATE {table} SET b = 'new'::BLOB WHERE i = 0", f"UPDATE {table} SET b = b || 'x'::BLOB WHERE i > 1")
    run(
        writer,
        f"MERGE INTO {table} t USING (SELECT * FROM (VALUES (1, 'one'::BLOB), (9, NULL)) x(i, b)) x ON t.i = x.i "
        "WHEN MATCHED THEN UPDATE SET b = x.b WHEN NOT MATCHED THEN INSERT (i, b) VALUES (x.i, x.b)",
    )
    changed = {0: b"new", 1: b"one", 2: b"x", 3: b"smallx", 4: LARGE[1:] + b"x", 9: None}
    assert stored(writer, table) == changed
    run(writer, f"RESTORE {table} TO VERSION 1")
    assert stored(writer, table) == VALUES


def test_another_type_lies_with_the_rows(writer: flight_sql.Connection, table: str, path: Path) -> None:
    run(writer, f"DELETE FROM {table} WHERE i IN (0, 4)", f"ALTER TABLE {table} ALTER b TYPE VARCHAR")
    assert run(writer, f"SELECT b FROM {table} ORDER BY i") == [(None,), ("",), ("small",)]
    assert lance.dataset(str(path)).schema.field("b").type == pa.string()


def test_defaults_and_not_null(writer: flight_sql.Connection, table: str) -> None:
    run(writer, f"ALTER TABLE {table} ALTER b SET DEFAULT 'd'::BLOB", f"INSERT INTO {table} (i) VALUES (5)")
    run(writer, f"DELETE FROM {table} WHERE b IS NULL", f"ALTER TABLE {table} ALTER b SET NOT NULL")
    with pytest.raises(adbc_driver_manager.Error, match="NULL"):
        run(writer, f"INSERT INTO {table} VALUES (6, NULL, NULL)")
    expected = {i: value for i, value in VALUES.items() if value is not None} | {5: b"d"}
    assert stored(writer, table) == expected


def test_tables_are_made_with_them(writer: flight_sql.Connection, path: Path) -> None:
    table = path.stem
    run(writer, f"CREATE TABLE {table} (i BIGINT, b BLOB STORAGE EXTERNAL NOT NULL DEFAULT 'd'::BLOB, s VARCHAR)")
    assert "lance.blob" in str(lance.dataset(str(path)).schema.field("b").type)
    run(writer, f"INSERT INTO {table} (i) VALUES (1)")
    run(writer, f"INSERT INTO {table} SELECT i, repeat('y', 100000)::BLOB, 'z' FROM range(2, 40) r(i)")
    assert stored(writer, table) == {1: b"d", **dict.fromkeys(range(2, 40), b"y" * 100_000)}
    assert list((path / "data").glob("*/*.blob"))
    run(writer, f"ALTER TABLE {table} ADD COLUMN c BLOB STORAGE EXTERNAL", f"UPDATE {table} SET c = b WHERE i < 3")
    assert run(writer, f"SELECT count(c), count(DISTINCT b) FROM {table}") == [(2, 2)]
    with pytest.raises(adbc_driver_manager.Error, match='"s" is to be stored as Lance blobs, and has the type string'):
        run(writer, f"CREATE OR REPLACE TABLE {table} (s VARCHAR STORAGE EXTERNAL)")
    with pytest.raises(adbc_driver_manager.Error, match="expected EXTERNAL or PLAIN"):
        run(writer, f"CREATE OR REPLACE TABLE {table} (s BLOB STORAGE MAIN)")
    with writer.cursor() as cursor:
        cursor.adbc_ingest(table, data(VALUES), mode="replace")
    assert "lance.blob" in str(lance.dataset(str(path)).schema.field("b").type)
    assert stored(writer, table) == VALUES
    run(writer, f"CREATE OR REPLACE TABLE {table} (b BLOB STORAGE PLAIN)")
    assert lance.dataset(str(path)).schema.field("b").type == pa.binary()


def test_a_table_of_a_name_that_was_dropped_has_its_blobs(writer: flight_sql.Connection, path: Path) -> None:
    table = path.stem
    for _ in range(2):
        run(writer, f"CREATE TABLE {table} (i BIGINT, b BLOB STORAGE EXTERNAL)", f"DROP TABLE {table}")
    with writer.cursor() as cursor:
        cursor.adbc_ingest(table, data(VALUES), mode="create")
    assert stored(writer, table) == VALUES
    run(writer, f"ALTER TABLE {table} RENAME TO {table}_2", f"ALTER TABLE {table}_2 RENAME TO {table}")
    assert stored(writer, table) == VALUES


def test_large_ones_come_in_small_messages(writer: flight_sql.Connection, path: Path) -> None:
    """Each row fits a message, and many are in one scan."""
    size, rows = 1_500_000, 24
    many: dict[int, bytes | None] = {i: bytes([i]) * size for i in range(rows)}
    lance.write_dataset(data(many), str(path))
    with writer.cursor() as cursor:
        cursor.execute(f"SELECT i, b FROM {path.stem}")
        batches: list[Any] = list(cursor.fetch_record_batch())
    assert max(batch.nbytes for batch in batches) < 4 << 20
    assert {row["i"]: row["b"] for batch in batches for row in batch.to_pylist()} == many
