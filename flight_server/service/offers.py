"""What was planned and waits: under handles that are tickets, to be fetched, renewed and cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.errors import CancelledError
from flight_server.auth import Identity
from flight_server.config import ServiceOptions
from flight_server.endpoint.calls import Call
from flight_server.endpoint.streams import ResultStream
from flight_server.proto import flight as messages
from flight_server.service.request import Planned, Request
from flight_server.service.store import HandleStore

__all__ = ["Offers"]

_MAX_TEXT = 64_000_000  # bytes of text of all planned statements; a plan is some dozen times its text
_PATIENCE = 1.0  # seconds that a cancellation waits for the work to stop
_MARGIN = 5.0  # seconds for which an offer outlives its ticket, so that it is the ticket that has expired


@dataclass(eq=False)
class _Offer:
    """A plan, None once it is cancelled, and the calls that fetch it now. `release` gives up what lies at workers."""

    planned: Planned | None
    fetched: bool = False
    release: Callable[[], None] = lambda: None
    calls: set[Call] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)


class Offers:
    """Plans by handle; a handle is of use to the identity that it was made for only. Thread-safe."""

    def __init__(self, options: ServiceOptions) -> None:
        self._offers: HandleStore[_Offer] = HandleStore(
            "planned statements", options.statement_ttl + _MARGIN, options.max_statements, _MAX_TEXT
        )

    def put(self, planned: Planned, owner: Identity, weight: int) -> bytes:
        """Keep a plan of a text of `weight` bytes; returns its handle. Raises ResourceExhaustedError."""
        return self._offers.put(_Offer(planned), owner, weight)

    def spread(self, handle: bytes, owner: Identity, release: Callable[[], None]) -> None:
        """The rows of a plan lie at workers, until they are given up by `release` or their time is over."""
        self._offers.get(handle, owner).release = release

    def fetch(self, request: Request, handle: bytes, start: Callable[[Request, Planned], ResultStream]) -> ResultStream:
        """`start` the plan for this call. Raises BadRequestError, and CancelledError where it was cancelled."""
        offer, call = self._offers.get(handle, request.identity), request.call
        with offer.changed:
            if offer.planned is None:
                raise CancelledError("The query was cancelled.")
            planned = offer.planned
            offer.calls.add(call)

        def leave() -> None:
            with offer.changed:
                offer.calls.discard(call)
                offer.changed.notify_all()

        call.on_end(leave)
        stream = start(request, planned)
        offer.fetched = True
        self._offers.spend(handle)
        return stream

    def cancel(self, handle: bytes, owner: Identity) -> messages.CancelStatus:
        """Stop what fetches a plan, and let nobody fetch it again. Raises BadRequestError.

        NOT_CANCELLABLE where nothing is left to stop; CANCELLING where something takes its time to stop.
        """
        offer = self._offers.get(handle, owner)
        with offer.changed:
            if offer.planned is not None and not offer.calls and (offer.fetched or not offer.planned.is_query):
                return messages.CANCEL_STATUS_NOT_CANCELLABLE
            offer.planned = None
            calls = list(offer.calls)
        offer.release()
        for call in calls:
            call.cancellation.cancel("The query was cancelled.")
        with offer.changed:
            stopped = offer.changed.wait_for(lambda: not offer.calls, _PATIENCE)
        return messages.CANCEL_STATUS_CANCELLED if stopped else messages.CANCEL_STATUS_CANCELLING

    def renew(self, handle: bytes, owner: Identity) -> None:
        """Keep a plan as long as a new one. Raises BadRequestError, and CancelledError where it was cancelled."""
        if self._offers.get(handle, owner).planned is None:
            raise CancelledError("The query was cancelled.")
        self._offers.renew(handle, owner)
