"""Errors in mid-stream, after the first batch has gone out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from pyarrow import flight

from engine.errors import MemoryExceededError, StorageError
from engine.kernel import Kernel, KernelConfig
from flight_server.endpoint import BaseHandler, Call, Endpoint, ResultStream
from flight_server.endpoint import messages as messages_module
from flight_server.endpoint.messages import rewritten

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
    assert str(error).startswith("Could not convert string 'x' to INT32. Detail: InvalidValueError")
    for inside in ("SELECT", "exception_type", "location", "CASE"):
        assert inside not in str(error)
    assert endpoint._calls.wait_idle(5)
    assert messages_module._rewritings == {}
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
    assert isinstance(error, flight.FlightServerError)
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
    assert isinstance(error, flight.FlightServerError)  # UNKNOWN: nothing that the client could do better
    assert str(error).startswith("The disk is full. Detail: StorageError")


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
    assert str(error).startswith("The owner cancelled the query. Detail: CancelledError")


def test_rewriting_changes_the_text_only() -> None:
    texts: list[str] = []

    def rewrite(text: str) -> str:
        texts.append(text)
        return "ünïcode " * 100

    reader, forget = rewritten(failing(MemoryExceededError("full"), rows=3), rewrite)
    for _ in range(3):
        assert reader.read_next_batch() == BATCH
    with pytest.raises(pa.ArrowInvalid, match=r"(ünïcode ){100}"):
        reader.read_next_batch()
    assert "full" in texts[0]
    forget()
    forget()


def test_a_rewriting_that_fails_leaves_a_plain_text(caplog: pytest.LogCaptureFixture) -> None:
    def rewrite(text: str) -> str:
        raise ValueError(text)

    reader, forget = rewritten(failing(MemoryExceededError("full"), rows=0), rewrite)
    with caplog.at_level(logging.CRITICAL), pytest.raises(pa.ArrowInvalid, match=r"^The stream failed\."):
        reader.read_next_batch()
    forget()
