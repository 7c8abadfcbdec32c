"""Errors in mid-stream, after the first batch has gone out."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from engine.errors import StorageError
from engine.kernel import Kernel, KernelConfig
from flight_server.endpoint import BaseHandler, Call, Endpoint, ResultStream, streams

Serve = Callable[..., tuple[Endpoint, flight.FlightClient]]
BATCH = pa.record_batch({"a": [1]})


def failing(error: BaseException, rows: int = 1) -> pa.RecordBatchReader:
    """A reader that gives `rows` rows and fails."""

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(rows):
            yield BATCH
        raise error

    return pa.RecordBatchReader.from_batches(BATCH.schema, batches())


def read_until_it_fails(client: flight.FlightClient, ticket: bytes) -> tuple[int, Exception]:
    """Rows that came before the error, and the error."""
    reader = client.do_get(flight.Ticket(ticket))
    rows = 0
    try:
        for chunk in reader:
            rows += chunk.data.num_rows
    except (pa.ArrowException, OSError) as error:
        return rows, error
    raise AssertionError("the stream did not fail")


def test_a_kernel_error_arrives_as_the_engine_says_it(serve: Serve) -> None:
    kernel = Kernel(KernelConfig())

    class Sql(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            stream = kernel.stream(ticket.decode(), None, call.cancellation)
            return ResultStream(stream.reader, stream.stop)

    endpoint, client = serve(Sql())
    rows, error = read_until_it_fails(
        client, b"SELECT CAST(CASE range WHEN 9000000 THEN 'x' ELSE '1' END AS INTEGER) AS a FROM range(10000000)"
    )
    assert rows > 0
    assert isinstance(error, pa.ArrowInvalid)
    assert str(error).startswith("Could not convert string 'x' to INT32. Detail: Python exception: InvalidValueError")
    for inside in ("SELECT", "exception_type", "location", "CASE"):
        assert inside not in str(error)
    assert endpoint._calls.wait_idle(5)
    kernel.close()


@pytest.mark.provokes_incident
def test_what_nobody_can_place_is_an_incident(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            return ResultStream(failing(OSError("/etc/secret")))

    _, client = serve(Broken())
    with caplog.at_level(logging.ERROR, "flight_server"):
        rows, error = read_until_it_fails(client, b"")
    assert rows == 1
    assert isinstance(error, flight.FlightInternalError)
    assert str(error).startswith("An internal error occurred; the log has it as ")
    for inside in ("Traceback", "secret", ".py"):
        assert inside not in str(error)
    assert "/etc/secret" in caplog.text


def test_a_handler_may_explain_its_own_streams(serve: Serve) -> None:
    class Explaining(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            return ResultStream(failing(RuntimeError("x")), explain=lambda _: StorageError("The disk is full."))

    _, client = serve(Explaining())
    _, error = read_until_it_fails(client, b"")
    assert isinstance(error, flight.FlightInternalError)
    assert str(error).startswith("The disk is full. Detail: Internal")


def test_the_cause_of_a_cancellation_is_what_the_client_reads(serve: Serve) -> None:
    class Cancelled(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            def batches() -> Iterator[pa.RecordBatch]:
                yield BATCH
                call.cancellation.cancel("The owner cancelled the query.")
                yield BATCH
                yield BATCH

            return ResultStream(pa.RecordBatchReader.from_batches(BATCH.schema, batches()))

    _, client = serve(Cancelled())
    _, error = read_until_it_fails(client, b"")
    assert isinstance(error, flight.FlightCancelledError)
    assert str(error).startswith("The owner cancelled the query. Detail: Cancelled")


class Watched(BaseHandler):
    """Streams without an end of `BATCH`; knows which of their readers are still there, and how many were closed."""

    def __init__(self) -> None:
        self.generators: weakref.WeakSet[Iterator[pa.RecordBatch]] = weakref.WeakSet()
        self.closed = threading.Semaphore(0)

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        def batches() -> Iterator[pa.RecordBatch]:
            while True:
                yield BATCH

        given = batches()
        self.generators.add(given)
        reader = pa.RecordBatchReader.from_batches(BATCH.schema, given)
        return ResultStream(reader, close=self._count, ended=self._count)

    def _count(self) -> None:
        self.closed.release()


@pytest.mark.parametrize("leave", ["cancel", "close"])
def test_nothing_is_kept_of_a_stream_that_its_client_left(serve: Serve, leave: str) -> None:
    handler = Watched()
    endpoint, _ = serve(handler)
    for _ in range(3):
        client = flight.connect(endpoint.location)
        reader = client.do_get(flight.Ticket(b""))
        reader.read_chunk()
        reader.cancel() if leave == "cancel" else client.close()
        del reader, client
    assert endpoint._calls.wait_idle(10)
    for _ in range(6):  # each is ended and closed
        assert handler.closed.acquire(timeout=10)
    gc.collect()
    assert not handler.generators


def test_no_python_of_ours_runs_for_a_batch(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sends the rows is asked before the first batch and after the last, however many there are."""
    asked: list[str] = []
    send = streams._send

    def counted(*arguments: Any) -> Iterator[flight.RecordBatchStream]:
        for part in send(*arguments):
            asked.append("rows")
            yield part
        asked.append("end")

    monkeypatch.setattr(streams, "_send", counted)
    table = pa.Table.from_batches([BATCH] * 500)

    class Whole(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            return ResultStream(table.to_reader())

    _, client = serve(Whole())
    assert sum(chunk.data.num_rows for chunk in client.do_get(flight.Ticket(b""))) == len(table)
    assert asked == ["rows", "end"]
