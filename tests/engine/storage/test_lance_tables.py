from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import parse_one

from engine.errors import DataCorruptError, StorageError, UnknownTableError
from engine.kernel_errors import execution_error
from engine.storage import DirectoryStorage, ScanRequest, TableHandle, WriteMode
from engine.storage.lance_blobs import take_rows
from tests.engine.storage.reading import MAIN_T, numbers, put, read, read_all, rows_of_splits


def resolve(root: Path, **options: Any) -> tuple[DirectoryStorage, TableHandle]:
    storage = DirectoryStorage(root, **options)
    return storage, storage.snapshot().table(MAIN_T)


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[lance.LanceScanner]:
    """The scanners that Lance was asked for."""
    made: list[lance.LanceScanner] = []
    real = lance.LanceDataset.scanner

    def scanner(self: lance.LanceDataset, *args: Any, **kwargs: Any) -> lance.LanceScanner:
        made.append(real(self, *args, **kwargs))
        return made[-1]

    monkeypatch.setattr(lance.LanceDataset, "scanner", scanner)
    return made


def test_projection_filter_and_limit_reach_the_scan(tmp_path, scans):
    lance.write_dataset(numbers(0, 1000), tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    request = ScanRequest(("s",), parse_one("i >= 990", dialect="duckdb"), 3)
    source = storage.open(table, request)
    assert source.data.column_names == ["s"]
    assert source.data["s"].to_pylist() == ["row 990", "row 991", "row 992"]
    plan = scans[-1].explain_plan(True)
    assert "i >= Int64(990)" in plan
    assert "projection=[s]" in plan or "expr=[s@" in plan


def test_a_scan_asks_lance_no_oftener_where_there_are_more_columns(tmp_path, monkeypatch):
    asked = []
    told = lance.LanceDataset.schema.fget
    monkeypatch.setattr(lance.LanceDataset, "schema", property(lambda dataset: asked.append(1) or told(dataset)))
    counts = []
    for width in (2, 50):
        lance.write_dataset(pa.table({f"c{i}": [i] for i in range(width)}), tmp_path / f"{width}" / "t.lance")
        storage, table = resolve(tmp_path / f"{width}")
        asked.clear()
        columns = tuple(f"c{i}" for i in range(width))
        assert read(storage.open(table, ScanRequest(columns))).num_columns == width
        list(take_rows(lance.dataset(tmp_path / f"{width}" / "t.lance"), pa.array([0], pa.uint64()), columns))
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_limit_stays_above_a_filter_that_is_not_pushed_whole(tmp_path):
    lance.write_dataset(numbers(0, 100), tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    predicate = parse_one("i >= 50 AND s LIKE '%9'", dialect="duckdb")
    assert len(read_all(storage, table, filter=predicate, limit=3)) == 50
    assert len(read_all(storage, table, filter=parse_one("s LIKE '%9'"), limit=3)) == 100
    assert len(read_all(storage, table, limit=3)) == 3


def test_columns_that_are_not_wanted_are_not_read(tmp_path):
    wide = numbers(0, 20_000).append_column("wide", pa.array([f"{i:0500}" for i in range(20_000)]))
    dataset = lance.write_dataset(wide, tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    storage.open(table, ScanRequest(("i",)))  # opens the files
    opened = storage._lance._open_pinned(table)
    opened.dataset.io_stats_incremental()
    storage.open(table, ScanRequest(("i",)))
    narrow = opened.dataset.io_stats_incremental().read_bytes
    storage.open(table, ScanRequest(("i", "wide")))
    assert narrow * 10 < opened.dataset.io_stats_incremental().read_bytes
    assert dataset.version == int(table.version)


def test_rows_can_be_counted_without_a_column(tmp_path):
    lance.write_dataset(numbers(0, 10), tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    assert read(storage.open(table, ScanRequest(()))).num_rows == 10
    assert read(storage.open(table, ScanRequest((), limit=3))).num_rows == 3
    assert [read(storage.open(split, ScanRequest(()))).num_rows for split in storage.splits(table, 2)] == [5, 5]
    assert read(storage.open(table, ScanRequest((), parse_one("i < 4")))).num_rows == 4
    assert read(storage.probe(table)).schema == numbers(0, 0).schema


def test_statistics_come_from_the_manifest(tmp_path):
    dataset = lance.write_dataset(numbers(0, 100), tmp_path / "t.lance", max_rows_per_file=40)
    dataset.delete("i < 10")
    _, table = resolve(tmp_path)
    files = sum(file.stat().st_size for file in (tmp_path / "t.lance" / "data").iterdir())
    assert (table.rows, table.bytes, table.version) == (90, files, "2")
    assert len(pickle.dumps(table)) < 1000


@settings(max_examples=25)
@given(
    rows=st.integers(0, 60),
    per_fragment=st.integers(1, 25),
    target=st.integers(1, 9),
    deleted=st.one_of(st.none(), st.integers(2, 5)),
)
def test_the_splits_are_the_table(tmp_path_factory, rows, per_fragment, target, deleted):
    root = tmp_path_factory.mktemp("splits")
    dataset = lance.write_dataset(numbers(0, rows), root / "t.lance", max_rows_per_file=per_fragment)
    if deleted:
        dataset.delete(f"i % {deleted} = 1")
    storage, table = resolve(root)
    splits = pickle.loads(pickle.dumps(storage.splits(table, target)))
    assert 1 <= len(splits) <= target
    assert list(rows_of_splits(storage, splits, "i", "s")) == read_all(storage, table, "i", "s")
    predicate = parse_one("i >= 7", dialect="duckdb")
    passing = [row for split in splits for row in read_all(storage, split, filter=predicate) if row[0] >= 7]
    assert passing == [row for row in read_all(storage, table) if row[0] >= 7]


def test_tiny_tables_split_to_the_row(tmp_path):
    lance.write_dataset(numbers(0, 4), tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    assert [read_all(storage, split) for split in storage.splits(table, 4)] == [[(0,)], [(1,)], [(2,)], [(3,)]]
    assert read_all(storage, storage.splits(table, 2)[1], limit=1) == [(2,)]


def test_a_split_of_whole_fragments_takes_the_filter_and_a_part_of_one_the_range(tmp_path, scans):
    lance.write_dataset(numbers(0, 200), tmp_path / "t.lance", max_rows_per_file=100)
    storage, table = resolve(tmp_path)
    request = ScanRequest(("i",), parse_one("i > 150", dialect="duckdb"))
    storage.open(storage.splits(table, 2)[1], request)
    assert "i > Int64(150)" in scans[-1].explain_plan(True)
    storage.open(storage.splits(table, 4)[3], request)
    assert "range_before=Some(50..100), range_after=None" in scans[-1].explain_plan(True)
    assert "Int64(150)" not in scans[-1].explain_plan(True)


def test_small_results_are_tables_and_large_ones_stream_anew_each_time(tmp_path):
    lance.write_dataset(numbers(0, 10_000), tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    assert isinstance(storage.open(table, ScanRequest(("i",))).data, pa.Table)
    storage, table = resolve(tmp_path, table_bytes=1000)
    for _ in range(2):
        source = storage.open(table, ScanRequest(("i",)))
        assert isinstance(source.data, pa.RecordBatchReader)
        assert read(source)["i"].to_pylist() == list(range(10_000))
    assert isinstance(storage.open(table, ScanRequest(("i",), limit=10)).data, pa.Table)


def test_a_wrong_estimate_does_not_fill_the_memory(tmp_path):
    squeezed = pa.table({"s": ["x" * 10_000] * 2_000})  # 20 MB in memory, hardly anything on disk
    lance.write_dataset(squeezed, tmp_path / "t.lance")
    storage, table = resolve(tmp_path, table_bytes=1 << 20)
    assert (table.bytes or 0) < 1 << 18
    source = storage.open(table, ScanRequest(("s",)))
    assert isinstance(source.data, pa.RecordBatchReader)
    assert max(batch.nbytes for batch in source.data) < 20 << 20


def test_a_snapshot_reads_one_version_whatever_is_written(tmp_path):
    storage = DirectoryStorage(tmp_path, table_bytes=0)
    put(storage, numbers(0, 5))
    snapshot = storage.snapshot()
    table = snapshot.table(MAIN_T)
    streaming = storage.open(table, ScanRequest(("i",))).data
    put(storage, numbers(5, 9), WriteMode.APPEND)
    put(storage, pa.table({"other": ["x"]}), WriteMode.REPLACE)
    storage.drop(MAIN_T)
    put(storage, pa.table({"third": [1.5]}))
    assert snapshot.table(MAIN_T) is table
    assert streaming.read_all()["i"].to_pylist() == list(range(5))
    assert read_all(storage, table) == [(i,) for i in range(5)]
    assert read_all(DirectoryStorage(tmp_path), table) == [(i,) for i in range(5)]
    assert read_all(storage, storage.snapshot().table(MAIN_T), "third") == [(1.5,)]


def test_time_travel_by_version_and_by_instant(tmp_path):
    storage = DirectoryStorage(tmp_path)
    instants = []
    for i in range(3):
        put(storage, numbers(i, i + 1), WriteMode.CREATE_APPEND)
        instants.append(datetime.now(UTC))
    snapshot = storage.snapshot()
    for i, instant in enumerate(instants):
        expected = [(k,) for k in range(i + 1)]
        assert read_all(storage, snapshot.table(MAIN_T, version=str(i + 1))) == expected
        assert read_all(storage, snapshot.table(MAIN_T, at=instant)) == expected
        assert read_all(storage, snapshot.table(MAIN_T, at=instant.replace(tzinfo=None))) == expected
    for version in ("0", "4", "one", "-1", "1.0", ""):
        with pytest.raises(UnknownTableError, match="from 1 to 3"):
            snapshot.table(MAIN_T, version=version)
    with pytest.raises(UnknownTableError, match="as of"):
        snapshot.table(MAIN_T, at=instants[0] - timedelta(days=1))


def test_a_handle_never_reads_a_dataset_that_took_the_place_of_its_own(tmp_path):
    lance.write_dataset(numbers(0, 5), tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    shutil.rmtree(tmp_path / "t.lance")
    lance.write_dataset(numbers(5, 9), tmp_path / "t.lance")
    with pytest.raises(StorageError, match="gone"):
        storage.open(table, ScanRequest(("i",)))
    assert read_all(storage, storage.snapshot().table(MAIN_T)) == [(i,) for i in range(5, 9)]


def damage_manifest(path: Path) -> None:
    for manifest in (path / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"no manifest")


def damage_data(path: Path) -> None:
    for file in (path / "data").iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


@pytest.mark.parametrize("damage", [damage_manifest, damage_data, empty])
def test_a_damaged_dataset_is_named_when_read_and_hides_no_other(tmp_path, damage):
    lance.write_dataset(numbers(0, 100), tmp_path / "t.lance")
    lance.write_dataset(numbers(0, 1), tmp_path / "u.lance")
    damage(tmp_path / "t.lance")
    storage = DirectoryStorage(tmp_path)
    assert [name.table for name in storage.tables()] == ["t", "u"]
    with pytest.raises(DataCorruptError) as caught:
        storage.open(storage.snapshot().table(MAIN_T), ScanRequest(("i",)))
    assert '"main.t"' in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert read_all(storage, storage.snapshot().table(MAIN_T.__class__("main", "u"))) == [(0,)]


@pytest.mark.parametrize("v2_names", [True, False])
def test_a_version_is_found_and_told_of_without_opening_it_again(tmp_path, monkeypatch, v2_names):
    monkeypatch.setattr("engine.storage.lance_tables.KEPT_OPEN", 1)  # fewer than there are tables
    path = tmp_path / "t.lance"
    for start in range(12):  # beyond one digit
        mode = "append" if start else "create"
        lance.write_dataset(numbers(start, start + 1), path, mode=mode, enable_v2_manifest_paths=v2_names)
    lance.write_dataset(numbers(0, 1), tmp_path / "u.lance")
    storage, first = resolve(tmp_path)
    storage.snapshot().table(MAIN_T.__class__("main", "u"))
    opened = lance.dataset
    monkeypatch.setattr(lance, "dataset", lambda *a, **k: pytest.fail("opened again"))
    again = storage.snapshot().table(MAIN_T)
    assert (again, again.version, again.rows) == (first, "12", 12)
    assert storage.probe(again).data.column_names == ["i", "s"]
    monkeypatch.setattr(lance, "dataset", opened)
    lance.write_dataset(numbers(12, 20), path, mode="append")
    newer = storage.snapshot().table(MAIN_T)
    assert (newer.version, newer.rows) == ("13", 20)


def test_an_opened_version_is_opened_once(tmp_path, monkeypatch):
    lance.write_dataset(numbers(0, 100), tmp_path / "t.lance")
    storage, table = resolve(tmp_path)
    monkeypatch.setattr(lance, "dataset", lambda *a, **k: pytest.fail("opened again"))
    for split in storage.splits(table, 4):
        storage.open(split, ScanRequest(("i",)))


# ---- another tool that removes what is read


def replace_and_remove(path: Path) -> None:
    """As another tool does: a new version, after which the files of the others go."""
    dataset = lance.dataset(str(path))
    dataset.delete("i % 2 = 1")
    dataset.optimize.compact_files(materialize_deletions_threshold=0.0)
    for index in dataset.describe_indices():
        dataset.create_scalar_index(dataset.schema.names[index.fields[0]], "BTREE", name=index.name, replace=True)
    lance.dataset(str(path)).cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)


def once_before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], None]) -> None:
    """Have `act` done before the next call of a function."""
    real = getattr(owner, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, real)
        act()
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, called)


@pytest.mark.parametrize("predicate", [None, "i = 4"])
@pytest.mark.parametrize("table_bytes", [0, 1 << 20])
def test_a_version_that_goes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table_bytes: int, predicate: str | None
) -> None:
    """The table is not damaged: who asks again reads the newest version."""
    path = tmp_path / "t.lance"
    lance.write_dataset(numbers(0, 100), path).create_scalar_index("i", "BTREE")
    storage, table = resolve(tmp_path, table_bytes=table_bytes)
    request = {} if predicate is None else {"filter": parse_one(predicate, dialect="duckdb")}
    once_before(monkeypatch, lance.LanceDataset, "scanner", lambda: replace_and_remove(path))
    with pytest.raises((StorageError, ValueError, OSError, pa.ArrowException)) as caught:
        read_all(storage, table, **request)
    assert re.search("is gone; run it again|is not there: another tool", execution_error(caught.value).message)
    with pytest.raises(StorageError, match="is gone; run it again"):
        read_all(storage, table, **request)
    found = read_all(storage, storage.snapshot().table(MAIN_T), **request)
    assert found == [(i,) for i in range(0, 100, 2) if predicate is None or i == 4]


def test_the_newest_version_goes_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.lance"
    lance.write_dataset(numbers(0, 100), path)
    storage = DirectoryStorage(tmp_path)
    once_before(monkeypatch, lance, "dataset", lambda: replace_and_remove(path))
    table = storage.snapshot().table(MAIN_T)
    assert (table.rows, len(read_all(storage, table))) == (50, 50)
