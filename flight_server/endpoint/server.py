"""The Flight endpoint: one gRPC server that hands its calls to a Handler. The service and the workers both run one.

An endpoint adds to pyarrow's server what every user of it needs: errors leave through one table (`status`), the work of
a call stops when its client is gone (`calls`), messages keep under gRPC's limit (`streams`), and `shutdown` is bounded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import flight

from engine.errors import CancelledError
from engine.tracing import begin, context_in
from flight_server.endpoint.calls import CALL_KEY, Call, CallRegistry, Headers
from flight_server.endpoint.connections import disconnect
from flight_server.endpoint.handler import Handler
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.endpoint.status import DrainingError, ShutdownError, flight_errors, to_sent
from flight_server.endpoint.streams import flight_stream
from flight_server.endpoint.thread_state import HeldThreadState, held_thread_state

__all__ = ["Endpoint", "ServerTls"]

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class ServerTls:
    """PEM texts. With `client_ca`, clients must show a certificate that it signed (mutual TLS)."""

    certificate: bytes
    private_key: bytes
    client_ca: bytes | None = None


class Endpoint:
    """A running Flight server on `host`:`port` (0 takes a free port) that serves `handler` until `shutdown`.

    `auth_handler` and `middleware` are pyarrow's, for identity. `closing_actions` are those by which clients end what
    they have begun. What a client has left unread for `stall_timeout` seconds is cancelled; a client that is silent as
    long after its call was stopped loses its connection. With `traced`, each call is a span where spans are asked for.
    The constructor returns once the port is open.
    """

    def __init__(
        self,
        handler: Handler,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ServerTls | None = None,
        auth_handler: flight.ServerAuthHandler | None = None,
        middleware: Mapping[str, flight.ServerMiddlewareFactory] | None = None,
        closing_actions: Container[str] = (),
        stall_timeout: float | None = None,
        traced: bool = False,
    ) -> None:
        self.host = host
        self._tls = tls
        self._calls = CallRegistry(stall_timeout=stall_timeout, disconnect=lambda peer: disconnect(peer, self.port))
        self._draining = threading.Event()
        self._closed = threading.Event()
        try:
            self._server = _Server(
                handler,
                _location(host, port, tls is not None),
                lambda action: self._draining.is_set() and action not in closing_actions,
                auth_handler=auth_handler,
                tls_certificates=[(tls.certificate, tls.private_key)] if tls else None,
                verify_client=bool(tls and tls.client_ca),
                root_certificates=(tls.client_ca or b"") if tls else b"",
                middleware={CALL_KEY: _CallFactory(self._calls, self._draining, traced, middleware or {})},
            )
        except BaseException:
            self._calls.stop()
            raise

    @property
    def port(self) -> int:
        """The port that is open."""
        return int(self._server.port)

    @property
    def location(self) -> str:
        """Where clients connect, for instance ``grpc://127.0.0.1:31337``."""
        return _location(self.host, self.port, self._tls is not None)

    @property
    def running_calls(self) -> int:
        """How many calls are being served."""
        return len(self._calls)

    def drain(self) -> None:
        """Refuse with UNAVAILABLE whatever begins something new. What runs goes on, and what was begun can be ended:
        tickets are still good, and so are the closing actions.
        """
        self._draining.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until `shutdown` is through; False where `timeout` seconds passed first."""
        return self._closed.wait(timeout)

    def shutdown(self, grace: float = 0.0, force: float = 5.0) -> bool:
        """Stop: let running calls finish for `grace` seconds, cancel the rest, close the port. Where any ran, the port
        stays for another second of the grace: clients fetch the next part, or close what they had open.

        A client that a second later neither sends, reads nor goes loses its connection (on Linux). Returns within about
        `grace` + `force` seconds. False where a call held out even then; its thread is left behind, and the process
        should end without waiting for it.
        """
        self.drain()
        self._calls.wait_idle(grace, _FAREWELL)
        self._calls.stop_all(ShutdownError())
        closer = threading.Thread(target=self._server.shutdown, name="flight-shutdown", daemon=True)
        closer.start()
        closer.join(force)
        self._calls.stop()
        self._closed.set()
        if closer.is_alive():
            log.warning("%d calls did not stop within %.1f s after they were cancelled", len(self._calls), force)
            return False
        return True

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def _location(host: str, port: int, tls: bool) -> str:
    address = f"[{host}]" if ":" in host else host
    return f"{'grpc+tls' if tls else 'grpc'}://{address}:{port}"


class _CallMiddleware(flight.ServerMiddleware):
    """Carries a Call from the headers of an RPC to its very end, which only middleware gets to see.

    With it go the `others`, in one: each that pyarrow knows is asked by itself at each step of a call. gRPC serves a
    call in one thread, which holds its `thread_state` to the end.
    """

    def __init__(
        self, call: Call, others: Mapping[str, flight.ServerMiddleware], thread_state: HeldThreadState
    ) -> None:
        self.call = call
        self._others = others
        self._thread_state = thread_state

    def sending_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for other in self._others.values():
            headers |= other.sending_headers() or {}
        return headers

    def call_completed(self, exception: BaseException | None) -> None:
        try:
            self.call.finish(exception)
            for other in self._others.values():
                other.call_completed(exception)
        finally:
            self._thread_state.release()


class _CallFactory(flight.ServerMiddlewareFactory):
    def __init__(
        self,
        calls: CallRegistry,
        draining: threading.Event,
        traced: bool,
        others: Mapping[str, flight.ServerMiddlewareFactory],
    ) -> None:
        self._calls = calls
        self._draining = draining
        self._traced = traced
        self._others = others

    def start_call(self, info: flight.CallInfo, headers: Headers) -> _CallMiddleware:
        thread_state = held_thread_state()
        try:
            return _CallMiddleware(*self._begin(info, headers), thread_state)
        except BaseException:  # of which pyarrow tells no middleware
            thread_state.release()
            raise

    def _begin(self, info: flight.CallInfo, headers: Headers) -> tuple[Call, Mapping[str, flight.ServerMiddleware]]:
        if self._draining.is_set() and info.method not in _GO_ON:
            with flight_errors():
                raise DrainingError
        method = _METHODS.get(info.method) or str(info.method)
        around = context_in(headers)
        name = _SPAN_NAMES.get(method, method)
        span = begin(name, around, is_server=True) if self._traced else None
        call = Call(method, headers, self._calls, span, span or around)
        others: dict[str, flight.ServerMiddleware] = {}
        try:
            for key, factory in self._others.items():
                other = factory.start_call(info, headers)
                if other is not None:
                    others[key] = other
        except Exception as error:
            call.finish(error)
            raise
        call.middleware = others
        return call, others


_METHODS: dict[Any, str] = {
    flight.FlightMethod.HANDSHAKE: "Handshake",
    flight.FlightMethod.LIST_FLIGHTS: "ListFlights",
    flight.FlightMethod.GET_FLIGHT_INFO: "GetFlightInfo",
    flight.FlightMethod.GET_SCHEMA: "GetSchema",
    flight.FlightMethod.DO_GET: "DoGet",
    flight.FlightMethod.DO_PUT: "DoPut",
    flight.FlightMethod.DO_ACTION: "DoAction",
    flight.FlightMethod.LIST_ACTIONS: "ListActions",
    flight.FlightMethod.DO_EXCHANGE: "DoExchange",
}


_SPAN_NAMES = {method: f"arrow.flight.protocol.FlightService/{method}" for method in _METHODS.values()}

_FAREWELL = 1.0
"""For how many seconds a server that drains still answers once its last call is over."""

_GO_ON = frozenset({flight.FlightMethod.DO_GET, flight.FlightMethod.DO_ACTION})
"""Methods by which a client goes on with what it has begun. Which action it is, the server has to look at."""


class _Server(flight.FlightServerBase):
    """pyarrow's server, each method guarded and handed on."""

    def __init__(self, handler: Handler, location: str, refused: Callable[[str], bool], **options: Any) -> None:
        self._handler = handler
        self._refused = refused
        super().__init__(location, **options)

    def list_flights(self, context: flight.ServerCallContext, criteria: bytes) -> Iterator[flight.FlightInfo]:
        with flight_errors(context.add_trailer):
            return iter(list(self._handler.list_flights(_call(context), criteria)))

    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        with flight_errors(context.add_trailer):
            return self._handler.get_flight_info(_call(context), descriptor)

    def get_schema(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
    ) -> flight.SchemaResult:  # which the stub has as Schema
        with flight_errors(context.add_trailer):
            return flight.SchemaResult(self._handler.get_schema(_call(context), descriptor))

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        with flight_errors(context.add_trailer):
            call = _call(context)
            stream = self._handler.do_get(call, ticket.ticket)
            call.on_end(stream.close)
            return flight_stream(stream, call)

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        failure = self._take(context, descriptor, reader, writer)
        if failure is not None:
            try:
                raise failure
            finally:
                del failure

    def _take(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> Exception | None:
        """Take an upload. The error comes back when nobody reads any more, and holds nothing that the upload did."""
        data: IncomingData | None = None
        failure = None
        try:
            call = _call(context)
            data = IncomingData(call, reader)
            answer = self._handler.do_put(call, descriptor, data)
            try:
                writer.write(pa.py_buffer(answer))
            except OSError as error:
                raise CancelledError("The client was gone before it was told what its upload came to.") from error
        except BaseException as error:  # a panic in native code, too
            failure = to_sent(error, context.add_trailer)
        if data is not None:
            data.close()
        return failure

    def do_exchange(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.MetadataRecordBatchWriter,
    ) -> None:
        with flight_errors(context.add_trailer):
            self._handler.do_exchange(_call(context), descriptor, reader, writer)

    def do_action(self, context: flight.ServerCallContext, action: flight.Action) -> Iterator[bytes]:
        with flight_errors(context.add_trailer):
            if self._refused(action.type):
                raise DrainingError
            results = self._handler.do_action(_call(context), action.type, action.body.to_pybytes())
        return _guard(results, context)

    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:
        with flight_errors(context.add_trailer):
            return list(self._handler.list_actions(_call(context)))


def _guard(items: Iterable[T], context: flight.ServerCallContext) -> Iterator[T]:
    with flight_errors(context.add_trailer):
        yield from items


def _call(context: flight.ServerCallContext) -> Call:
    middleware = context.get_middleware(CALL_KEY)
    assert isinstance(middleware, _CallMiddleware)
    middleware.call.enter(context)
    return middleware.call
