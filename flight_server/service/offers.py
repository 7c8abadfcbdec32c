"""What was planned and waits: under handles that are tickets, to be fetched, renewed and cancelled."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.errors import CancelledError, GrismError
from engine.kernel_errors import execution_error
from engine.runtime import ResultPart, ResultParts
from flight_server.endpoint.calls import Call
from flight_server.endpoint.streams import ResultStream
from flight_server.options import ServiceOptions
from flight_server.proto import flight as messages
from flight_server.service.request import PlannedAnswer, Request
from flight_server.service.store import HandleStore, Holder

__all__ = ["Offers"]

_MAX_TEXT = 64_000_000  # bytes of text of all planned statements; a plan is some dozen times its text
_MAX_PARTS = 100_000  # of results that lie at workers; those of the oldest are not served from here any more
_PATIENCE = 1.0  # seconds that a cancellation waits for the work to stop
_MARGIN = 5.0  # seconds for which an offer outlives its ticket, so that it is the ticket that has expired


@dataclass(eq=False)
class _Offer:
    """A plan, None once it is cancelled, the calls that fetch it now, and what of its result lies at workers."""

    planned: PlannedAnswer | None
    fetched: bool = False
    parts: ResultParts | None = None
    calls: set[Call] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    left: threading.Condition | None = None  # for who waits until no call fetches it

    def release(self) -> None:
        """Give up what lies at workers."""
        if self.parts is not None:
            self.parts.release()


class Offers:
    """Plans by handle, which are `kept`; a handle is of use to the identity that it was made for only. Thread-safe."""

    def __init__(self, options: ServiceOptions) -> None:
        self.kept: HandleStore[_Offer] = HandleStore(
            "planned statements", options.statement_ttl + _MARGIN, options.max_statements, _MAX_TEXT
        )
        self._parts: OrderedDict[bytes, tuple[bytes, ResultPart]] = OrderedDict()  # with handles, by tickets' digests

    def put(self, planned: PlannedAnswer, holder: Holder, weight: int) -> bytes:
        """Keep a plan of a text of `weight` bytes; returns its handle. Raises ResourceExhaustedError.

        What is no query has been run: clients need not fetch the count of a statement with effects.
        """
        return self.kept.put(_Offer(planned), holder, weight, spent=not planned.is_query)

    def end(self, origin: str) -> None:
        """Forget the plans of a session or connection that has ended, and what lies at workers for them."""
        for offer in self.kept.end(origin):
            offer.release()

    def keep_parts(self, handle: bytes, holder: Holder, result: ResultParts) -> None:
        """The rows of a plan lie at workers, until they are given up or their time is over.

        Where the plan was given up while it ran they are, too, and that is raised: BadRequestError or CancelledError.
        """
        try:
            offer = self.kept.get(handle, holder)
            with offer.lock:
                if offer.planned is None:
                    raise CancelledError("The query was cancelled.")
                offer.parts = result
        except GrismError:
            result.release()
            raise
        for part in result.parts:
            self._parts[_digest(part.ticket)] = handle, part
        while len(self._parts) > _MAX_PARTS:
            self._parts.popitem(last=False)

    def fetch_part(self, request: Request, ticket: bytes) -> ResultStream | None:
        """The rows of a part, for a client that does not come to the worker; None where the ticket is for no part.

        Raises WorkerLostError where the worker is gone, and as `fetch`.
        """
        if not self._parts or (found := self._parts.get(_digest(ticket))) is None:
            return None
        handle, part = found
        offer = self.kept.get(handle, request.holder)
        if offer.planned is None or offer.parts is None:
            raise CancelledError("The query was cancelled.")
        rows = offer.parts.read(part, request.call.cancellation)

        def explain(text: str) -> BaseException:
            return rows.failure() or execution_error(OSError(text))

        return ResultStream(rows.reader, explain=explain, schema=offer.planned.schema)

    def fetch(
        self, request: Request, handle: bytes, start: Callable[[Request, PlannedAnswer], ResultStream]
    ) -> ResultStream:
        """`start` the plan for this call. Raises BadRequestError, and CancelledError where it was cancelled."""
        offer, call = self.kept.get(handle, request.holder), request.call
        with offer.lock:
            if offer.planned is None:
                raise CancelledError("The query was cancelled.")
            planned = offer.planned
            offer.calls.add(call)

        def leave() -> None:
            with offer.lock:
                offer.calls.discard(call)
                if offer.left is not None:
                    offer.left.notify_all()

        call.on_end(leave)
        stream = start(request, planned)
        offer.fetched = True
        self.kept.spend(handle)
        return stream

    def cancel(self, handle: bytes, holder: Holder) -> messages.CancelStatus:
        """Stop what fetches a plan, and let nobody fetch it again. Raises BadRequestError.

        NOT_CANCELLABLE where nothing is left to stop; CANCELLING where something takes its time to stop.
        """
        offer = self.kept.get(handle, holder)
        with offer.lock:
            if offer.planned is not None and not offer.calls and (offer.fetched or not offer.planned.is_query):
                return messages.CANCEL_STATUS_NOT_CANCELLABLE
            offer.planned = None
            calls = list(offer.calls)
            left = offer.left = offer.left or threading.Condition(offer.lock)
        offer.release()
        for call in calls:
            call.cancellation.cancel("The query was cancelled.")
        with left:
            stopped = left.wait_for(lambda: not offer.calls, _PATIENCE)
        return messages.CANCEL_STATUS_CANCELLED if stopped else messages.CANCEL_STATUS_CANCELLING

    def renew(self, handle: bytes, holder: Holder) -> None:
        """Keep a plan as long as a new one. Raises BadRequestError, and CancelledError where it was cancelled."""
        if self.kept.get(handle, holder).planned is None:
            raise CancelledError("The query was cancelled.")
        self.kept.renew(handle, holder)


def _digest(ticket: bytes) -> bytes:
    return hashlib.blake2b(ticket, digest_size=16).digest()
