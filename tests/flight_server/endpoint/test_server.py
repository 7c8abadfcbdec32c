from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pyarrow as pa
import pytest
from pyarrow import flight

from engine.errors import CancelledError
from flight_server.endpoint import BaseHandler, Call, ClientTls, ConnectionPool, Endpoint, ResultStream, ServerTls
from flight_server.endpoint.incoming_data import IncomingData
from tests.flight_server.endpoint.certificates import Authority
from tests.harness.waiting import until

BATCH = pa.record_batch({"a": pa.array(range(100_000), pa.int64())})
Serve = Callable[..., tuple[Endpoint, flight.FlightClient]]


class Streams(BaseHandler):
    """`endless` never ends; `stuck` gives one batch and then waits for its cancellation; `table` is small."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.calls: list[Call] = []

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        self.calls.append(call)
        batches = {b"endless": self._endless, b"stuck": lambda: self._stuck(call), b"table": lambda: iter([BATCH])}
        reader = pa.RecordBatchReader.from_batches(BATCH.schema, batches[ticket]())
        return ResultStream(reader, self.closed.set)

    def _endless(self) -> Iterator[pa.RecordBatch]:
        while True:
            yield BATCH

    def _stuck(self, call: Call) -> Iterator[pa.RecordBatch]:
        cancelled = threading.Event()
        call.cancellation.on_cancel(cancelled.set)
        yield BATCH
        assert cancelled.wait(30)

    def do_action(self, call: Call, name: str, body: bytes) -> Iterator[bytes]:
        yield call.peer.encode()
        yield call.identity.encode()
        yield call.method.encode()
        yield str(call.headers["x-asked"][0]).encode()
        call.add_header("x-answered", "yes")


def get(client: flight.FlightClient, ticket: bytes, timeout: float | None = None) -> flight.FlightStreamReader:
    return client.do_get(flight.Ticket(ticket), flight.FlightCallOptions(timeout=timeout))


def unread_for(call: Call) -> float:
    """For how many seconds the client has left unread what was sent last."""
    since = call.unread_since()
    return 0 if since is None else time.monotonic() - since


def test_a_stream_read_to_its_end_is_closed(serve: Serve) -> None:
    handler = Streams()
    _, client = serve(handler)
    assert get(client, b"table").read_all() == pa.Table.from_batches([BATCH])
    assert handler.closed.wait(5)


@pytest.mark.parametrize("ticket", [b"endless", b"stuck"])
def test_a_client_that_cancels_stops_the_work(serve: Serve, ticket: bytes) -> None:
    handler = Streams()
    endpoint, client = serve(handler)
    reader = get(client, ticket)
    reader.read_chunk()
    assert endpoint.running_calls == 1
    reader.cancel()
    assert handler.closed.wait(2)
    assert endpoint._calls.wait_idle(2)


def test_a_client_process_that_dies_stops_the_work(serve: Serve) -> None:
    handler = Streams()
    endpoint, _ = serve(handler)
    code = (
        "import os, sys; from pyarrow import flight\n"
        "flight.FlightClient(sys.argv[1]).do_get(flight.Ticket(b'stuck')).read_chunk(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, endpoint.location], timeout=60).returncode == 9
    assert handler.closed.wait(2)
    assert isinstance(handler.calls[0].cancellation.cause, CancelledError)


def test_a_client_that_is_gone_before_it_has_its_answer_is_no_fault(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    answers = threading.Event()

    class Late(BaseHandler):
        def do_put(self, call: Call, descriptor: flight.FlightDescriptor, reader: IncomingData) -> bytes:
            gone = threading.Event()
            call.cancellation.on_cancel(gone.set)
            assert gone.wait(30)
            answers.set()
            return b"late"

    endpoint, _ = serve(Late())
    code = (
        "import os, sys, pyarrow as pa; from pyarrow import flight\n"
        "writer, _ = flight.FlightClient(sys.argv[1]).do_put(flight.FlightDescriptor.for_path('x'), pa.schema([]))\n"
        "writer.done_writing(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, endpoint.location], timeout=60).returncode == 9
    assert answers.wait(30)
    assert endpoint._calls.wait_idle(10)
    assert "incident" not in caplog.text


def test_a_clients_deadline_stops_the_work(serve: Serve) -> None:
    handler = Streams()
    _, client = serve(handler)
    with pytest.raises(flight.FlightTimedOutError):
        get(client, b"stuck", timeout=0.5).read_all()
    assert handler.closed.wait(2)


def test_a_call_knows_its_peer_its_method_and_its_headers(serve: Serve) -> None:
    _, client = serve(Streams())
    options = flight.FlightCallOptions(headers=[(b"x-asked", b"this")])
    peer, identity, method, asked = (r.body.to_pybytes() for r in client.do_action(flight.Action("who", b""), options))
    assert peer.startswith(b"ipv4:127.0.0.1:")
    assert (identity, method, asked) == (b"", b"DoAction", b"this")


def test_a_call_that_is_over_refuses_to_touch_grpc(serve: Serve) -> None:
    handler = Streams()
    _, client = serve(handler)
    get(client, b"table").read_all()
    assert handler.closed.wait(5)
    with pytest.raises(RuntimeError, match="is over"):
        _ = handler.calls[0].identity
    late = threading.Event()
    handler.calls[0].on_end(late.set)
    assert late.is_set()


def test_messages_stay_under_grpcs_default_limit(serve: Serve) -> None:
    wide = pa.record_batch({f"c{i}": pa.array(range(200_000), pa.int64()) for i in range(20)})

    class Wide(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            return ResultStream(pa.RecordBatchReader.from_batches(wide.schema, [wide]))

    endpoint, _ = serve(Wide())
    options = [("grpc.max_receive_message_length", 4 * 1024 * 1024)]
    with grpc.insecure_channel(f"127.0.0.1:{endpoint.port}", options) as channel:
        call = channel.unary_stream("/arrow.flight.protocol.FlightService/DoGet")
        sizes = [len(message) for message in call(b"\x0a\x01x", timeout=30)]
    assert sum(sizes) > wide.nbytes
    assert len(sizes) > 8


def test_shutdown_lets_running_calls_finish_within_the_grace(serve: Serve) -> None:
    released = threading.Event()

    class Slow(BaseHandler):
        def do_get(self, call: Call, ticket: bytes) -> ResultStream:
            def batches() -> Iterator[pa.RecordBatch]:
                yield BATCH
                assert released.wait(10)

            return ResultStream(pa.RecordBatchReader.from_batches(BATCH.schema, batches()))

        def do_action(self, call: Call, name: str, body: bytes) -> list[bytes]:
            return [b"ended"]

    endpoint, client = serve(Slow(), closing_actions={"end"})
    reader = get(client, b"x")
    reader.read_chunk()
    results: list[bool] = []
    stopping = threading.Thread(target=lambda: results.append(endpoint.shutdown(grace=20)))
    stopping.start()
    assert endpoint._draining.wait(5)
    with pytest.raises(flight.FlightUnavailableError, match="draining"):
        client.get_flight_info(flight.FlightDescriptor.for_command(b"x"))
    with pytest.raises(flight.FlightUnavailableError, match="draining"):
        list(client.do_action(flight.Action("begin", b"")))
    assert [result.body.to_pybytes() for result in client.do_action(flight.Action("end", b""))] == [b"ended"]
    begun = get(client, b"x")
    released.set()
    assert begun.read_all().num_rows == len(BATCH)
    assert reader.read_all().num_rows == 0
    until(lambda: endpoint.running_calls == 0)  # only now do clients close what they had open for it
    assert [result.body.to_pybytes() for result in client.do_action(flight.Action("end", b""))] == [b"ended"]
    stopping.join(10)
    assert results == [True]
    assert endpoint.wait(0)


def test_shutdown_cancels_what_outlives_the_grace(serve: Serve) -> None:
    handler = Streams()
    endpoint, client = serve(handler)
    reader = get(client, b"stuck")
    reader.read_chunk()
    started = time.monotonic()
    assert endpoint.shutdown(grace=0.2)
    assert time.monotonic() - started < 20
    assert handler.closed.is_set()
    assert "shutting down" in str(handler.calls[0].cancellation.cause)
    del reader


def test_a_fast_stream_stops_with_the_endpoint(serve: Serve) -> None:
    endpoint, client = serve(Streams())
    reader = get(client, b"endless")
    stopping = threading.Thread(target=endpoint.shutdown)
    stopping.start()
    with pytest.raises(flight.FlightUnavailableError, match="shutting down"):
        list(reader)
    stopping.join(10)
    assert endpoint.wait(0)


def test_shutdown_is_bounded_even_where_a_client_does_not_read(serve: Serve) -> None:
    handler = Streams()
    endpoint, client = serve(handler)
    reader = get(client, b"endless")
    reader.read_chunk()
    until(lambda: unread_for(handler.calls[0]) > 1)  # what lies between the two is full, and the server waits in gRPC
    started = time.monotonic()
    assert endpoint.shutdown(grace=0.1, force=0.5) is False
    assert time.monotonic() - started < 20
    reader.cancel()
    assert endpoint._calls.wait_idle(5)


def test_tls_and_mutual_tls(serve: Serve) -> None:
    authority, stranger = Authority(), Authority("stranger")
    server, client, foreign = authority.issue("localhost"), authority.issue("worker"), stranger.issue("worker")
    endpoint = Endpoint(Streams(), tls=ServerTls(server.certificate, server.private_key, client_ca=authority.pem))
    assert endpoint.location.startswith("grpc+tls://127.0.0.1:")
    with endpoint:
        for certificate, key, trusted in [
            (client.certificate, client.private_key, True),
            (foreign.certificate, foreign.private_key, False),
            (None, None, False),
        ]:
            with (
                ConnectionPool(ClientTls(authority.pem, certificate, key)) as pool,
                pool.client(endpoint.location) as c,
            ):
                if trusted:
                    assert get(c, b"table", 10).read_all().num_rows == len(BATCH)
                    options = flight.FlightCallOptions(timeout=10, headers=[(b"x-asked", b"")])
                    results = [r.body.to_pybytes() for r in c.do_action(flight.Action("who", b""), options)]
                    assert results[1] == b"worker"
                else:
                    with pytest.raises(flight.FlightUnavailableError):
                        get(c, b"table", 10).read_all()


def test_a_server_without_a_trusted_certificate_is_refused() -> None:
    server = Authority("other").issue("localhost")
    with (
        Endpoint(Streams(), tls=ServerTls(server.certificate, server.private_key)) as endpoint,
        ConnectionPool(ClientTls(Authority().pem)) as pool,
        pytest.raises(flight.FlightUnavailableError),
        pool.client(endpoint.location) as client,
    ):
        get(client, b"table", 10).read_all()


def test_a_port_in_use_is_an_error_and_leaves_no_thread(serve: Serve) -> None:
    endpoint, _ = serve(Streams())
    before = set(threading.enumerate())
    with pytest.raises((pa.ArrowException, OSError)):
        Endpoint(Streams(), port=endpoint.port)
    assert set(threading.enumerate()) <= before


def test_middleware_of_the_user_may_refuse_a_call(serve: Serve) -> None:
    class Refuse(flight.ServerMiddlewareFactory):
        def start_call(self, info: flight.CallInfo, headers: object) -> None:
            raise flight.FlightUnauthenticatedError("who are you")

    endpoint, client = serve(Streams(), middleware={"auth": Refuse()})
    with pytest.raises(flight.FlightUnauthenticatedError, match="who are you"):
        get(client, b"table").read_all()
    assert endpoint.running_calls == 0
