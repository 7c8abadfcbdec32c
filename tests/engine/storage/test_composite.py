from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from engine.errors import UnknownTableError
from engine.storage import CompositeStorage, DirectoryStorage, InMemoryStorage, TableName, WriteMode
from tests.engine.storage.reading import MAIN_T, numbers, put, read, read_all, rows_of_splits

MEMORY_T = TableName("memory", "t")


@pytest.fixture
def storage(tmp_path):
    pq.write_table(numbers(0, 3), tmp_path / "p.parquet")
    return CompositeStorage(DirectoryStorage(tmp_path), {"memory": InMemoryStorage()})


def test_each_schema_has_its_storage(storage, tmp_path):
    put(storage, numbers(0, 2), name=MEMORY_T)
    put(storage, numbers(5, 9), name=MAIN_T)
    assert storage.schemas() == ["main", "memory"]
    assert storage.tables() == [TableName("main", "p"), MAIN_T, MEMORY_T]
    assert storage.tables("Memory") == [MEMORY_T]
    assert storage.read_only() == {TableName("main", "p")}
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".lance"] == ["t.lance"]
    assert storage.directories() == (str(tmp_path),)
    snapshot = storage.snapshot()
    handles = [snapshot.table(name) for name in (MAIN_T, MEMORY_T, TableName("main", "p"))]
    assert [handle.kind for handle in handles] == ["lance", "memory", "parquet"]
    assert [len(read_all(storage, handle)) for handle in handles] == [4, 2, 3]
    assert [len(list(rows_of_splits(storage, storage.splits(handle, 2)))) for handle in handles] == [4, 2, 3]
    assert all(read(storage.probe(handle)).column_names == ["i", "s"] for handle in handles)


def test_a_snapshot_pins_across_storages(storage):
    put(storage, numbers(0, 2), name=MEMORY_T)
    snapshot = storage.snapshot()
    before = snapshot.table(MEMORY_T)
    put(storage, numbers(2, 4), WriteMode.APPEND, MEMORY_T)
    assert snapshot.table(MEMORY_T) is before
    assert storage.snapshot().table(MEMORY_T).rows == 4
    storage.drop(MEMORY_T)
    assert storage.tables("memory") == []
    assert storage.schemas() == ["main", "memory"]


def test_unknown_schemas_and_tables(storage):
    put(storage, numbers(0, 2), name=MEMORY_T)
    for name, message in [
        (TableName("memori", "t"), 'no schema "memori"; did you mean "memory"'),
        (TableName("memory", "tt"), 'did you mean "t"'),
        (TableName("main", "pp"), 'did you mean "p"'),
    ]:
        with pytest.raises(UnknownTableError, match=message):
            storage.snapshot().table(name)
    with pytest.raises(UnknownTableError, match='no schema "other"'):
        put(storage, numbers(0, 1), name=TableName("other", "t"))
