"""The calls that an endpoint serves, and how each is stopped: by its client, its deadline, or the endpoint."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pyarrow import flight

from engine.cancellation import Cancellation, Cause
from engine.errors import CancelledError
from engine.streams import StreamCounters
from engine.tracing import Common, Span, SpanContext
from flight_server.endpoint.status import code_of, to_flight

__all__ = ["CALL_KEY", "Call", "CallRegistry", "Headers"]

log = logging.getLogger(__name__)

CALL_KEY = "grism.call"

_FAREWELL = 1.0  # seconds in which clients may learn that the endpoint stops

Headers = Mapping[str, list[str] | list[bytes]]


class Call:
    """One RPC, from its headers to its last byte.

    `middleware` are the instances for this call by the keys of the endpoint's factories.
    `cancellation` is thrown when the client goes away, when the client's deadline passes and when the endpoint stops:
    whatever works for the call should hang on it. `received` are the bytes of data that have come with it. `peer` is
    the client's address as gRPC writes it, for instance ``ipv4:127.0.0.1:40112``, once it is served. `trace` is the
    span of this call, or where there are none that of its client; None where nobody traces it. `unsent` are the
    counters of a stream from when it goes to the client until all of its rows have left.
    """

    def __init__(
        self,
        method: str,
        headers: Headers,
        registry: CallRegistry,
        span: Span | None = None,
        trace: SpanContext | None = None,
    ) -> None:
        self.method = method
        self.headers = headers
        self.trace = trace
        self.middleware: Mapping[str, Any] = {}
        self._span = span
        self._ended_spans: list[Span] | None = None if span is None else []  # of what was done for it
        self.cancellation = Cancellation()
        self.started = time.monotonic()
        self.received = 0
        self.peer = ""
        self._registry = registry
        self._lock = threading.Lock()
        self._context: flight.ServerCallContext | None = None
        self.unsent: StreamCounters | None = None
        self._waits_to_end: Callable[[], bool] = bool
        self._stopped_at: float | None = None
        self._closers: list[Callable[[], None]] = []
        self._finished = False

    def __repr__(self) -> str:
        return f"Call({self.method})"

    @property
    def identity(self) -> str:
        """Who is calling, by the endpoint's auth handler, or else by the client's TLS certificate, where gRPC takes the
        first alternative name, and the common name where there is none. May be empty.
        """
        return bytes(self._in_call().peer_identity()).decode()

    def add_header(self, key: str, value: str) -> None:
        """Send a response header; only before the first message."""
        self._in_call().add_header(key, value)

    def add_trailer(self, key: str, value: str) -> None:
        """Send a trailer when the call ends."""
        self._in_call().add_trailer(key, value)

    def on_end(self, close: Callable[[], None]) -> None:
        """Run `close` once when the call is over, or at once where it is over already."""
        with self._lock:
            if not self._finished:
                self._closers.append(close)
                return
        close()

    def enter(self, context: flight.ServerCallContext) -> None:
        """Begin to be served. The context is gRPC's and lives until `finish`."""
        with self._lock:
            self._context = context
        self.peer = str(context.peer())
        self._registry.add(self)

    def end_span(self, span: Span, error: str | None) -> None:
        """What was done for the call has ended, by an error of this type if there was one. Its span, which is kept,
        leaves with that of the call.
        """
        span.error, span.ended = error, time.time_ns()
        if self._ended_spans is None:
            span.exporter.take((span,))
        else:
            self._ended_spans.append(span)

    def awaits(self, waits_to_end: Callable[[], bool]) -> None:
        """From now on this tells whether all that the call still waits for is that its client sends, ends or goes."""
        self._waits_to_end = waits_to_end

    def left_since(self) -> float | None:
        """Since when the call is stopped or over, and there only because its client neither sends, reads nor goes; None
        where something else is the matter.
        """
        if self._stopped_at is None or not (self._waits_to_end() or self.unread_since() is not None):
            return None
        return self._stopped_at

    def unread_since(self) -> float | None:
        """Since when the client leaves unread what was sent, on the clock of `time.monotonic()`; None if it reads."""
        unsent = self.unsent
        return None if unsent is None else unsent.unread_since

    def poll(self, stall_timeout: float | None = None) -> None:
        """Cancel the work where the client is gone, out of time, or has read nothing for `stall_timeout` seconds."""
        with self._lock:  # the context is freed once finish() has returned
            gone = self._context is not None and bool(self._context.is_cancelled())
        if gone:
            self.cancellation.cancel("The client went away or its deadline passed.")
        if self._stopped_at is None and (self.cancellation.cause is not None or self._waits_to_end()):
            self._stopped_at = time.monotonic()
        stalled = self.unread_since()
        if stalled is not None and stall_timeout is not None and time.monotonic() - stalled > stall_timeout:
            self.cancellation.expire(
                f"The client read nothing for {stall_timeout:g} s; read on, or ask for fewer rows."
            )

    def finish(self, error: BaseException | None = None) -> None:
        """The call is over, by an error if there is one: forget its context and run what `on_end` took."""
        with self._lock:
            self._finished, self._context = True, None
            closers, self._closers = self._closers, []
        for close in reversed(closers):
            try:
                close()
            except Exception:
                log.exception("while ending %r", self)
        span = self._span
        if span is not None and span.sampled:
            others, self._ended_spans = self._ended_spans or (), None
            told = error is not None and type(error) is not flight.FlightCancelledError  # which pyarrow itself raises
            if not told and (self.unsent is not None or self._stopped_at is not None):
                error = self._broken_off() or error
            span.common = _span_attributes(span.name, "OK" if error is None else code_of(error))
            span.error, span.ended = None if error is None else type(error).__name__, time.time_ns()
            span.exporter.take((*others, span))
        self._registry.remove(self)

    def _broken_off(self) -> Exception | None:
        """What kept the call from its end though nothing was raised, for nobody would be told; None if nothing did."""
        cause = self.cancellation.cause
        if cause is None and self.unsent is not None:
            cause = CancelledError("The client left before it had taken the last row.")
        return None if cause is None else to_flight(cause)

    def _in_call(self) -> flight.ServerCallContext:
        if self._context is None:
            raise RuntimeError(f"{self!r} is over, its context is gone")
        return self._context


@lru_cache
def _span_attributes(method: str, status: str) -> Common:
    """What OpenTelemetry's conventions for RPCs have the span of a call say."""
    return ("rpc.system.name", "grpc"), ("rpc.method", method), ("rpc.response.status_code", status)


class CallRegistry:
    """Every running call. A thread of its own asks, every `interval` seconds, which clients are gone, and which have
    read nothing for `stall_timeout` seconds, where that is not None.

    A call that was stopped stays until its client sends, reads or goes: gRPC lets nobody else end it. After another
    `stall_timeout` seconds, or a second where all were stopped, `disconnect` is called with the address of such a
    client, unless it has other calls.
    """

    def __init__(
        self,
        interval: float = 0.2,
        stall_timeout: float | None = None,
        disconnect: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._disconnect = disconnect
        self._interval = interval
        self._stall_timeout = stall_timeout
        self._lock = threading.Lock()
        self._begun = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._rests = False  # the watcher, until a call begins
        self._ends = False  # who shuts down waits for the last call
        self._calls: set[Call] = set()
        self._stop_cause: Cause | None = None
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="flight-calls", daemon=True)
        self._watcher.start()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        """A call began."""
        with self._lock:
            self._calls.add(call)
            cause = self._stop_cause
            if self._rests:
                self._begun.notify()
        if cause is not None:
            call.cancellation.stop(cause)

    def remove(self, call: Call) -> None:
        """A call is over."""
        with self._lock:
            self._calls.discard(call)
            if self._ends and not self._calls:
                self._idle.notify_all()

    def stop_all(self, cause: Cause) -> None:
        """Stop the work of every running call, and of any that still comes."""
        with self._lock:
            self._stop_cause = cause
        for call in self._running_calls():
            call.cancellation.stop(cause)

    def wait_idle(self, timeout: float, farewell: float = 0.0) -> bool:
        """Wait until no call runs but those that only wait for a silent client, and where some ran, until none does
        `farewell` seconds later; False where some do after `timeout` seconds.
        """
        ends = time.monotonic() + timeout
        with self._lock:
            self._ends = True
            if not self._busy():
                return True
            while self._idle.wait_for(lambda: not self._busy(), max(0, ends - time.monotonic())):
                if not self._idle.wait_for(self._busy, max(0, min(farewell, ends - time.monotonic()))):
                    return True
            return False

    def _busy(self) -> bool:
        return any(call.left_since() is None for call in self._calls)

    def stop(self) -> None:
        """End the watching thread."""
        self._stopped.set()
        with self._lock:
            self._begun.notify()
        self._watcher.join()

    def _running_calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    def _watch(self) -> None:
        # A call wakes it only where none ran before: to be woken by each is too much for short calls.
        while not self._stopped.wait(self._interval):
            for call in self._running_calls():
                call.poll(self._stall_timeout)
            self._leave_silent_clients()
            with self._lock:
                if self._ends:
                    self._idle.notify_all()
                self._rests = True
                self._begun.wait_for(lambda: bool(self._calls) or self._stopped.is_set())
                self._rests = False

    def _leave_silent_clients(self) -> None:
        patience = self._stall_timeout if self._stop_cause is None else _FAREWELL
        if patience is None:
            return
        silent: dict[str, bool] = {}
        for call in self._running_calls():
            since = call.left_since()
            is_silent = since is not None and time.monotonic() - since > patience
            silent[call.peer] = silent.get(call.peer, True) and is_silent
        for peer in [peer for peer, is_silent in silent.items() if is_silent]:
            log.info("%s kept a call that was stopped; its connection is closed", peer)
            self._disconnect(peer)
