"""Each write is there whole or not at all: whatever the data, the disk, other writers and kill -9 do."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.errors import (
    CancelledError,
    DataCorruptError,
    GrismError,
    SchemaMismatchError,
    StorageError,
    TableExistsError,
    UnknownTableError,
)
from engine.storage import DirectoryStorage, WriteMode
from tests.engine.storage.reading import MAIN_T, as_if_long_ago, numbers, put, read_all

CREATE, APPEND, REPLACE, EITHER = WriteMode.CREATE, WriteMode.APPEND, WriteMode.REPLACE, WriteMode.CREATE_APPEND


@pytest.fixture
def storage(tmp_path: Path) -> DirectoryStorage:
    return DirectoryStorage(tmp_path)


def now(storage: DirectoryStorage, *columns: str) -> list[tuple[object, ...]]:
    return read_all(storage, storage.snapshot().table(MAIN_T), *columns)


def one_to(stop: int) -> list[tuple[int]]:
    return [(i,) for i in range(stop)]


def data_files(root: Path) -> set[str]:
    return {file.name for file in (root / "t.lance" / "data").iterdir()}


def named_files(root: Path) -> set[str]:
    """The data files that some version names."""
    dataset = lance.dataset(root / "t.lance")
    versions = [lance.dataset(root / "t.lance", version=v["version"]) for v in dataset.versions()]
    return {file.path for v in versions for f in v.get_fragments() for file in f.metadata.files}


def assert_no_traces(root: Path) -> None:
    """Nothing of an unfinished write is left."""
    assert [item.name for item in root.iterdir() if item.name.startswith(".")] == []
    if (root / "t.lance").exists():
        assert data_files(root) == named_files(root)
        assert not (root / "t.lance" / ".writers").exists()


def test_create_append_replace_and_drop(storage, tmp_path):
    assert put(storage, numbers(0, 3), CREATE) == 3
    assert put(storage, numbers(3, 5), APPEND) == 2
    assert now(storage) == one_to(5)
    assert put(storage, numbers(0, 1), REPLACE) == 1
    assert now(storage, "i", "s") == [(0, "row 0")]
    assert put(storage, numbers(1, 2), EITHER) == 1
    assert now(storage) == one_to(2)
    storage.drop(MAIN_T)
    assert storage.tables() == []
    assert put(storage, numbers(0, 4), EITHER) == 4
    assert now(storage) == one_to(4)
    assert_no_traces(tmp_path)


def test_the_mode_says_whether_the_table_must_be_there(storage):
    with pytest.raises(UnknownTableError, match="There is no table"):
        put(storage, numbers(0, 1), APPEND)
    with pytest.raises(UnknownTableError):
        storage.drop(MAIN_T)
    put(storage, numbers(0, 1), REPLACE)
    with pytest.raises(TableExistsError):
        put(storage, numbers(0, 1), CREATE)
    with pytest.raises(TableExistsError):
        put(storage, numbers(0, 1), CREATE, MAIN_T.__class__("MAIN", "T"))


def test_a_write_of_no_rows(storage):
    assert put(storage, numbers(0, 0), CREATE) == 0
    assert put(storage, numbers(0, 0), APPEND) == 0
    assert storage.snapshot().table(MAIN_T).version == "1"
    assert now(storage) == []
    put(storage, numbers(0, 2), APPEND)
    assert put(storage, numbers(0, 0), REPLACE) == 0
    assert now(storage) == []


def test_replace_may_change_the_columns_and_old_versions_keep_theirs(storage):
    put(storage, numbers(0, 2))
    put(storage, pa.table({"z": [1.5]}), REPLACE)
    snapshot = storage.snapshot()
    assert read_all(storage, snapshot.table(MAIN_T), "z") == [(1.5,)]
    assert read_all(storage, snapshot.table(MAIN_T, version="1")) == one_to(2)


def test_a_wrong_schema_is_refused_before_the_data_is_looked_at(storage, tmp_path):
    put(storage, numbers(0, 2))

    def untouched() -> Iterator[pa.RecordBatch]:
        pytest.fail("the data was pulled")
        yield

    wrong = pa.schema([("i", pa.string()), ("s", pa.string())])
    for mode in (APPEND, EITHER):
        with pytest.raises(SchemaMismatchError, match='"i"'):
            storage.write(MAIN_T, pa.RecordBatchReader.from_batches(wrong, untouched()), mode)
    assert now(storage) == one_to(2)
    assert_no_traces(tmp_path)


@pytest.mark.parametrize(
    "field",
    [
        ("a.b", pa.int64()),
        ("a`b", pa.int64()),
        ("_rowid", pa.int64()),
        ("i", pa.month_day_nano_interval()),
        ("i", pa.list_(pa.string(), 2)),
        ("i", pa.struct([("x", pa.month_day_nano_interval())])),
        ("d", pa.list_(pa.decimal256(50, 2))),
    ],
)
def test_what_lance_cannot_hold_is_refused_first(storage, tmp_path, field):
    for mode in (CREATE, REPLACE):
        with pytest.raises(SchemaMismatchError):
            storage.write(MAIN_T, pa.schema([field]).empty_table().to_reader(), mode)
    assert list(tmp_path.iterdir()) == []


def test_every_type_that_is_taken_comes_back(storage):
    data = pa.table(
        {
            "null": pa.array([None, None], pa.null()),
            "u8": pa.array([255, None], pa.uint8()),
            "f16": pa.array([1.5, None], pa.float16()),
            "d": pa.array([Decimal("1.50"), None], pa.decimal256(30, 2)),
            "t": pa.array([1, None], pa.time64("ns")),
            "ts": pa.array([1, None], pa.timestamp("s", "Europe/Berlin")),
            "dur": pa.array([1, None], pa.duration("us")),
            "bin": pa.array([b"\0", None], pa.large_binary()),
            "fsb": pa.array([b"0" * 16, None], pa.binary(16)),
            "vec": pa.array([[1, 2], None], pa.list_(pa.float32(), 2)),
            "list": pa.array([[["a"], None], None], pa.list_(pa.list_(pa.string()))),
            "map": pa.array([[("k", [1])], None], pa.map_(pa.string(), pa.list_(pa.int8()))),
            "st": pa.array([{"x": {"y": None}}, None], pa.struct([("x", pa.struct([("y", pa.int8())]))])),
            "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"1" * 16, None], pa.binary(16))),
        }
    )
    put(storage, data)
    table = storage.snapshot().table(MAIN_T)
    assert read_all(storage, table, *data.column_names) == list(zip(*(c.to_pylist() for c in data), strict=True))
    put(storage, data, APPEND)
    assert storage.snapshot().table(MAIN_T).rows == 4


def failing(rows: int, error: BaseException) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        yield from numbers(0, rows).to_batches()
        raise error

    return pa.RecordBatchReader.from_batches(numbers(0, 0).schema, batches())


@pytest.mark.parametrize("mode", [CREATE, APPEND, REPLACE, EITHER])
@pytest.mark.parametrize("error", [CancelledError("stop"), ConnectionResetError("gone")])
def test_data_that_breaks_off_leaves_nothing_and_keeps_its_error(storage, tmp_path, mode, error):
    if mode is not CREATE:
        put(storage, numbers(0, 2))
    with pytest.raises(type(error)) as caught:
        storage.write(MAIN_T, failing(1000, error), mode)
    assert caught.value is error
    assert storage.tables() == ([] if mode is CREATE else [MAIN_T])
    if mode is not CREATE:
        assert now(storage) == one_to(2)
    assert_no_traces(tmp_path)


def test_invalid_data_is_refused_whole(storage, tmp_path):
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xff")]
    )
    batches = [numbers(0, 5).select(["s"]).to_batches()[0], pa.record_batch([bad], names=["s"])]
    with pytest.raises(DataCorruptError):
        storage.write(MAIN_T, pa.RecordBatchReader.from_batches(batches[0].schema, batches), CREATE)
    assert storage.tables() == []
    assert_no_traces(tmp_path)


def test_appends_at_the_same_time_all_land(storage, tmp_path):
    put(storage, numbers(0, 0))
    gate = threading.Barrier(6)

    def append(i: int) -> int:
        def batches() -> Iterator[pa.RecordBatch]:
            gate.wait(30)
            yield from numbers(i * 10, i * 10 + 10).to_batches()

        data = pa.RecordBatchReader.from_batches(numbers(0, 0).schema, batches())
        return DirectoryStorage(tmp_path).write(MAIN_T, data, APPEND)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(append, range(6))) == [10] * 6
    assert sorted(now(storage)) == one_to(60)
    assert_no_traces(tmp_path)


@pytest.mark.parametrize(("mode", "winners"), [(CREATE, 1), (EITHER, 4), (REPLACE, 4)])
@pytest.mark.parametrize("dropped", [False, True])
def test_creates_at_the_same_time(storage, tmp_path, mode, winners, dropped):
    if dropped:
        put(storage, numbers(100, 200))
        storage.drop(MAIN_T)
    gate = threading.Barrier(4)

    def create(i: int) -> int | GrismError:
        def batches() -> Iterator[pa.RecordBatch]:
            gate.wait(30)
            yield from numbers(i * 10, i * 10 + 10).to_batches()

        data = pa.RecordBatchReader.from_batches(numbers(0, 0).schema, batches())
        try:
            return storage.write(MAIN_T, data, mode)
        except GrismError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(create, range(4)))
    won = [outcome for outcome in outcomes if outcome == 10]
    refused = [outcome for outcome in outcomes if isinstance(outcome, TableExistsError)]
    assert (len(won), len(refused)) == (winners, 4 - winners), outcomes
    assert len(now(storage)) == (40 if mode is EITHER else 10)
    assert_no_traces(tmp_path)


def test_an_append_to_a_table_that_is_replaced_or_dropped_meanwhile_fails_whole(storage, tmp_path):
    put(storage, numbers(0, 2))

    def during(change) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from numbers(2, 4).to_batches()
            change()

        return pa.RecordBatchReader.from_batches(numbers(0, 0).schema, batches())

    with pytest.raises(StorageError, match="replaced"):
        storage.write(MAIN_T, during(lambda: put(storage, numbers(7, 8), REPLACE)), APPEND)
    assert now(storage) == [(7,)]
    with pytest.raises(UnknownTableError, match="dropped"):
        storage.write(MAIN_T, during(lambda: storage.drop(MAIN_T)), APPEND)
    assert storage.tables() == []
    assert_no_traces(tmp_path)


def test_a_dropped_table_leaves_no_version_to_its_successor(storage, tmp_path):
    put(storage, numbers(0, 2))
    put(storage, numbers(2, 4), APPEND)
    storage.drop(MAIN_T)
    put(storage, numbers(7, 8), CREATE)
    put(storage, numbers(8, 9), REPLACE)
    put(storage, numbers(9, 10), APPEND)
    for version in ("1", "2"):
        with pytest.raises(UnknownTableError, match="from 3 to 5"):
            storage.snapshot().table(MAIN_T, version=version)
    assert read_all(storage, storage.snapshot().table(MAIN_T, version="3")) == [(7,)]
    assert DirectoryStorage(tmp_path).tables() == [MAIN_T]


@pytest.mark.parametrize("mode", [CREATE, EITHER, REPLACE])
@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("rows", [0, 3])
def test_a_table_is_made_over_a_dropped_one_whether_either_has_rows(storage, tmp_path, mode, before, rows):
    put(storage, numbers(0, before))
    storage.drop(MAIN_T)
    assert put(storage, numbers(0, rows), mode) == rows
    assert now(storage) == one_to(rows)
    assert put(storage, numbers(rows, 5), APPEND) == 5 - rows
    assert now(storage) == one_to(5)
    assert_no_traces(tmp_path)


def test_dropped_tables_go_when_their_time_is_over(tmp_path):
    storage = DirectoryStorage(tmp_path, keep_dropped=3600)
    put(storage, numbers(0, 2))
    storage.drop(MAIN_T)
    DirectoryStorage(tmp_path, keep_dropped=3600)
    assert (tmp_path / "t.lance").exists()
    os.utime(tmp_path / "t.lance" / ".dropped", (0, 0))
    DirectoryStorage(tmp_path, keep_dropped=3600)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_table_can_be_dropped_and_made_again(storage, tmp_path):
    put(storage, numbers(0, 2))
    shutil.rmtree(tmp_path / "t.lance" / "_versions")
    storage.drop(MAIN_T)
    put(storage, numbers(0, 3), CREATE)
    assert now(storage) == one_to(3)


CRASH = textwrap.dedent(
    """
    import sys
    import pyarrow as pa
    from engine.storage import DirectoryStorage, WriteMode
    from engine.storage.protocol import ROW_ADDRESS, ROW_STAYS, ReplaceField
    from tests.engine.storage.reading import MAIN_T, numbers

    def wait():
        print("written", flush=True)
        sys.stdin.read()

    def batches():
        yield from numbers(0, 3000).to_batches()
        wait()

    def values(schema):
        yield pa.record_batch([pa.array([0], pa.uint64()), [7.5]], schema=schema)
        wait()

    def writers(sink):
        told = sink.write(numbers(0, 3000).to_reader())
        wait()
        return told

    storage = DirectoryStorage(sys.argv[1])
    data = pa.RecordBatchReader.from_batches(numbers(0, 0).schema, batches())
    if sys.argv[2] == "cast":
        schema = pa.schema([(ROW_ADDRESS, pa.uint64()), ("i", pa.float64())])
        cast = pa.RecordBatchReader.from_batches(schema, values(schema))
        storage.alter(storage.snapshot().table(MAIN_T), ReplaceField(schema.field("i"), cast))
    elif sys.argv[2].startswith("fragments"):
        storage.write(MAIN_T, data, WriteMode(sys.argv[2].split()[1]), writers=writers)
    elif sys.argv[2] == "change":
        gone = pa.table({ROW_ADDRESS: pa.array([0], pa.uint64()), ROW_STAYS: [False]})
        storage.change(storage.with_addresses(storage.snapshot().table(MAIN_T)), gone.to_reader(), data)
    else:
        storage.write(MAIN_T, data, WriteMode(sys.argv[2]))
    """
)


@pytest.mark.parametrize(
    "mode",
    ["create", "append", "replace", "change", "cast", "fragments create", "fragments append", "fragments replace"],
)
def test_kill_9_in_the_middle_leaves_what_was_there(tmp_path, mode):
    is_new = mode.endswith("create")
    if not is_new:
        put(DirectoryStorage(tmp_path), numbers(0, 2))
    writer = subprocess.Popen(
        [sys.executable, "-c", CRASH, str(tmp_path), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert select.select([writer.stdout], [], [], 60)[0], "the writer did not get that far"
        assert writer.stdout.readline() == b"written\n"
        DirectoryStorage(tmp_path)  # its sweep leaves a living writer's files alone
        hidden = list(tmp_path.glob(".*")) + list(tmp_path.glob("t.lance/.writers"))
        assert hidden, "the write is not under way"
    finally:
        writer.kill()
        writer.wait(30)
        writer.stdin.close()
        writer.stdout.close()
    assert all(path.exists() for path in hidden)
    if not is_new:  # what a killed writer of larger data leaves
        unnamed = tmp_path / "t.lance" / "data" / "unnamed.lance"
        unnamed.write_bytes(b"half a file")
        assert now(DirectoryStorage(tmp_path)) == one_to(2)
        assert unnamed.exists()  # another tool might be about to commit it
        as_if_long_ago(tmp_path / "t.lance")
    storage = DirectoryStorage(tmp_path)
    assert storage.tables() == ([] if is_new else [MAIN_T])
    if not is_new:
        assert now(storage) == one_to(2)
    assert_no_traces(tmp_path)


FULL_DISK = textwrap.dedent(
    """
    import os, sys
    import pyarrow as pa
    from engine.errors import StorageError
    from engine.storage import DirectoryStorage, WriteMode
    from tests.engine.storage.reading import MAIN_T, numbers, put, read_all

    root = sys.argv[1]
    noise = pa.schema([("i", pa.int64()), ("s", pa.string())])

    def batches():
        for i in range(40):
            yield pa.record_batch({"i": [i] * 1000, "s": [os.urandom(250).hex() for _ in range(1000)]}, schema=noise)

    def reader():
        return pa.RecordBatchReader.from_batches(noise, batches())

    storage = DirectoryStorage(root)
    for mode in (WriteMode.CREATE, WriteMode.APPEND, WriteMode.REPLACE):
        try:
            storage.write(MAIN_T, reader(), mode)
        except StorageError as error:
            print(mode.value, error.message, flush=True)
        if mode is WriteMode.CREATE:
            assert storage.tables() == [], storage.tables()
            put(storage, numbers(0, 2))
    assert read_all(storage, storage.snapshot().table(MAIN_T)) == [(0,), (1,)]
    print(sum(f.stat().st_size for f in storage._root.rglob("*") if f.is_file()))
    """
)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount namespace of its own for a small disk")
def test_a_full_disk_leaves_what_was_there(tmp_path):
    probe = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", tmp_path], capture_output=True, timeout=30
    )
    if probe.returncode:
        pytest.skip("this system gives no mount namespaces")
    script = 'mount -t tmpfs -o size=4m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", tmp_path, sys.executable, FULL_DISK],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *messages, left = done.stdout.splitlines()
    assert [message.split()[0] for message in messages] == ["create", "append", "replace"]
    assert all("the disk is full" in message and "/" not in message for message in messages)
    assert int(left) < 100_000


def test_a_file_in_the_place_of_the_table(storage, tmp_path):
    (tmp_path / "t.lance").write_text("a file where the dataset would be")
    with pytest.raises(TableExistsError):
        put(storage, numbers(0, 1))
