from __future__ import annotations

import pickle
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import PlanningError, StorageError, TableExistsError, UnknownTableError, UnsupportedError
from engine.sql.views import View
from engine.statements.stored_views import StoredViews
from engine.storage import DirectoryStorage, Storage, TableName, WriteMode
from tests.engine.storage.reading import MAIN_T, numbers, put, read_all


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StorageError, match="is not there"):
        DirectoryStorage(tmp_path / "nowhere")


def test_tables_that_appear_later_are_seen(tmp_path):
    storage: Storage = DirectoryStorage(tmp_path)
    assert (storage.tables(), storage.schemas()) == ([], ["main"])
    pq.write_table(numbers(0, 3), tmp_path / "late.parquet")
    assert storage.tables() == [TableName("main", "late")]
    assert storage.snapshot().table(TableName("MAIN", "Late")).rows == 3
    (tmp_path / "late.parquet").unlink()
    with pytest.raises(UnknownTableError):
        storage.snapshot().table(TableName("main", "late"))


def test_listing_opens_no_table(tmp_path, monkeypatch):
    put(DirectoryStorage(tmp_path), numbers(0, 1))
    pq.write_table(numbers(0, 3), tmp_path / "p.parquet")
    storage = DirectoryStorage(tmp_path)
    monkeypatch.setattr("lance.dataset", lambda *a, **k: pytest.fail("opened"))
    monkeypatch.setattr(pq, "read_metadata", lambda *a, **k: pytest.fail("opened"))
    assert [name.table for name in storage.tables()] == ["p", "t"]


def test_unknown_names_come_with_the_nearest(tmp_path):
    pq.write_table(numbers(0, 3), tmp_path / "lineitem.parquet")
    snapshot = DirectoryStorage(tmp_path).snapshot()
    with pytest.raises(UnknownTableError, match='did you mean "lineitem"'):
        snapshot.table(TableName("main", "lineitm"))
    with pytest.raises(UnknownTableError, match='no schema "mian"; did you mean "main"'):
        snapshot.table(TableName("mian", "lineitem"))


def test_parquet_tables_are_read_only(tmp_path):
    pq.write_table(numbers(0, 3), tmp_path / "T.parquet")
    storage = DirectoryStorage(tmp_path)
    for mode in (WriteMode.APPEND, WriteMode.REPLACE, WriteMode.CREATE_APPEND):
        with pytest.raises(UnsupportedError, match="made of Parquet files, which are read-only"):
            put(storage, numbers(0, 1), mode)
    with pytest.raises(TableExistsError):
        put(storage, numbers(0, 1))
    with pytest.raises(UnsupportedError, match="read-only"):
        storage.drop(MAIN_T)
    assert [path.name for path in tmp_path.iterdir()] == ["T.parquet"]


@pytest.mark.parametrize("name", ["../t", "a/b", "/etc/t", "a\\b", ".t", "..", "", "a\0b", "a\nb", "é" * 101])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    root = tmp_path / "data"
    root.mkdir()
    with pytest.raises(UnsupportedError, match="cannot be a table's name"):
        put(DirectoryStorage(root), numbers(0, 1), name=TableName("main", name))
    assert [path.name for path in tmp_path.rglob("*")] == ["data"]


@pytest.mark.parametrize(
    "name",
    [
        "a.b",
        "with space",
        "日本語",
        "it's",
        "x.lance",
        "x.parquet",
        "é" * 100,
        "[1]*?",
        "100%",
        "a%20b",
        "a#b?c",
        "s:x",
    ],
)
def test_odd_names_are_names(tmp_path, name):
    storage = DirectoryStorage(tmp_path)
    table = TableName("main", name)
    put(storage, numbers(0, 2), name=table)
    put(storage, numbers(2, 3), WriteMode.APPEND, table)
    put(storage, numbers(0, 3), WriteMode.REPLACE, table)
    assert storage.tables() == [table]
    assert read_all(storage, storage.snapshot().table(table)) == [(0,), (1,), (2,)]
    storage.drop(table)
    put(storage, numbers(0, 1), name=table)
    assert storage.snapshot().table(table).rows == 1


def test_schemas_hold_tables_of_their_own(tmp_path):
    (tmp_path / "Sales.schema").mkdir()
    storage = DirectoryStorage(tmp_path)
    put(storage, numbers(0, 2), name=TableName("sales", "t"))
    put(storage, numbers(0, 1))
    assert storage.schemas() == ["Sales", "main"]
    assert storage.tables() == [TableName("Sales", "t"), MAIN_T]
    assert storage.tables("SALES") == [TableName("Sales", "t")]
    assert storage.tables("nope") == []
    with pytest.raises(UnknownTableError, match='no schema "nope"'):
        put(storage, numbers(0, 1), name=TableName("nope", "t"))


def test_a_copy_in_another_process_reads_the_same_handles(tmp_path):
    storage = DirectoryStorage(tmp_path, table_bytes=0)
    put(storage, numbers(0, 10))
    handle = storage.snapshot().table(MAIN_T)
    there, (first, *_) = pickle.loads(pickle.dumps((storage, storage.splits(handle, 2))))
    assert read_all(there, first) == [(i,) for i in range(5)]
    assert there.directories() == storage.directories() == (str(tmp_path),)


def test_a_directory_that_went_away(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    storage = DirectoryStorage(root)
    root.rmdir()
    assert storage.tables() == []
    with pytest.raises(StorageError, match="could not be written") as caught:
        put(storage, numbers(0, 1))
    assert str(tmp_path) not in caught.value.message


def test_a_write_through_one_storage_is_seen_through_another(tmp_path):
    here, there = DirectoryStorage(tmp_path), DirectoryStorage(tmp_path)
    put(here, numbers(0, 2))
    assert there.snapshot().table(MAIN_T).rows == 2
    put(there, pa.table({"x": [1]}), WriteMode.REPLACE)
    assert here.snapshot().table(MAIN_T).rows == 1


# ---- names that are shared with views


def test_no_table_is_made_under_a_name_that_is_being_given_to_a_view(tmp_path: Path) -> None:
    storage, views = DirectoryStorage(tmp_path), StoredViews(tmp_path)
    storage.share_names(views)
    name, table = TableName("main", "v"), pa.table({"x": [1]})
    with ThreadPoolExecutor(1) as pool:
        with storage.vacant(name):
            writing = pool.submit(storage.write, name, table.to_reader(), WriteMode.CREATE)
            views.create(View(name, "SELECT 1"), replace=False)
            assert not writing.done()
        with pytest.raises(TableExistsError, match="is a view"):
            writing.result(timeout=60)
    assert storage.tables() == []
    for mode in (WriteMode.CREATE, WriteMode.CREATE_APPEND, WriteMode.REPLACE):
        with pytest.raises(TableExistsError, match="is a view"):
            storage.write(TableName("main", "V"), table.to_reader(), mode)


def test_no_view_takes_the_name_of_a_table(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    storage.write(TableName("main", "t"), pa.table({"x": [1]}).to_reader(), WriteMode.CREATE)
    for name, error in ((TableName("main", "T"), TableExistsError), (TableName("nowhere", "t"), UnknownTableError)):
        with pytest.raises(error), storage.vacant(name):
            pytest.fail("the name is not vacant")


def test_a_schema_with_views_stays(tmp_path: Path) -> None:
    storage, views = DirectoryStorage(tmp_path), StoredViews(tmp_path)
    storage.share_names(views)
    storage.create_schema("s")
    name = TableName("S", "v")
    views.create(View(name, "SELECT 1"), replace=False)
    with pytest.raises(PlanningError, match="it has views"):
        storage.drop_schema("s")
    views.drop(name)
    storage.drop_schema("s")
    with pytest.raises(UnknownTableError), storage.vacant(name):
        pytest.fail("the schema is gone")


def test_a_disk_that_takes_no_view_is_a_storage_error(tmp_path: Path) -> None:
    views, view = StoredViews(tmp_path), View(TableName("main", "v"), "SELECT 1")
    (tmp_path / ".views").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="ask an administrator") as failed:
        views.create(view, replace=False)
    assert str(tmp_path) not in str(failed.value)
    with pytest.raises(StorageError, match="ask an administrator"):
        views.drop(view.name)
    (tmp_path / ".views").unlink()
    views.create(view, replace=False)
    assert views.all() == [view]
    with _file_size_limit(8), pytest.raises(StorageError, match="would be larger"):
        views.create(View(view.name, "SELECT 2"), replace=True)
    assert views.all() == [view]
    assert {path.suffix for path in (tmp_path / ".views").iterdir()} == {".json"}


@contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    """Within, the system lets no file grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_who_writes_in_a_schema_that_is_dropped_is_told_so_and_brings_nothing_back(tmp_path: Path) -> None:
    """Its rows come while the schema is dropped: for a table that is there, one that is changed, and a new one."""
    storage, schema = DirectoryStorage(tmp_path), pa.schema([("x", pa.int64())])
    names = [TableName("s", table) for table in ("t", "u")]

    def batches(along: list[TableName]) -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [1]})
        storage.drop_schema("s", along)
        yield pa.record_batch({"x": [2]})

    for name, mode in ((names[0], WriteMode.APPEND), (names[0], WriteMode.REPLACE), (names[1], WriteMode.CREATE)):
        storage.create_schema("s")
        put(storage, pa.table({"x": [0]}), name=names[0])
        reader = pa.RecordBatchReader.from_batches(schema, batches(names[:1]))
        with pytest.raises(UnknownTableError, match="was dropped while data for"):
            storage.write(name, reader, mode)
        assert (storage.schemas(), storage.tables()) == (["main"], [])


def test_queries_of_a_schema_that_is_dropped_end(tmp_path: Path) -> None:
    storage, name = DirectoryStorage(tmp_path), TableName("s", "t")
    storage.create_schema("s")
    put(storage, numbers(0, 3), name=name)
    table = storage.snapshot().table(name)
    storage.drop_schema("s", [name])
    assert read_all(storage, table) == [(0,), (1,), (2,)]


def test_a_schema_with_files_of_others_stays_with_all_that_is_in_it(tmp_path: Path) -> None:
    storage, name = DirectoryStorage(tmp_path), TableName("s", "t")
    storage.create_schema("s")
    put(storage, numbers(0, 3), name=name)
    (tmp_path / "s.schema" / "notes.txt").write_text("mine")
    with pytest.raises(PlanningError, match=r'in its folder is "notes\.txt"'):
        storage.drop_schema("s", [name])
    with pytest.raises(PlanningError, match="is not empty"):
        storage.drop_schema("s")
    assert storage.tables() == [name]
