"""The native stream wrapper: same rows, bounded messages, counters, stop, errors, and nothing kept."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import random
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import streams
from engine.errors import UnsupportedError
from engine.streams import MAX_MESSAGE_BYTES, SlicedStream, slice_stream
from tests.engine.arrays import batches, dense_union_of, text

GRPC_DEFAULT = 4 << 20
WAIT = 30
LITTLE = 100_000
"""Bytes: what the rest of the process may allocate beside a test; the batches that must not stay are larger."""


def reader_of(*given: pa.RecordBatch) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(given[0].schema, list(given))


def endless(batch: pa.RecordBatch) -> pa.RecordBatchReader:
    def repeat() -> Iterator[pa.RecordBatch]:
        while True:
            yield batch

    return pa.RecordBatchReader.from_batches(batch.schema, repeat())


def message_bytes(batch: pa.RecordBatch) -> int:
    return int(pa.ipc.get_record_batch_size(batch))


def sent_and_read(batch: pa.RecordBatch) -> pa.RecordBatch:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(sink.getvalue()).read_next_batch()


# ---- same rows, bounded messages -------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(batches(), st.sampled_from([400, 1_500, 6_000, 30_000]))
def test_any_batch_comes_out_as_it_went_in_within_the_bound(batch: pa.RecordBatch, max_bytes: int) -> None:
    stream = slice_stream(reader_of(batch), max_bytes)
    at = counted = 0
    for piece in stream.reader:
        piece.validate(full=True)
        expected = batch.slice(at, piece.num_rows).to_pylist()
        assert piece.to_pylist() == expected
        assert sent_and_read(piece).to_pylist() == expected
        estimated, counted = stream.counters.bytes - counted, stream.counters.bytes
        assert message_bytes(piece) <= estimated
        assert estimated <= max_bytes or piece.num_rows <= 1
        at += piece.num_rows
    assert at == batch.num_rows == stream.counters.rows


def wide(columns: int, rows: int) -> pa.RecordBatch:
    column = pa.array([*range(rows - 1), None], pa.int64())
    return pa.record_batch([column] * columns, names=[f"column_{i}" for i in range(columns)])


def strings(kind: pa.DataType) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(["x" * (i % 97) for i in range(300_000)], kind)})


LARGE: dict[str, Callable[[], pa.RecordBatch]] = {
    "integers": lambda: pa.record_batch({"x": pa.array(range(2_000_000))}),
    "booleans": lambda: pa.record_batch({"x": pa.concat_arrays([pa.array([True, None, False] * 1000)] * 7000)}),
    "strings": lambda: strings(pa.string()),
    "views": lambda: strings(pa.string_view()),
    "few rows of large views": lambda: strings(pa.string_view()).slice(100_000, 5_000),
    "list views": lambda: pa.record_batch({"x": pa.array([None, [], [1, 2, 3]] * 200_000, pa.list_view(pa.int64()))}),
    "dense union": lambda: pa.record_batch({"x": dense_union_of(text)(random.Random(1), 100_000)}),
    "wide": lambda: wide(10_000, 60),
    "large rows": lambda: pa.record_batch({"x": pa.array(["a", "x" * 9_000_000, None, "b"] * 2)}),
}


@pytest.mark.parametrize("name", LARGE)
def test_messages_stay_under_four_megabytes(name: str) -> None:
    batch = LARGE[name]()
    pieces = list(slice_stream(reader_of(batch)).reader)
    assert all(message_bytes(piece) < 4_000_000 for piece in pieces if piece.num_rows > 1)
    assert pa.Table.from_batches(pieces).combine_chunks().to_batches()[0].equals(batch)
    assert message_bytes(batch) > GRPC_DEFAULT
    assert name != "large rows" or [piece.num_rows for piece in pieces] == [1, 1, 3, 1, 2]


def test_slices_use_most_of_the_bound() -> None:
    *pieces, _ = slice_stream(reader_of(LARGE["integers"]())).reader
    assert all(message_bytes(piece) >= 0.85 * MAX_MESSAGE_BYTES for piece in pieces)


def test_many_columns_are_counted_with_their_metadata() -> None:
    row = wide(10_000, 1)
    stream = slice_stream(reader_of(row), 2_000_000)
    assert [piece.num_rows for piece in stream.reader] == [1]
    assert message_bytes(row) <= stream.counters.bytes <= 2_000_000


def test_small_batches_pass_as_they_are() -> None:
    batch = pa.record_batch({"x": pa.array(range(1000)), "s": pa.array(["a"] * 1000)})
    (piece,) = slice_stream(reader_of(batch)).reader
    for before, after in zip(batch.columns, piece.columns, strict=True):
        assert [b and b.address for b in before.buffers()] == [b and b.address for b in after.buffers()]


def test_slices_share_the_values() -> None:
    batch = pa.record_batch({"x": pa.array(range(1_000_000)), "s": pa.array(["abc"] * 1_000_000)})
    before = pa.total_allocated_bytes()
    pieces = list(slice_stream(reader_of(batch)).reader)
    assert len(pieces) > 2
    assert pa.total_allocated_bytes() - before < LITTLE
    assert pieces[1]["x"].buffers()[1].address == batch["x"].buffers()[1].address + pieces[0].num_rows * 8
    assert pieces[1]["s"].buffers()[2].address == batch["s"].buffers()[2].address


def test_a_client_with_the_default_limit_reads_over_flight() -> None:
    table = pa.Table.from_batches([strings(pa.string()), strings(pa.string()).slice(100)])

    class Server(fl.FlightServerBase):  # type: ignore[misc]
        def do_get(self, context: Any, ticket: Any) -> fl.RecordBatchStream:
            return fl.RecordBatchStream(slice_stream(table.to_reader()).reader)

    limited = ("grpc.max_receive_message_length", GRPC_DEFAULT)
    with (
        Server("grpc://127.0.0.1:0") as server,
        fl.connect(f"grpc://127.0.0.1:{server.port}", generic_options=[limited]) as client,
    ):
        assert client.do_get(fl.Ticket(b"")).read_all().equals(table)


def test_other_engines_read_the_slices() -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    batch = pa.record_batch({"x": pa.array([None, *range(99_999)]), "l": pa.array([[i, None] for i in range(100_000)])})
    con = duckdb.connect()
    con.register("stream", slice_stream(reader_of(batch), 50_000).reader)
    answer = con.execute("SELECT sum(x), sum(list_sum(l)), count(*) FROM stream").fetchall()
    assert answer == [(4999850001, 4999950000, 100_000)]
    frame = polars.from_arrow(slice_stream(reader_of(batch), 50_000).reader)
    assert frame["x"].sum() == 4999850001
    assert frame.to_arrow()["l"].to_pylist() == batch["l"].to_pylist()


def test_rows_without_columns_are_kept() -> None:
    batch = pa.record_batch({"x": pa.array(range(7))}).select([])
    assert [piece.num_rows for piece in slice_stream(reader_of(batch)).reader] == [7]


# ---- counters, end, errors, stop -------------------------------------------------------------------------------------


def test_counters_follow_the_stream() -> None:
    batch = pa.record_batch({"x": pa.array(range(1000))})
    started = time.monotonic()
    stream = slice_stream(reader_of(batch, batch))
    counters = stream.counters
    assert (counters.rows, counters.batches, counters.bytes, counters.first_batch_at) == (0, 0, 0, None)
    stream.reader.read_next_batch()
    assert (counters.rows, counters.batches) == (1000, 1)
    assert 8000 < counters.bytes < 9000
    assert counters.first_batch_at is not None
    assert started <= counters.first_batch_at <= time.monotonic()
    assert counters.ended_at is None
    assert not counters.is_finished
    stream.reader.read_all()
    del stream
    assert (counters.rows, counters.batches, counters.is_finished, counters.has_failed) == (2000, 2, True, False)
    assert counters.first_batch_at <= counters.ended_at <= time.monotonic()
    assert repr(counters) == f"StreamCounters(rows=2000, batches=2, bytes={counters.bytes})"


def test_counters_tell_a_reader_that_does_not_read_from_one_that_waits() -> None:
    batch = pa.record_batch({"x": [1]})
    asked: list[float | None] = []

    def slow() -> Iterator[pa.RecordBatch]:
        for _ in range(2):
            asked.append(counters.unread_since)
            yield batch

    stream = slice_stream(pa.RecordBatchReader.from_batches(batch.schema, slow()))
    counters = stream.counters
    stream.prime()
    assert counters.unread_since is None
    before = time.monotonic()
    stream.reader.read_next_batch()
    assert counters.unread_since is not None
    assert before <= counters.unread_since <= time.monotonic()
    stream.reader.read_all()
    assert counters.unread_since is None
    assert asked == [None, None]


def test_the_end_stays_the_end() -> None:
    stream = slice_stream(reader_of(pa.record_batch({"x": [1]})))
    assert stream.reader.read_all().num_rows == 1
    for _ in range(3):
        with pytest.raises(StopIteration):
            stream.reader.read_next_batch()
    assert stream.counters.batches == 1


def test_an_error_in_the_middle_passes_with_its_text() -> None:
    batch = pa.record_batch({"x": pa.array(range(100_000))})
    closed: list[bool] = []

    def fail() -> Iterator[pa.RecordBatch]:
        yield batch
        raise ValueError("the disk is on fire")

    stream = slice_stream(pa.RecordBatchReader.from_batches(batch.schema, fail()), 100_000, lambda: closed.append(True))
    for _ in range(2):
        with pytest.raises(pa.ArrowInvalid, match="the disk is on fire"):
            stream.reader.read_all()
        assert closed == [True]
    assert (stream.counters.rows, stream.counters.has_failed, stream.counters.is_finished) == (100_000, True, False)


def test_an_error_may_be_kept_and_the_rows_end() -> None:
    batch = pa.record_batch({"x": pa.array(range(100_000))})

    def fail() -> Iterator[pa.RecordBatch]:
        yield batch
        raise ValueError("the disk is on fire")

    stream = slice_stream(pa.RecordBatchReader.from_batches(batch.schema, fail()), 100_000, keep_error=True)
    assert stream.failure is None
    for rows in (100_000, 0):
        assert stream.reader.read_all().num_rows == rows
        assert stream.failure is not None
        assert "the disk is on fire" in stream.failure
    assert (stream.counters.rows, stream.counters.has_failed, stream.counters.is_finished) == (100_000, True, False)


def test_a_stop_may_be_kept_and_the_rows_end() -> None:
    stream = slice_stream(endless(pa.record_batch({"x": [1]})), keep_error=True)
    stream.reader.read_next_batch()
    stream.stop()
    assert stream.reader.read_all().num_rows == 0
    assert stream.failure == "The stream was stopped."
    assert not stream.counters.is_finished


def test_where_nothing_failed_nothing_is_kept() -> None:
    stream = slice_stream(reader_of(pa.record_batch({"x": [1]})), keep_error=True)
    assert stream.reader.read_all().num_rows == 1
    assert stream.failure is None
    assert stream.counters.is_finished


@pytest.mark.parametrize("max_bytes", [1_000, MAX_MESSAGE_BYTES])
def test_another_thread_stops_the_stream(max_bytes: int) -> None:
    stream = slice_stream(endless(pa.record_batch({"x": pa.array(range(10_000))})), max_bytes)
    seen = threading.Event()

    def stop() -> None:
        seen.wait(WAIT)
        stream.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(OSError, match="The stream was stopped"):  # noqa: PT012
        while True:
            stream.reader.read_next_batch()
            seen.set()
    stopper.join(WAIT)
    assert (stream.counters.is_stopped, stream.counters.has_failed, stream.counters.is_finished) == (True, True, False)


def test_a_stop_after_the_end_changes_nothing() -> None:
    stream = slice_stream(reader_of(pa.record_batch({"x": [1]})))
    stream.reader.read_all()
    stream.stop()
    assert stream.reader.read_all().num_rows == 0
    assert not stream.counters.has_failed


def test_a_bound_that_is_not_positive_is_refused() -> None:
    reader = reader_of(pa.record_batch({"x": [1]}))
    with pytest.raises(ValueError, match="max_bytes is 0"):
        slice_stream(reader, 0)
    assert reader.read_all().num_rows == 1


class FutureReader:
    """A reader of a schema in a format that Arrow does not have yet."""

    format = ctypes.c_char_p(b"+future")

    def _export_to_c(self, address: int) -> None:
        reader_of(pa.record_batch({"x": pa.array(range(100_000))}))._export_to_c(address)
        get_schema = ctypes.c_void_p.from_address(address)
        signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        inner = signature(get_schema.value)

        def changed(stream: int, schema: int) -> int:
            code = inner(stream, schema)
            ctypes.c_void_p.from_address(schema).value = ctypes.cast(self.format, ctypes.c_void_p).value
            return int(code)

        self.callback = signature(changed)
        get_schema.value = ctypes.cast(self.callback, ctypes.c_void_p).value


def test_an_unknown_format_is_refused_and_everything_freed() -> None:
    gc.collect()
    before = pa.total_allocated_bytes()
    closed: list[bool] = []
    with pytest.raises(UnsupportedError, match=r"'\+future'"):
        slice_stream(FutureReader(), on_close=lambda: closed.append(True))  # type: ignore[arg-type]
    assert closed == [True]
    gc.collect()
    assert pa.total_allocated_bytes() - before < LITTLE


# ---- on_close and lifetimes ------------------------------------------------------------------------------------------


def read_to_the_end(stream: SlicedStream) -> None:
    stream.reader.read_all()


def close_early(stream: SlicedStream) -> None:
    stream.reader.read_next_batch()
    stream.reader.close()


def drop_unread(stream: SlicedStream) -> None:
    del stream


def stop_and_read(stream: SlicedStream) -> None:
    stream.stop()
    with pytest.raises(OSError, match="stopped"):
        stream.reader.read_next_batch()


USES = [read_to_the_end, close_early, drop_unread, stop_and_read]


@pytest.mark.parametrize("use", USES)
def test_on_close_is_called_exactly_once(use: Callable[[SlicedStream], None]) -> None:
    closed: list[str] = []
    batch = pa.record_batch({"x": pa.array(range(10_000))})
    use(slice_stream(reader_of(batch, batch), 10_000, lambda: closed.append("closed")))
    assert closed == ["closed"]
    gc.collect()
    assert closed == ["closed"]
    assert streams._close_callbacks == {}


def test_on_close_comes_when_the_inner_reader_is_let_go() -> None:
    class Resource:
        """Stands for what the inner reader holds."""

    resource = Resource()
    held = weakref.ref(resource)
    batch = pa.record_batch({"x": [1]})

    def rows(resource: Resource) -> Iterator[pa.RecordBatch]:
        yield batch
        yield batch
        assert resource is not None

    seen: list[Resource | None] = []
    reader = pa.RecordBatchReader.from_batches(batch.schema, rows(resource))
    stream = slice_stream(reader, on_close=lambda: seen.append(held()))
    del reader, resource
    stream.reader.read_next_batch()
    assert held() is not None
    stream.reader.close()
    assert seen == [None]


def test_on_close_runs_in_a_thread_of_flight_when_the_client_leaves() -> None:
    closed = threading.Event()

    class Server(fl.FlightServerBase):  # type: ignore[misc]
        def do_get(self, context: Any, ticket: Any) -> fl.RecordBatchStream:
            inner = endless(pa.record_batch({"x": pa.array(range(100_000))}))
            return fl.RecordBatchStream(slice_stream(inner, on_close=closed.set).reader)

    with Server("grpc://127.0.0.1:0") as server, fl.connect(f"grpc://127.0.0.1:{server.port}") as client:
        reader = client.do_get(fl.Ticket(b""))
        reader.read_chunk()
        reader.cancel()
        assert closed.wait(WAIT)


def test_slices_outlive_the_stream_and_each_other_on_any_thread() -> None:
    batch = pa.record_batch({"x": pa.array(range(500_000)), "l": pa.array([[i] for i in range(500_000)])})
    stream = slice_stream(reader_of(batch), 100_000)
    counters, pieces = stream.counters, list(stream.reader)
    values = [piece["l"].values for piece in pieces]
    del stream, batch
    threads = [threading.Thread(target=pieces.pop) for _ in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert pieces == []
    assert pa.chunked_array(values).to_pylist() == list(range(500_000))
    assert counters.rows == 500_000


@pytest.mark.parametrize("use", USES)
def test_nothing_is_kept(use: Callable[[SlicedStream], None]) -> None:
    def run() -> None:
        batch = pa.record_batch({"x": pa.array(range(50_000)), "s": pa.array(["some text", None] * 25_000)})
        use(slice_stream(reader_of(batch, batch), 50_000, lambda: None))

    gc.collect()
    before = pa.total_allocated_bytes()
    for _ in range(20):
        run()
    gc.collect()
    assert pa.total_allocated_bytes() - before < LITTLE


def test_what_slices_write_anew_is_freed() -> None:
    resource = pytest.importorskip("resource")
    long_text = pa.array([f"a text that is longer than a view {i}" for i in range(100_000)], pa.string_view())
    batch = pa.record_batch({"v": long_text, "l": pa.array([[i] for i in range(100_000)])})

    def peak_kilobytes_after(runs: int) -> int:
        for _ in range(runs):
            assert sum(piece.num_rows for piece in slice_stream(reader_of(batch), 500_000).reader) == 100_000
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    before = peak_kilobytes_after(5)
    kept = (peak_kilobytes_after(50) - before) * 1024
    assert kept < 5 * batch.nbytes


def test_a_process_may_end_with_a_stream_open() -> None:
    program = (
        "import pyarrow as pa; from engine.streams import slice_stream\n"
        "batch = pa.record_batch({'x': [1]})\n"
        "reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])\n"
        "stream = slice_stream(reader, on_close=lambda: print('called'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_library_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "find_spec", lambda name: importlib.util.find_spec(name + "_absent"))
    with pytest.raises(ImportError, match=r"pip install -e \."):
        streams._library_path()
