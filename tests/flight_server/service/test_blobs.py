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


def test_who_does_not_name_them_does_not_read_them(
    writer: flight_sql.Connection, path: Path, runtime_name: str
) -> None:
    lance.write_dataset(data(VALUES), str(path))
    for file in (path / "data").glob("*/*"):
        file.unlink()
    assert run(writer, f"SELECT i, s FROM {path.stem} WHERE i > 3") == [(4, "s4")]
    assert run(writer, f"SELECT count(*), max(s) FROM {path.stem}") == [(5, "s4")]
    if runtime_name == "local":  # where a task reads a part of a fragment, it reads all blobs of the part
        assert run(writer, f"SELECT b FROM {path.stem} WHERE i = 3") == [(b"small",)]
    run(writer, f"UPDATE {path.stem} SET s = 'x' WHERE i = 0", f"DELETE FROM {path.stem} WHERE i = 4")
    with pytest.raises(adbc_driver_manager.Error, match=r"file of a table could not be read") as caught:
        run(writer, f"SELECT b FROM {path.stem}")
    assert path.stem not in str(caught.value)


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
