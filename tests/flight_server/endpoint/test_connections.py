"""The session of a client without cookies is that of its connection, not of whoever has its port next."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from engine.errors import StorageError
from flight_server.endpoint import BaseHandler, Endpoint, connections
from flight_server.endpoint.calls import Call
from flight_server.endpoint.connections import Numbers, connections_of, disconnect, find_ended
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.endpoint.streams import ResultStream
from flight_server.proto import flight as messages
from tests.flight_server.conftest import Served
from tests.flight_server.service.test_sessions import options, set_options
from tests.harness.waiting import until

NUMBERED = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="this system does not number sockets")
RESET = struct.pack("ii", 1, 0)  # a connection that is closed leaves its port at once


def connected(server: tuple[str, int], port: int = 0) -> socket.socket:
    """A connection from this port of the loopback device."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    client = socket.socket(family)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.bind((server[0], port))
    client.connect(server)
    return client


@NUMBERED
@pytest.mark.parametrize(("host", "peer"), [("127.0.0.1", "ipv4:127.0.0.1:{}"), ("::1", "ipv6:%5B::1%5D:{}")])
def test_each_connections_of_a_port_has_a_number_of_its_own(host: str, peer: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        address = listening.getsockname()[:2]
        with connected(address) as client, listening.accept()[0]:
            port = client.getsockname()[1]
            name = peer.format(port)
            first = connections_of(name)
            assert len(first) == 1
            assert connections_of(name) == first
        with connected(address, port), listening.accept()[0]:
            second = connections_of(name)
            assert len(second) == 1
            assert second != first
        assert not connections_of(name)


@pytest.mark.parametrize(
    "peer", ["", "unix:/tmp/x", "ipv4:127.0.0.1", "ipv4:nowhere:1", "ipv4:127.0.0.1:x", "ipv4:1:2"]
)
def test_what_is_no_address_is_no_connection(peer: str) -> None:
    assert not connections_of(peer)


def test_nothing_is_over_while_a_list_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readable, other = tmp_path / "tcp", tmp_path / "tcp6"
    readable.write_text("  sl  local_address rem_address\n")
    monkeypatch.setattr(connections, "_TABLES", (readable, other))
    peer = "ipv4:127.0.0.1:40112"
    assert find_ended(Numbers(), [peer]) == (frozenset({peer}), Numbers())
    other.mkdir()  # which cannot be read as a file
    assert find_ended(Numbers(), [peer]) == (frozenset(), Numbers())
    assert not connections_of(peer)


@NUMBERED
def test_the_lists_are_read_only_for_who_is_not_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[int] = []
    read = connections._texts
    monkeypatch.setattr(connections, "_texts", lambda: listed.append(1) or read())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with connected(listening.getsockname()) as client:
            peer = f"ipv4:127.0.0.1:{client.getsockname()[1]}"
            with listening.accept()[0]:
                over, known = find_ended(Numbers(), [peer])
                assert not over
                assert known.peers == {peer: connections_of(peer)}
                listed.clear()
                assert find_ended(known, [peer]) == (frozenset(), known)
                over, idle = find_ended(known, [])
                assert find_ended(idle, [peer]) == (frozenset(), known)
            assert find_ended(known, [peer]) == (frozenset({peer}), Numbers())
        assert listed == []
        assert find_ended(Numbers(), [peer]) == (frozenset({peer}), Numbers())


@NUMBERED
def test_a_peer_that_did_not_matter_may_have_got_another_connection_since() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with connected(listening.getsockname()) as client, listening.accept()[0]:
            port = client.getsockname()[1]
            peer = f"ipv4:127.0.0.1:{port}"
            _, known = find_ended(Numbers(), [peer])
            _, idle = find_ended(known, [])
            _, elsewhere = find_ended(known, ["ipv4:127.0.0.1:1"])
            assert elsewhere.others == known.peers
        with connected(listening.getsockname(), port), listening.accept()[0]:
            for before in (idle, elsewhere):
                over, now = find_ended(before, [peer])
                assert not over
                assert now == Numbers({peer: connections_of(peer)})
            assert find_ended(known, [peer]) == (frozenset({peer}), Numbers())
        assert find_ended(idle, [peer]) == (frozenset({peer}), Numbers())
        _, now = find_ended(idle, ["ipv4:127.0.0.1:1"])
        assert now == Numbers()


@contextmanager
def relayed(server: tuple[str, int], port: int) -> Iterator[flight.FlightClient]:
    """A client whose one connection reaches the server from `port`, and breaks at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        outgoing = connected(server, port)

        def pump(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(1 << 16):
                    target.sendall(data)
            except OSError:
                return  # closed at the other end

        def serve() -> None:
            incoming = listening.accept()[0]
            back = threading.Thread(target=pump, args=(outgoing, incoming))
            back.start()
            pump(incoming, outgoing)
            outgoing.shutdown(socket.SHUT_RDWR)  # which wakes its reader
            back.join()
            outgoing.close()
            incoming.close()

        relay = threading.Thread(target=serve)
        relay.start()
        # A pool of its own: else the library might go on with a connection that another client has opened.
        with flight.connect(
            ("127.0.0.1", listening.getsockname()[1]), generic_options=[("grpc.use_local_subchannel_pool", 1)]
        ) as client:
            yield client
        relay.join()


@NUMBERED
def test_a_port_that_is_used_again_brings_no_session(served: Served) -> None:
    host, _, port = served.uri.removeprefix("grpc://").rpartition(":")
    server = (host, int(port))
    with socket.create_server(("127.0.0.1", 0)) as free:
        reused = free.getsockname()[1]
    with relayed(server, reused) as client:
        assert not set_options(client, partitions=messages.SessionOptionValue(int64_value=7)).errors
        assert options(client).session_options["partitions"].int64_value == 7
    with relayed(server, reused) as client:
        assert "partitions" not in options(client).session_options


@NUMBERED
@pytest.mark.parametrize(("host", "peer"), [("127.0.0.1", "ipv4:127.0.0.1:{}"), ("::1", "ipv6:%5B::1%5D:{}")])
def test_a_peer_is_disconnected_from_one_port(host: str, peer: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as listening,
        socket.create_server((host, 0), family=family) as other,
        connected(listening.getsockname()[:2]) as client,
        listening.accept()[0] as served,
        connected(other.getsockname()[:2], client.getsockname()[1]) as beside,
        other.accept()[0],
    ):
        name, port = peer.format(client.getsockname()[1]), listening.getsockname()[1]
        before = set(Path("/proc/self/fd").iterdir())
        assert not disconnect(name, 1)
        assert set(Path("/proc/self/fd").iterdir()) <= before
        assert not disconnect(peer.format(1), port)
        assert not disconnect("unix:", port)
        assert disconnect(name, port)
        assert served.recv(1) == client.recv(1) == b""
        beside.settimeout(0.1)
        with pytest.raises(TimeoutError):
            beside.recv(1)


class Silent(BaseHandler):
    """Is stopped soon after it has begun, whatever its client does."""

    def __init__(self) -> None:
        self.stopped, self.ended, self.released = threading.Event(), threading.Event(), threading.Event()

    def do_put(self, call: Call, descriptor: flight.FlightDescriptor, reader: IncomingData) -> bytes:
        call.on_end(self.ended.set)
        reader.read_beside()
        threading.Timer(0.2, lambda: call.cancellation.cancel("Stopped.")).start()
        try:
            reader.read_chunk()
        finally:
            self.stopped.set()
        return b""

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        call.on_end(self.ended.set)
        batch = pa.record_batch({"a": pa.array(range(1 << 20))})
        reader = pa.RecordBatchReader.from_batches(batch.schema, itertools.repeat(batch))

        def stop() -> None:
            call.cancellation.cancel("Stopped.")
            self.stopped.set()

        threading.Timer(0.5, stop).start()  # once the client has left enough unread
        return ResultStream(reader)

    def do_action(self, call: Call, name: str, body: bytes) -> Iterator[bytes]:
        yield b"before"
        self.released.wait(20)
        yield b"after"


@NUMBERED
@pytest.mark.parametrize("method", ["do_put", "do_get"])
def test_a_client_that_is_silent_once_its_call_was_stopped_loses_its_connection(
    serve: Callable[..., tuple[Endpoint, flight.FlightClient]], method: str
) -> None:
    handler = Silent()
    endpoint, client = serve(handler, stall_timeout=0.5)
    if method == "do_put":
        kept: object = client.do_put(flight.FlightDescriptor.for_path("a"), pa.schema([("a", pa.int64())]))
    else:
        kept = client.do_get(flight.Ticket(b""))
    assert handler.stopped.wait(20)
    assert handler.ended.wait(20)
    until(lambda: endpoint.running_calls == 0)
    assert kept is not None
    handler.released.set()

    def comes_again() -> bool:
        try:
            results = [result.body.to_pybytes() for result in client.do_action(flight.Action("a", b""))]
        except flight.FlightUnavailableError:  # it has not seen yet that its connection is over
            return False
        return results == [b"before", b"after"]

    until(comes_again)


class Fails(BaseHandler):
    """Fails while another thread waits for what its client sends."""

    def do_put(self, call: Call, descriptor: flight.FlightDescriptor, reader: IncomingData) -> bytes:
        reader.read_beside()
        reads = threading.Event()

        def read(chunks: flight.MetadataRecordBatchReader) -> None:
            reads.set()
            with suppress(StopIteration):
                chunks.read_chunk()

        threading.Thread(target=reader._ask, args=(read,), daemon=True).start()
        assert reads.wait(20)
        raise StorageError("It could not be written.")


@NUMBERED
def test_a_client_that_is_silent_after_its_upload_failed_loses_its_connection(
    serve: Callable[..., tuple[Endpoint, flight.FlightClient]],
) -> None:
    endpoint, client = serve(Fails(), stall_timeout=0.5)
    kept = client.do_put(flight.FlightDescriptor.for_path("a"), pa.schema([("a", pa.int64())]))
    until(lambda: endpoint.running_calls == 1)
    until(lambda: endpoint.running_calls == 0)
    assert kept is not None


@NUMBERED
def test_a_silent_client_keeps_its_connection_while_it_has_other_calls(
    serve: Callable[..., tuple[Endpoint, flight.FlightClient]], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, asked = Silent(), threading.Event()
    left_since = Call.left_since

    def note(call: Call) -> float | None:
        since = left_since(call)
        if since is not None and time.monotonic() - since > 0.5:  # and so could be disconnected more than once
            asked.set()
        return since

    monkeypatch.setattr(Call, "left_since", note)
    endpoint, client = serve(handler, stall_timeout=0.1)
    results = client.do_action(flight.Action("a", b""))
    assert next(results).body.to_pybytes() == b"before"
    kept = client.do_put(flight.FlightDescriptor.for_path("a"), pa.schema([("a", pa.int64())]))
    assert asked.wait(20)
    assert endpoint.running_calls == 2
    handler.released.set()
    assert next(results).body.to_pybytes() == b"after"
    assert list(results) == []
    until(lambda: endpoint.running_calls == 0)
    assert kept is not None


@NUMBERED
@pytest.mark.parametrize("method", ["do_put", "do_get"])
def test_an_endpoint_ends_in_spite_of_a_silent_client(
    serve: Callable[..., tuple[Endpoint, flight.FlightClient]], method: str
) -> None:
    """Nor does it wait for one whose call was stopped before, however long others may go on."""
    handler = Silent()
    endpoint, client = serve(handler)
    if method == "do_put":
        kept: object = client.do_put(flight.FlightDescriptor.for_path("a"), pa.schema([("a", pa.int64())]))
    else:
        kept = client.do_get(flight.Ticket(b""))
    assert handler.stopped.wait(20)
    began = time.monotonic()
    assert endpoint.shutdown(grace=60, force=30)
    assert time.monotonic() - began < 30
    assert handler.ended.is_set()
    assert kept is not None
