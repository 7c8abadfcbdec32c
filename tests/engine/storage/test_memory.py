from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import parse_one

from engine.errors import (
    DataCorruptError,
    GrismError,
    SchemaMismatchError,
    StorageError,
    TableExistsError,
    UnknownTableError,
    UnsupportedError,
)
from engine.storage import InMemoryStorage, ScanRequest, TableName, WriteMode
from tests.engine.storage.reading import MAIN_T, numbers, put, read, read_all, rows_of_splits


def now(storage: InMemoryStorage) -> list[tuple[object, ...]]:
    return read_all(storage, storage.snapshot().table(MAIN_T))


def one_to(stop: int) -> list[tuple[int]]:
    return [(i,) for i in range(stop)]


def test_tables_are_named_by_schema_and_table():
    storage = InMemoryStorage({"t": numbers(0, 1), "Sales.x.y": numbers(0, 2), TableName("main", "a.b"): numbers(0, 3)})
    assert storage.schemas() == ["Sales", "main"]
    assert storage.tables() == [TableName("Sales", "x.y"), TableName("main", "a.b"), TableName("main", "t")]
    assert storage.tables("SALES") == [TableName("Sales", "x.y")]
    handle = storage.snapshot().table(TableName("sales", "X.Y"))
    assert (handle.name, handle.rows) == (TableName("Sales", "x.y"), 2)


def test_unknown_names_come_with_the_nearest():
    snapshot = InMemoryStorage({"lineitem": numbers(0, 1), "sales.x": numbers(0, 1)}).snapshot()
    with pytest.raises(UnknownTableError, match='did you mean "lineitem"'):
        snapshot.table(TableName("main", "lineitems"))
    with pytest.raises(UnknownTableError, match='no schema "sale"; did you mean "sales"'):
        snapshot.table(TableName("sale", "x"))
    with pytest.raises(UnknownTableError, match="list the tables"):
        snapshot.table(TableName("main", "zzzzzzzz"))


def test_a_scan_takes_columns_in_order_without_a_copy():
    data = numbers(0, 10)
    storage = InMemoryStorage({"t": data})
    handle = storage.snapshot().table(MAIN_T)
    table = storage.open(handle, ScanRequest(("s", "i"))).data
    assert table.column_names == ["s", "i"]
    assert table["i"].chunk(0).buffers()[1].address == data["i"].chunk(0).buffers()[1].address
    assert storage.open(handle, ScanRequest(("i",), None, 4)).data.num_rows == 4
    assert storage.open(handle, ScanRequest(("i",), parse_one("i > 5"), 4)).data.num_rows == 10
    assert storage.open(handle, ScanRequest(())).data.num_rows == 10
    assert read(storage.probe(handle)).schema == data.schema
    assert (handle.rows, handle.bytes) == (10, data.nbytes)


@given(st.lists(st.integers(0, 20), max_size=5), st.integers(1, 12))
def test_the_splits_are_the_table(chunks, target):
    data = pa.concat_tables([numbers(0, 0), *(numbers(0, n) for n in chunks)])
    storage = InMemoryStorage({"t": data})
    handle = storage.snapshot().table(MAIN_T)
    splits = storage.splits(handle, target)
    assert 1 <= len(splits) <= target
    assert list(rows_of_splits(storage, splits)) == read_all(storage, handle)
    assert len(pickle.dumps(splits[0])) < 1000


def test_create_append_replace_and_drop():
    storage = InMemoryStorage()
    assert put(storage, numbers(0, 3)) == 3
    assert put(storage, numbers(3, 5), WriteMode.APPEND) == 2
    assert now(storage) == one_to(5)
    assert put(storage, pa.table({"i": [0]}), WriteMode.REPLACE) == 1
    assert put(storage, pa.table({"i": pa.array([1], pa.int8())}), WriteMode.CREATE_APPEND) == 1
    assert now(storage) == one_to(2)
    with pytest.raises(TableExistsError):
        put(storage, numbers(0, 1))
    storage.drop(TableName("MAIN", "T"))
    assert (storage.tables(), storage.schemas()) == ([], ["main"])
    for missing in (lambda: storage.drop(MAIN_T), lambda: put(storage, numbers(0, 1), WriteMode.APPEND)):
        with pytest.raises(UnknownTableError):
            missing()


def test_a_snapshot_reads_one_version_whatever_is_written():
    storage = InMemoryStorage({"t": numbers(0, 2)}, keep_versions=1)
    handle = storage.snapshot().table(MAIN_T)
    put(storage, numbers(2, 4), WriteMode.APPEND)
    put(storage, numbers(7, 9), WriteMode.REPLACE)
    storage.drop(MAIN_T)
    put(storage, numbers(9, 11))
    assert read_all(storage, handle) == one_to(2)
    assert read_all(storage, pickle.loads(pickle.dumps(handle))) == one_to(2)
    assert now(storage) == [(9,), (10,)]


def test_a_version_that_nobody_holds_is_freed():
    storage = InMemoryStorage({"t": numbers(0, 2)}, keep_versions=1)
    handle = storage.snapshot().table(MAIN_T)
    key = copy.copy(handle)  # equal, and holds nothing
    put(storage, numbers(0, 3), WriteMode.REPLACE)
    assert read_all(storage, key) == one_to(2)
    del handle
    gc.collect()
    with pytest.raises(StorageError, match="gone"):
        storage.open(key, ScanRequest(("i",)))


def test_time_travel_over_the_versions_that_are_kept():
    storage = InMemoryStorage(keep_versions=2)
    instants = []
    for i in range(3):
        put(storage, numbers(i, i + 1), WriteMode.CREATE_APPEND)
        instants.append(datetime.now(UTC))
    snapshot = storage.snapshot()
    assert read_all(storage, snapshot.table(MAIN_T, version="2")) == one_to(2)
    assert read_all(storage, snapshot.table(MAIN_T, at=instants[1])) == one_to(2)
    assert read_all(storage, snapshot.table(MAIN_T, at=instants[2].replace(tzinfo=None))) == one_to(3)
    for version in ("1", "4", "x"):
        with pytest.raises(UnknownTableError, match="from 2 to 3"):
            snapshot.table(MAIN_T, version=version)
    with pytest.raises(UnknownTableError):
        snapshot.table(MAIN_T, at=instants[0])


def test_data_from_clients_is_checked_in_full():
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xff")]
    )
    batch = pa.record_batch([bad], names=["s"])
    storage = InMemoryStorage()
    with pytest.raises(DataCorruptError):
        storage.write(MAIN_T, pa.RecordBatchReader.from_batches(batch.schema, [batch]), WriteMode.CREATE)
    assert storage.tables() == []


def test_wrong_schemas_and_names_are_refused():
    storage = InMemoryStorage({"t": numbers(0, 1)})
    with pytest.raises(SchemaMismatchError):
        put(storage, pa.table({"i": ["x"], "s": ["y"]}), WriteMode.APPEND)
    with pytest.raises(SchemaMismatchError):
        InMemoryStorage({"t": pa.table([[1], [2]], names=["a", "A"])})
    with pytest.raises(TableExistsError):
        InMemoryStorage({"t": numbers(0, 1), "T": numbers(0, 1)})
    for name in ("", "a/b", ".a", "a\0", "x" * 201, "\ud800"):
        with pytest.raises(UnsupportedError):
            put(storage, numbers(0, 1), name=TableName("main", name))


@pytest.mark.parametrize(
    ("mode", "landed", "rows"),
    [(WriteMode.CREATE, 1, 10), (WriteMode.CREATE_APPEND, 4, 40), (WriteMode.REPLACE, 4, 10)],
)
def test_writes_at_the_same_time(mode, landed, rows):
    storage = InMemoryStorage()
    gate = threading.Barrier(4)

    def write(i: int) -> int | GrismError:
        def batches() -> Iterator[pa.RecordBatch]:
            gate.wait(30)
            yield from numbers(i * 10, i * 10 + 10).to_batches()

        try:
            return storage.write(MAIN_T, pa.RecordBatchReader.from_batches(numbers(0, 0).schema, batches()), mode)
        except TableExistsError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(write, range(4)))
    assert [o for o in outcomes if o == 10] == [10] * landed
    assert len(now(storage)) == rows


def test_an_append_to_a_table_that_gets_other_columns_fails_whole():
    storage = InMemoryStorage({"t": numbers(0, 1)})

    def batches() -> Iterator[pa.RecordBatch]:
        yield from numbers(1, 2).to_batches()
        put(storage, pa.table({"i": [5]}), WriteMode.REPLACE)

    with pytest.raises(StorageError, match="replaced"):
        storage.write(MAIN_T, pa.RecordBatchReader.from_batches(numbers(0, 0).schema, batches()), WriteMode.APPEND)
    assert now(storage) == [(5,)]


def test_many_small_appends_do_not_leave_many_small_chunks():
    storage = InMemoryStorage()
    for i in range(200):
        put(storage, numbers(i, i + 1), WriteMode.CREATE_APPEND)
    data = storage.open(storage.snapshot().table(MAIN_T), ScanRequest(("i",))).data
    assert data["i"].to_pylist() == list(range(200))
    assert data["i"].num_chunks <= 65
