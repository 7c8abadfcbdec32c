from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import parse_one

from engine.cancellation import Cancellation
from engine.errors import CancelledError, DataCorruptError, StorageError, UnknownColumnError, UnsupportedError
from engine.storage import DirectoryStorage, ScanRequest, TableHandle, TableName
from local_runtime import LocalRuntime
from tests.engine.querying import result
from tests.engine.storage.reading import MAIN_T, numbers, read, read_all, rows_of_splits


def put_file(path: Path, data: pa.Table, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(data, path, **options)


def resolve(root: Path) -> tuple[DirectoryStorage, TableHandle]:
    storage = DirectoryStorage(root)
    return storage, storage.snapshot().table(MAIN_T)


def sql(storage: DirectoryStorage, data: object, *columns: str, **request: object) -> str:
    return (
        storage.open(data, ScanRequest(columns, **request))
        .query.sql("duckdb")
        .replace(str(storage.directories()[0]), "")
    )


def test_the_scan_reads_the_wanted_columns_of_the_wanted_rows(tmp_path):
    put_file(tmp_path / "t.parquet", numbers(0, 100), row_group_size=10)
    storage, table = resolve(tmp_path)
    file = "READ_PARQUET(['/t.parquet'], hive_partitioning = FALSE)"
    assert sql(storage, table, "s") == f'SELECT "s" FROM {file}'
    assert sql(storage, table, "i", limit=5) == f'SELECT "i" FROM {file} LIMIT 5'
    assert sql(storage, table, "i", limit=5, filter=parse_one("i > 3")) == f'SELECT "i" FROM {file}'
    part = storage.splits(table, 2)[1]
    assert sql(storage, part, "i") == f'SELECT "i" FROM {file} WHERE file_row_number BETWEEN 50 AND 99'
    assert len(read(storage.open(table, ScanRequest(())))) == 100
    assert read(storage.open(part, ScanRequest(("s", "i")))).column_names == ["s", "i"]


ID, NAME = pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())


@pytest.mark.parametrize(
    ("files", "required"),
    [
        ({"t.parquet": [ID, NAME]}, {"id"}),
        ({"t/1.parquet": [ID, NAME], "t/2.parquet": [ID, NAME]}, {"id"}),
        ({"t/1.parquet": [ID], "t/2.parquet": [ID.with_nullable(True)]}, set()),
        ({"t/1.parquet": [ID.with_nullable(True)], "t/2.parquet": [ID]}, set()),
        ({"t/1.parquet": [ID, NAME.with_nullable(False)], "t/2.parquet": [ID]}, {"id"}),
        ({"t/1.parquet": [ID], "t/2.parquet": [ID, NAME.with_nullable(False)]}, {"id"}),
        ({"t/1.parquet": [ID], "t/2.parquet": [ID.with_type(pa.int32()).with_name("ID")]}, {"id"}),
        ({"t/id=1/1.parquet": [ID, NAME.with_nullable(False)]}, {"name"}),
        ({"t.parquet": [pa.field("s", pa.struct([ID])), pa.field("l", pa.list_(ID), nullable=False)]}, {"l"}),
    ],
)
def test_columns_that_all_files_say_to_be_without_nulls(tmp_path, files, required):
    for place, fields in files.items():
        put_file(tmp_path / place, pa.schema(fields).empty_table())
    storage, table = resolve(tmp_path)
    assert storage.probe(table).required == required


def test_statistics_come_from_the_footers(tmp_path):
    for i in (1, 2):
        put_file(tmp_path / "t" / f"{i}.parquet", numbers(0, 100 * i))
    _, table = resolve(tmp_path)
    sizes = [pq.read_metadata(tmp_path / "t" / f"{i}.parquet").row_group(0).total_byte_size for i in (1, 2)]
    assert (table.rows, table.bytes, table.kind) == (300, sum(sizes), "parquet")
    assert len(pickle.dumps(table)) < 1000


@settings(max_examples=25)
@given(rows=st.lists(st.integers(0, 30), min_size=1, max_size=4), group=st.integers(1, 20), target=st.integers(1, 9))
def test_the_splits_are_the_table(tmp_path_factory, rows, group, target):
    root = tmp_path_factory.mktemp("splits")
    start = 0
    for i, n in enumerate(rows):
        put_file(root / "t" / f"{i}.parquet", numbers(start, start + n), row_group_size=group)
        start += n
    storage, table = resolve(root)
    splits = pickle.loads(pickle.dumps(storage.splits(table, target)))
    assert 1 <= len(splits) <= target
    assert sorted(rows_of_splits(storage, splits, "i", "s")) == [(i, f"row {i}") for i in range(start)]


def test_tiny_tables_split_to_the_row(tmp_path):
    put_file(tmp_path / "t.parquet", numbers(0, 4))
    storage, table = resolve(tmp_path)
    assert [read_all(storage, split) for split in storage.splits(table, 4)] == [[(0,)], [(1,)], [(2,)], [(3,)]]


def test_hive_partitions_are_columns_of_one_type_in_every_part(tmp_path):
    root = tmp_path / "env=test"  # not a partition of the table
    for key, day in (("1", "2024-01-01"), ("2", "2024-01-02"), ("03", "2024-01-03")):
        put_file(root / "t" / f"code={key}" / f"day={day}" / "a.parquet", numbers(0, 2))
    storage, table = resolve(root)
    assert read(storage.probe(table)).schema.names == ["i", "s", "code", "day"]
    whole = read_all(storage, table, "code", "day", "i")
    assert {row[0] for row in whole} == {"1", "2", "03"}
    splits = storage.splits(table, 3)
    assert len(splits) == 3
    assert sorted(rows_of_splits(storage, splits, "code", "day", "i")) == sorted(whole)


def test_hive_partitions_of_numbers_and_the_missing_one(tmp_path):
    for key in ("7", "-1", "__HIVE_DEFAULT_PARTITION__"):
        put_file(tmp_path / "t" / f"k={key}" / "a.parquet", numbers(0, 1))
    storage, table = resolve(tmp_path)
    assert {row[0] for row in read_all(storage, table, "k")} == {7, -1, None}


def test_names_that_look_like_patterns_are_names(tmp_path):
    odd = "it's [1]*?.parquet"
    put_file(tmp_path / odd, numbers(0, 3))
    put_file(tmp_path / "it's 1xy.parquet", numbers(3, 9))
    storage = DirectoryStorage(tmp_path)
    table = storage.snapshot().table(TableName("main", odd.removesuffix(".parquet")))
    assert read_all(storage, table) == [(0,), (1,), (2,)]


def test_a_column_named_like_the_row_number_still_splits(tmp_path):
    for i in range(2):
        put_file(tmp_path / "t" / f"{i}.parquet", pa.table({"File_Row_Number": [7, 8], "i": [i, i]}))
    storage, table = resolve(tmp_path)
    splits = storage.splits(table, 8)
    assert sorted(rows_of_splits(storage, splits, "i", "File_Row_Number")) == [(0, 7), (0, 8), (1, 7), (1, 8)]


def test_files_of_different_types_are_cast_in_parts_as_in_the_whole(tmp_path):
    big = 2**53
    for i, values in enumerate(([1, 2], [0.5, 1.5, 2.5], [big, 3])):
        put_file(tmp_path / "t" / f"{i}.parquet", pa.table({"i": values}))
    storage, table = resolve(tmp_path)
    whole = read_all(storage, table)
    assert sorted(whole) == [(0.5,), (1,), (1.5,), (2,), (2.5,), (3,), (big,)]
    for target in range(1, 8):
        splits = storage.splits(table, target)
        assert {read(storage.open(split, ScanRequest(("i",)))).schema.field("i").type for split in splits} == {
            pa.float64()
        }
        assert sorted(rows_of_splits(storage, splits)) == sorted(whole)


def test_a_broken_file_is_named_by_its_table_and_hides_no_other(tmp_path):
    put_file(tmp_path / "good.parquet", numbers(0, 3))
    (tmp_path / "t.parquet").write_bytes(b"PAR1 this is no Parquet file PAR1")
    storage = DirectoryStorage(tmp_path)
    assert [name.table for name in storage.tables()] == ["good", "t"]
    with pytest.raises(DataCorruptError) as caught:
        storage.snapshot().table(MAIN_T)
    assert '"main.t"' in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert len(read_all(storage, storage.snapshot().table(TableName("main", "good")))) == 3


@pytest.mark.parametrize(("place", "written"), [(100, bytes(range(256)) * 100), (4, b"\0"), (4, b"\x0d"), (6, b"\x1a")])
def test_a_page_that_is_broken_is_told_without_the_path(tmp_path, place, written):
    put_file(tmp_path / "t.parquet", numbers(0, 10_000), compression="snappy")
    with (tmp_path / "t.parquet").open("r+b") as file:
        file.seek(place)
        file.write(written)
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime, pytest.raises(DataCorruptError) as caught:
        runtime.sql("SELECT sum(i), max(s) FROM t").read_all()
    assert str(tmp_path) not in str(caught.value)


def test_a_column_that_a_file_lacks_is_null_there(tmp_path):
    put_file(tmp_path / "t" / "a.parquet", numbers(0, 2).select(["i"]))
    put_file(tmp_path / "t" / "b.parquet", numbers(2, 3))
    storage, table = resolve(tmp_path)
    assert sorted(read_all(storage, table, "i", "s")) == [(0, None), (1, None), (2, "row 2")]
    assert sorted(rows_of_splits(storage, storage.splits(table, 3), "i", "s")) == [(0, None), (1, None), (2, "row 2")]


def test_files_that_change_under_a_query_make_it_fail(tmp_path):
    put_file(tmp_path / "t" / "a.parquet", numbers(0, 10))
    storage, table = resolve(tmp_path)
    splits = storage.splits(table, 2)
    put_file(tmp_path / "t" / "a.parquet", numbers(0, 20))
    for data in (table, splits[0]):
        with pytest.raises(StorageError, match="changed"):
            storage.open(data, ScanRequest(("i",)))
    assert storage.snapshot().table(MAIN_T).version != table.version
    shutil.rmtree(tmp_path / "t")
    with pytest.raises(StorageError, match="changed"):
        storage.probe(table)


def test_a_file_that_was_touched_is_read_again_and_others_are_not(tmp_path, monkeypatch):
    for name in "ab":
        put_file(tmp_path / "t" / f"{name}.parquet", numbers(0, 10))
    storage, _ = resolve(tmp_path)
    seen: list[str] = []
    real = pq.read_metadata
    monkeypatch.setattr(pq, "read_metadata", lambda path: seen.append(Path(path).name) or real(path))
    storage.snapshot().table(MAIN_T)
    assert seen == []
    os.utime(tmp_path / "t" / "b.parquet", ns=(1, 1))
    storage.snapshot().table(MAIN_T)
    assert seen == ["b.parquet"]


def test_there_are_no_other_versions(tmp_path):
    put_file(tmp_path / "t.parquet", numbers(0, 3))
    with pytest.raises(UnsupportedError, match="no versions"):
        DirectoryStorage(tmp_path).snapshot().table(MAIN_T, version="1")


def test_files_with_damaged_ends_are_told_as_such(tmp_path):
    """Whatever a file says of itself: its rows, or that it cannot be read, and never a fault of ours."""
    path = tmp_path / "good.parquet"
    pq.write_table(pa.table({"i": range(100), "s": [f"v{i}" for i in range(100)]}), path, row_group_size=50)
    good, outcomes, told = path.read_bytes(), set(), []
    size = int.from_bytes(good[-8:-4], "little")
    places = range(len(good) - 8 - size, len(good) - 8, max(1, size // 30))
    for at in places:
        damaged = bytearray(good)
        damaged[at] ^= 1
        (tmp_path / f"t{at}.parquet").write_bytes(damaged)
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        for at in places:
            for text in (f"SELECT * FROM t{at}", f"SELECT s FROM t{at} WHERE i = 77"):
                try:
                    result(runtime, text)
                    outcomes.add("read")
                except UnknownColumnError:  # the damage is in a name
                    outcomes.add("another name")
                except DataCorruptError as error:
                    told.append(str(error))
                    outcomes.add("damaged")
    assert {"read", "damaged"} <= outcomes
    assert not [text for text in told if str(tmp_path) in text]


def test_a_query_that_is_stopped_finds_no_damage(tmp_path, caplog):
    put_file(tmp_path / "t.parquet", numbers(0, 100))
    storage, table = resolve(tmp_path)
    cancellation = Cancellation()
    with cancellation.scope():
        cancellation.cancel("It was stopped.")
        with pytest.raises(CancelledError, match="It was stopped"):
            storage.open(table, ScanRequest(("i",)))
    assert caplog.records == []
    assert read(storage.open(table, ScanRequest(("i",)))).num_rows == 100
