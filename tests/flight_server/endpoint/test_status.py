"""What a client sees of each error: the code as gRPC has it, the text, and nothing more."""

from __future__ import annotations

import gc
import logging
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator

import grpc
import pyarrow as pa
import pytest
from pyarrow import flight

from engine import errors
from engine.storage.lance_fragments import FolderOutOfReachError
from flight_server.endpoint import BaseHandler, Call, Endpoint, ResultStream, TicketError, UnauthenticatedError
from flight_server.endpoint.status import (
    ERROR_TRAILER,
    STATUS_BY_ERROR,
    DrainingError,
    LoginUnavailableError,
    ShutdownError,
    flight_errors,
    to_flight,
)
from flight_server.endpoint.tickets import TicketExpiredError

CAUGHT = (FolderOutOfReachError,)
"""What never reaches a client: another way is gone."""

CODES = {
    UnauthenticatedError: "UNAUTHENTICATED",
    TicketError: "UNAUTHENTICATED",
    TicketExpiredError: "UNAUTHENTICATED",
    LoginUnavailableError: "UNAVAILABLE",
    DrainingError: "UNAVAILABLE",
    ShutdownError: "UNAVAILABLE",
    errors.SqlSyntaxError: "INVALID_ARGUMENT",
    errors.UnknownTableError: "NOT_FOUND",
    errors.UnknownQueryError: "NOT_FOUND",
    errors.UnknownColumnError: "NOT_FOUND",
    errors.UnknownIndexError: "NOT_FOUND",
    errors.TypeMismatchError: "INVALID_ARGUMENT",
    errors.SchemaMismatchError: "INVALID_ARGUMENT",
    errors.ForbiddenError: "PERMISSION_DENIED",
    errors.TableExistsError: "INVALID_ARGUMENT",
    errors.IndexExistsError: "INVALID_ARGUMENT",
    errors.InvalidPlanError: "INVALID_ARGUMENT",
    errors.UnsupportedError: "UNIMPLEMENTED",
    errors.InvalidValueError: "INVALID_ARGUMENT",
    errors.DataCorruptError: "INTERNAL",
    errors.StorageFullError: "UNAVAILABLE",
    errors.InvalidDataError: "INVALID_ARGUMENT",
    errors.StorageError: "INTERNAL",
    errors.ConflictError: "UNAVAILABLE",
    errors.MemoryExceededError: "UNAVAILABLE",
    errors.ResourceExhaustedError: "UNAVAILABLE",
    errors.CancelledError: "CANCELLED",
    errors.DeadlineExceededError: "DEADLINE_EXCEEDED",
    errors.KernelFailedError: "INTERNAL",
    errors.KernelLostError: "UNAVAILABLE",
    errors.StageFailedError: "INTERNAL",
    errors.ExchangeFailedError: "NOT_FOUND",
    errors.WorkerLostError: "UNAVAILABLE",
    errors.PlanningError: "INVALID_ARGUMENT",
    errors.ExecutionError: "INTERNAL",
}
RPCS = ["ListFlights", "GetFlightInfo", "GetSchema", "DoGet", "DoPut", "DoExchange", "DoAction", "ListActions"]


class Panic(BaseException):
    """What a panic in native code arrives as."""


FIXED_TEXTS = (TicketError, TicketExpiredError, DrainingError, ShutdownError)


class Raising(BaseHandler):
    """Raises `error` from every method."""

    error: BaseException = RuntimeError("not set")
    in_mid_stream = False

    def _raise(self, *_: object) -> Iterable[bytes]:
        raise self.error

    list_flights = get_flight_info = get_schema = do_put = do_exchange = list_actions = _raise  # type: ignore[assignment]

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        if not self.in_mid_stream:
            raise self.error
        batch = pa.record_batch({"a": [1]})

        def batches() -> Iterator[pa.RecordBatch]:
            yield batch
            raise OSError("the kernel keeps no error's type")

        return ResultStream(pa.RecordBatchReader.from_batches(batch.schema, batches()), explain=lambda _: self.error)

    def do_action(self, call: Call, name: str, body: bytes) -> Iterator[bytes]:
        yield b"first"
        raise self.error


def _field(content: bytes) -> bytes:
    """`content` as field 1 of a protobuf message."""
    return b"\x0a" + bytes([len(content)]) + content


DESCRIPTOR = b"\x08\x02\x12\x01x"
REQUESTS = {
    "ListFlights": _field(b"x"),
    "GetFlightInfo": DESCRIPTOR,
    "GetSchema": DESCRIPTOR,
    "DoGet": _field(b"x"),
    "DoPut": _field(DESCRIPTOR),
    "DoExchange": _field(DESCRIPTOR),
    "DoAction": _field(b"x"),
    "ListActions": b"",
}


def call_raw(endpoint: Endpoint, method: str) -> tuple[str, str, dict[str, str | bytes]]:
    """Code, details and trailers of a call through bare gRPC."""
    with grpc.insecure_channel(f"127.0.0.1:{endpoint.port}") as channel:
        path, request = f"/arrow.flight.protocol.FlightService/{method}", REQUESTS[method]
        try:
            if method in ("GetFlightInfo", "GetSchema"):
                channel.unary_unary(path)(request, timeout=10)
            elif method in ("DoPut", "DoExchange"):
                list(channel.stream_stream(path)(iter([request]), timeout=10))
            else:
                list(channel.unary_stream(path)(request, timeout=10))
        except grpc.RpcError as error:
            return error.code().name, error.details(), dict(error.trailing_metadata())
    raise AssertionError(f"{method} succeeded")


@pytest.fixture
def raising(serve: Callable[..., tuple[Endpoint, flight.FlightClient]]) -> tuple[Raising, Endpoint]:
    handler = Raising()
    return handler, serve(handler)[0]


def leaves(kind: type[errors.GrismError]) -> Iterator[type[errors.GrismError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from leaves(below)


def test_every_error_of_the_tree_has_a_status() -> None:
    ours = {
        kind for kind in leaves(errors.GrismError) if kind.__module__.startswith(("engine", "flight_server.endpoint"))
    }
    assert ours - {errors.GrismError, *CAUGHT} == set(CODES)
    assert set(STATUS_BY_ERROR) == set(CODES) - {TicketError, TicketExpiredError}


@pytest.mark.parametrize(
    ("kind", "in_mid_stream"),
    # In mid-stream a bare ExecutionError is an incident.
    [*((kind, False) for kind in CODES), *((kind, True) for kind in CODES if kind is not errors.ExecutionError)],
    ids=lambda value: value.__name__ if isinstance(value, type) else "in mid-stream" if value else "at once",
)
def test_each_error_arrives_with_its_code_and_its_name(
    raising: tuple[Raising, Endpoint], kind: type[errors.GrismError], in_mid_stream: bool
) -> None:
    handler, endpoint = raising
    handler.in_mid_stream = in_mid_stream
    handler.error = kind() if kind in FIXED_TEXTS else kind("No such thing.")
    code, details, trailers = call_raw(endpoint, "DoGet")
    assert code == CODES[kind]
    assert details.startswith(handler.error.message.rstrip(".") + ". Detail: ")
    assert trailers[ERROR_TRAILER] == kind.__name__


@pytest.mark.parametrize("message", ["x" * 100_000, "%" * 5_000, "ä🙂" * 5_000, "a\nb" * 5_000, "x" * 1_000 + "\u202e"])
def test_a_long_message_is_cut_in_the_middle(raising: tuple[Raising, Endpoint], message: str) -> None:
    handler, endpoint = raising
    handler.error = errors.UnknownTableError(f"begin {message} end.")
    code, details, trailers = call_raw(endpoint, "DoGet")
    assert (code, trailers[ERROR_TRAILER]) == ("NOT_FOUND", "UnknownTableError")
    assert details.startswith("begin ")
    assert " end. Detail: " in details
    assert (message in details) == (len(message) < 1_500)


@pytest.mark.parametrize("rpc", RPCS)
@pytest.mark.parametrize(
    "error",
    [errors.UnknownTableError("who?"), errors.CancelledError("enough"), OSError("/etc/secret"), Panic("at line 7")],
    ids=lambda error: type(error).__name__,
)
def test_no_rpc_lets_a_traceback_out(
    raising: tuple[Raising, Endpoint], rpc: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    handler, endpoint = raising
    handler.error = error
    with caplog.at_level(logging.CRITICAL):
        code, details, trailers = call_raw(endpoint, rpc)
    text = details + repr(trailers)
    for inside in ("Traceback", ".py", "line 7", "secret", "handler"):
        assert inside not in text
    expected = {
        errors.UnknownTableError: "NOT_FOUND",
        errors.CancelledError: "CANCELLED",
        OSError: "INTERNAL",
        Panic: "INTERNAL",
    }[type(error)]
    if rpc == "GetSchema" and expected in ("CANCELLED", "INTERNAL"):
        expected = "UNKNOWN"  # pyarrow keeps no Flight code in this one call
    assert code == expected


@pytest.mark.provokes_incident
def test_what_is_not_ours_becomes_an_incident_that_the_log_explains(
    raising: tuple[Raising, Endpoint], caplog: pytest.LogCaptureFixture
) -> None:
    handler, endpoint = raising
    handler.error = OSError("/etc/secret")
    with caplog.at_level(logging.ERROR, "flight_server"):
        _, details, _ = call_raw(endpoint, "DoGet")
    incident = details.split(". Detail")[0].rsplit(" ", 1)[1]
    [record] = [record for record in caplog.records if incident in record.getMessage()]
    assert record.exc_info is not None
    assert "/etc/secret" in "".join(traceback.format_exception(record.exc_info[1]))


def test_an_error_that_has_left_holds_nothing() -> None:
    class Rows:
        """What a query has computed."""

    kept: list[weakref.ref[Rows]] = []

    def read() -> None:
        rows = Rows()
        kept.append(weakref.ref(rows))
        raise errors.CancelledError(f"stopped with {rows}")

    gc.disable()
    try:
        try:
            with flight_errors():
                read()
        except flight.FlightCancelledError as error:
            told = str(error)
        assert (told[:12], kept.pop()()) == ("stopped with", None)
    finally:
        gc.enable()


def test_a_flight_error_keeps_its_code_and_extra_info() -> None:
    translated = to_flight(flight.FlightUnavailableError("busy", b"extra"))
    assert isinstance(translated, flight.FlightUnavailableError)
    assert translated.extra_info == b"extra"


def test_an_action_may_fail_after_its_first_result(
    serve: Callable[..., tuple[Endpoint, flight.FlightClient]],
) -> None:
    handler = Raising()
    handler.error = errors.UnknownTableError("who?")
    _, client = serve(handler)
    results = client.do_action(flight.Action("x", b""))
    assert next(results).body.to_pybytes() == b"first"
    with pytest.raises(pa.ArrowKeyError, match=r"who\?"):
        next(results)


def test_the_next_call_works(serve: Callable[..., tuple[Endpoint, flight.FlightClient]]) -> None:
    class Moody(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            if ticket == b"bad":
                raise errors.InvalidValueError("bad")
            return ResultStream(pa.table({"a": [1]}).to_reader())

    _, client = serve(Moody())
    with pytest.raises(pa.ArrowInvalid, match="bad"):
        client.do_get(flight.Ticket(b"bad")).read_all()
    assert client.do_get(flight.Ticket(b"good")).read_all() == pa.table({"a": [1]})
