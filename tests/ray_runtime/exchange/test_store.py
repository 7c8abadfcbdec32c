from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CancelledError, ExecutionError, ResourceExhaustedError
from ray_runtime.exchange import ExchangeStore, OutputFailedError, OutputKey, OutputSummary, Piece, WorkerId, group_rows
from tests.ray_runtime.exchange.tables import SCHEMA, batches_of, partitioned_tables, rows_by_partition

WORKER = WorkerId("w1", 3)
KEY = OutputKey("query", 1, 2, 0)
NUMBERS = pa.schema({"x": pa.int64()})
Opened = Callable[..., ExchangeStore]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Opened]:
    stores: list[ExchangeStore] = []

    def opened(memory: int = 1 << 30, **options: object) -> ExchangeStore:
        stores.append(ExchangeStore(WORKER, tmp_path, memory, **options))  # type: ignore[arg-type]
        return stores[-1]

    yield opened
    for store in stores:
        store.close()
        assert store.current_usage == store.disk_usage == 0
    assert list(tmp_path.iterdir()) == []


def numbers(first: int, rows: int) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(range(first, first + rows), pa.int64())})


def write(store: ExchangeStore, key: OutputKey = KEY, rows: int = 1000, pieces: int = 4) -> OutputSummary:
    """`pieces` times `rows` rows in partitions 0 and 2 of 3."""
    with store.writer(key, NUMBERS, 3) as writer:
        for piece in range(pieces):
            slices = [(0, numbers(2 * piece * rows, rows)), (2, numbers((2 * piece + 1) * rows, rows))]
            writer.append(Piece(slices, 16 * rows))
        return writer.commit()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@settings(deadline=None)
@given(
    case=partitioned_tables(),
    memory=st.sampled_from([0, 1000, 1 << 30]),
    compression=st.sampled_from([None, "lz4"]),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    case: tuple[int, list[pa.RecordBatch]],
    memory: int,
    compression: object,
) -> None:
    partitions, batches = case
    expected = rows_by_partition(batches)
    store = ExchangeStore(WORKER, tmp_path_factory.mktemp("store"), memory, compression=compression)  # type: ignore[arg-type]
    try:
        with store.writer(KEY, SCHEMA, partitions) as writer:
            for batch in batches:
                for piece in group_rows(batches_of([batch]), partitions):
                    writer.append(piece)
            summary = writer.commit()
        assert list(summary.rows) == [len(expected.get(partition, [])) for partition in range(partitions)]
        assert (store.disk_usage > 0) == (memory == 0 and bool(expected)) or memory == 1000
        for partition in range(partitions):
            rows = expected.get(partition, [])
            read = store.read(KEY, range(partition, partition + 1), len(rows))
            assert [row for batch in read for row in batch.to_pylist()] == rows
        together = store.read(KEY, range(partitions), summary.total_rows)
        assert sum(batch.num_rows for batch in together) == summary.total_rows
    finally:
        store.close()


@pytest.mark.parametrize("memory", [1 << 30, 0, 40_000])
def test_empty_absent_and_other_rows_are_three_things(open_store: Opened, memory: int) -> None:
    store = open_store(memory)
    summary = write(store)
    assert list(summary.rows) == [4000, 0, 4000]
    assert store.read(KEY, range(1, 2), 0) == []
    with pytest.raises(OutputFailedError, match=r"absent: worker w1 \(incarnation 3\), stage 1, task 2, attempt 1"):
        store.read(OutputKey("query", 1, 2, 1), range(1), 0)
    with pytest.raises(OutputFailedError, match="has 4000 rows instead of 4001"):
        store.read(KEY, range(1), 4001)
    with pytest.raises(OutputFailedError, match="no partitions"):
        store.read(KEY, range(3, 4), 0)


@pytest.mark.parametrize("kept", [0, 10, -1, -8])
def test_a_truncated_file_is_an_error_and_never_the_end(open_store: Opened, tmp_path: Path, kept: int) -> None:
    store = open_store(0)
    write(store)
    [file] = files(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[:kept] if kept >= 0 else content[: len(content) + kept])
    with pytest.raises(OutputFailedError, match="damaged"):
        store.read(KEY, range(1), 4000)


def test_a_changed_byte_is_an_error(open_store: Opened, tmp_path: Path) -> None:
    store = open_store(0)
    write(store)
    [file] = files(tmp_path)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(OutputFailedError, match="checksum"):
        store.read(KEY, range(3), 8000)


def test_a_missing_file_is_an_error(open_store: Opened, tmp_path: Path) -> None:
    store = open_store(0)
    write(store)
    [file] = files(tmp_path)
    file.unlink()
    with pytest.raises(OutputFailedError, match="damaged"):
        store.read(KEY, range(1), 4000)


def test_the_budget_is_shared_and_never_passed(open_store: Opened, tmp_path: Path) -> None:
    store = open_store(200_000)
    for task in range(10):
        write(store, OutputKey(f"query {task % 2}", 1, task, 0))
        assert store.current_usage <= 200_000
    assert store.memory.peak > 100_000
    assert store.disk_usage == sum(path.stat().st_size for path in files(tmp_path)) > 300_000
    store.remove_query("query 0")
    assert [key.task for key in store.outputs("query 1")] == [1, 3, 5, 7, 9]
    assert store.outputs("query 0") == []
    store.remove_query("query 1")
    assert store.current_usage == store.disk_usage == 0
    assert files(tmp_path) == []


@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_nothing_is_readable_before_commit_and_all_is_gone_after_abort(
    open_store: Opened, tmp_path: Path, memory: int
) -> None:
    store = open_store(memory)
    with store.writer(KEY, NUMBERS, 1) as writer:
        writer.append(Piece([(0, numbers(0, 1000))], 8000))
        with pytest.raises(OutputFailedError, match="absent"):
            store.read(KEY, range(1), 1000)
    assert len(store) == store.current_usage == store.disk_usage == 0
    assert files(tmp_path) == []
    assert write(store).total_rows == 8000  # the key is free again


def test_an_output_is_written_once(open_store: Opened) -> None:
    store = open_store()
    with store.writer(KEY, NUMBERS, 1) as writer:
        with pytest.raises(ExecutionError, match="there already"):
            store.writer(KEY, NUMBERS, 1)
        writer.commit()
        with pytest.raises(ExecutionError, match="ended"):
            writer.commit()
    with pytest.raises(ExecutionError, match="there already"):
        store.writer(KEY, NUMBERS, 1)
    store.remove(KEY)
    store.remove(KEY)
    assert write(store).total_rows == 8000


@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_a_removed_query_takes_no_more_outputs(open_store: Opened, tmp_path: Path, memory: int) -> None:
    store = open_store(memory)
    write(store)
    late = store.writer(OutputKey("query", 1, 9, 0), NUMBERS, 1)
    late.append(Piece([(0, numbers(0, 1000))], 8000))
    store.remove_query("query")
    with pytest.raises(CancelledError):
        late.append(Piece([(0, numbers(0, 1000))], 8000))
    with pytest.raises(CancelledError):
        late.commit()
    late.abort()
    with pytest.raises(CancelledError):
        store.writer(OutputKey("query", 1, 10, 0), NUMBERS, 1)
    assert len(store) == store.current_usage == store.disk_usage == 0
    assert files(tmp_path) == []


def test_a_reader_keeps_what_it_holds_when_the_query_goes(open_store: Opened) -> None:
    for memory in (0, 1 << 30):
        store = open_store(memory)
        write(store)
        batches = store.read(KEY, range(1), 4000)
        store.remove_query("query")
        assert sum(batch.num_rows for batch in batches) == 4000
        assert batches[0].column(0)[0].as_py() == 0


def test_the_disk_budget_holds(open_store: Opened, tmp_path: Path) -> None:
    store = open_store(0, disk_budget=50_000)
    with pytest.raises(ResourceExhaustedError, match=r"50000 bytes of disk.*--exchange-disk"):
        write(store)
    assert len(store) == store.current_usage == store.disk_usage == 0
    assert files(tmp_path) == []


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from engine.errors import StorageError
from tests.ray_runtime.exchange.test_store import ExchangeStore, WORKER, files, write
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
store = ExchangeStore(WORKER, Path(sys.argv[1]), 0)
try:
    write(store)
except StorageError as error:
    print(error, store.disk_usage, len(store), files(Path(sys.argv[1])))
"""
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "could not write its output: a file would be larger" in ran.stdout, ran.stderr
    assert ran.stdout.endswith("0 0 []\n")
    assert str(tmp_path) not in ran.stdout


def test_lz4_makes_files_smaller(open_store: Opened) -> None:
    plain, packed = open_store(0), open_store(0, compression="lz4")
    assert write(plain, rows=50_000).rows == write(packed, rows=50_000).rows
    assert packed.disk_usage < plain.disk_usage
    assert packed.read(KEY, range(1), 200_000)[0].column(0)[7].as_py() == 7


def test_many_writers_at_once(open_store: Opened) -> None:
    store = open_store(300_000)
    failures: list[BaseException] = []

    def task(number: int) -> None:
        try:
            for attempt in range(5):
                key = OutputKey("query", 1, number, attempt)
                write(store, key)
                read = store.read(key, range(3), 8000)
                assert sum(sum(batch.column(0).to_pylist()) for batch in read) == sum(range(8000))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=task, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(store) == 30
