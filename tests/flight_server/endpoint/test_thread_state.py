"""What a thread knows by `threading.local` lies in its thread state, and so tells of that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import pyarrow as pa
import pytest
from pyarrow import flight

from engine.errors import UnsupportedError
from flight_server.auth import HandshakeHandler
from flight_server.auth.identity import Anonymous
from flight_server.endpoint import BaseHandler, Call, Endpoint, ResultStream, thread_state
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.endpoint.thread_state import HeldThreadState

BATCH = pa.record_batch({"a": [1]})
Serve = Callable[..., tuple[Endpoint, flight.FlightClient]]


class Remembers(BaseHandler):
    """Each method notes in its thread which call it serves. `found` has the notes when a call came, and at its end."""

    def __init__(self) -> None:
        self.noted = threading.local()
        self.found: list[tuple[str | None, str | None]] = []

    def _begin(self, call: Call) -> None:
        before = getattr(self.noted, "method", None)
        self.noted.method = call.method
        call.on_end(lambda: self.found.append((before, getattr(self.noted, "method", None))))

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        self._begin(call)
        return ResultStream(pa.RecordBatchReader.from_batches(BATCH.schema, self._batches()))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        assert self.noted.method == "DoGet"
        yield BATCH
        assert self.noted.method == "DoGet"

    def do_put(self, call: Call, descriptor: flight.FlightDescriptor, reader: IncomingData) -> bytes:
        self._begin(call)
        with suppress(StopIteration):
            while True:
                reader.read_chunk()
        return b""

    def do_action(self, call: Call, name: str, body: bytes) -> Iterable[bytes]:
        self._begin(call)
        if name == "fails":
            raise UnsupportedError(name)
        yield str(self.noted.method).encode()


def put(client: flight.FlightClient) -> None:
    writer, _ = client.do_put(flight.FlightDescriptor.for_path("x"), BATCH.schema)
    with writer:
        writer.write_batch(BATCH)


def failing(client: flight.FlightClient) -> None:
    with pytest.raises(pa.ArrowNotImplementedError):
        list(client.do_action("fails"))


CALLS: dict[str, Callable[[flight.FlightClient], object]] = {
    "DoGet": lambda client: client.do_get(flight.Ticket(b"")).read_all(),
    "DoPut": put,
    "DoAction": lambda client: list(client.do_action("works")),
    "a failing DoAction": failing,
}


class Asks(HandshakeHandler):
    """Notes in its thread that it was asked, which is the first that a call does; `before` has what was noted then."""

    def __init__(self, noted: threading.local) -> None:
        super().__init__(Anonymous())
        self._noted = noted
        self.before: list[str | None] = []

    def is_valid(self, token: bytes) -> bytes:
        self.before.append(getattr(self._noted, "method", None))
        self._noted.method = "asked"
        return super().is_valid(token)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_in_the_thread_state_in_which_its_login_was_looked_at(serve: Serve, name: str) -> None:
    handler = Remembers()
    asks = Asks(handler.noted)
    endpoint, client = serve(handler, auth_handler=asks)
    for _ in range(3):
        CALLS[name](client)
        assert endpoint._calls.wait_idle(10)
    assert asks.before == [None] * 3
    assert handler.found == [("asked", name.split()[-1])] * 3


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_one_thread_state_and_the_next_call_another(serve: Serve, name: str) -> None:
    handler = Remembers()
    endpoint, client = serve(handler)
    for _ in range(3):
        CALLS[name](client)
        assert endpoint._calls.wait_idle(10)
    assert handler.found == [(None, name.split()[-1])] * 3


@pytest.mark.parametrize("asks", [False, True])
def test_calls_that_middleware_refuses_leave_no_thread_state_behind(serve: Serve, asks: bool) -> None:
    class Refuses(flight.ServerMiddlewareFactory):
        def start_call(self, info: flight.CallInfo, headers: dict[str, list[str]]) -> None:
            before.append(getattr(noted, "seen", False))
            noted.seen = True
            raise flight.FlightUnauthenticatedError("not you")

    before: list[bool] = []
    noted = threading.local()
    handler = HandshakeHandler(Anonymous()) if asks else None
    _, client = serve(Remembers(), middleware={"auth": Refuses()}, auth_handler=handler)
    for _ in range(3):
        with pytest.raises(flight.FlightUnauthenticatedError):
            list(client.do_action("works"))
    assert before == [False] * 3


def test_a_thread_state_is_not_released_by_another_thread() -> None:
    """That would be its own that is released, and the end of the process."""
    held: list[HeldThreadState] = []
    thread = threading.Thread(target=lambda: held.append(HeldThreadState()))
    thread.start()
    thread.join()
    held[0].release()
    assert threading.current_thread().is_alive()


def test_of_calls_that_do_not_begin_few_leave_a_thread_state_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_state, "_MOST_EARLY", 2)
    together, found = threading.Barrier(3), list[bool]()

    def call() -> None:
        thread_state.hold_thread_state()
        together.wait(10)
        found.append(getattr(thread_state._early, "state", None) is not None)
        together.wait(10)
        thread_state.held_thread_state().release()

    for _ in range(2):
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert sorted(found) == [False, False, True, True, True, True]
    assert not thread_state._held_early
