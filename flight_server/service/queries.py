"""The statements that run for clients: each waits its turn, has its time, and leaves one line in the log.

Planning waits for a turn of its own, among planning only: so a statement that runs may plan, and what is planned never
waits for a query to end.

A line goes to the logger ``grism.query`` when the last row has left, or when it is clear that none will. Statements
with effects, and uploads, leave one more in ``grism.audit``. Times are in seconds::

    query event=query query=4f1d6a90 user=ann peer=ipv4:127.0.0.1:40112 kind=SELECT statement="SELECT 1" runtime=local
        rows=1 bytes=232 planning=0.002 queue=0.0 run=0.001 status=ok
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.cancellation import Cancellation, current_cancellation, follow
from engine.errors import CancelledError, ExecutionError, GrismError
from flight_server.config import ServiceOptions
from flight_server.gate import Gate
from flight_server.service.request import MAX_LOGGED, Request, StatementInfo

if TYPE_CHECKING:
    from engine.streams import StreamCounters

__all__ = ["Queries", "Query"]

_log = logging.getLogger("grism.query")
_audit = logging.getLogger("grism.audit")

_MAX_WAITING_PLANS = 1000  # most take milliseconds, so there is room even where no query may wait
_plans: ContextVar[bool] = ContextVar("plans", default=False)  # whether this thread has its turn to plan


class Query:
    """One run of a statement, for one call. Thread-safe.

    It holds its turn until `leave`, and is logged at `finish`; both happen once, whoever calls first and however often.
    """

    def __init__(self, request: Request, statement: StatementInfo, runtime: str, has_effects: bool) -> None:
        self.rows: int | None = None
        self._user, self._peer = request.identity.name, request.call.peer
        self._cancellation, self._unread_since = request.call.cancellation, request.call.unread_since
        self._statement, self._runtime, self._has_effects = statement, runtime, has_effects
        self._lock = threading.Lock()
        self._counters: list[StreamCounters] = []
        self._cleanup: list[Callable[[], None]] = []
        self._error: BaseException | None = None
        self._began = time.monotonic()
        self._started = self._ended = 0.0
        self._finished = False

    def enter(self, gate: Gate) -> None:
        """Wait for its turn, which it has until it leaves."""
        if gate.full:
            waits = {"event": "queued", "user": self._user, "peer": self._peer, "statement": self._statement.shown}
            _log.debug("queued", extra={"fields": waits})
        leave = gate.enter(self._user, self._peer, self._cancellation, self._unread_since)
        self.at_end(leave)
        self._started = time.monotonic()

    def expire_after(self, seconds: float) -> None:
        """Stop it when it has taken that long, waiting and sending included."""
        timer = threading.Timer(seconds, self._cancellation.expire)
        timer.daemon = True
        timer.start()
        self.at_end(timer.cancel)

    def at_end(self, free: Callable[[], None]) -> None:
        """Call `free` once it leaves, or at once where it has left."""
        with self._lock:
            if not self._ended:
                self._cleanup.append(free)
                return
        free()

    def watch(self, counters: StreamCounters) -> None:
        """Take what one of its executions gives for its own rows."""
        self._counters.append(counters)

    def failed(self, error: BaseException) -> BaseException:
        """Remember why it failed, until it is logged: an error holds what it came through."""
        if not self._finished:
            self._error = self._error or error
        return error

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Remember what is raised inside."""
        try:
            yield
        except BaseException as error:
            self.failed(error)
            raise

    def leave(self) -> None:
        """The work is over: give the turn to the next."""
        with self._lock:
            if self._ended:
                return
            self._ended = time.monotonic()
            cleanup, self._cleanup = self._cleanup, []
        for free in cleanup:
            free()

    def finish(self) -> None:
        """Leave, and log it."""
        self.leave()
        with self._lock:
            if self._finished:
                return
            self._finished = True
        status = self._status()
        fields: dict[str, object] = {"event": "query", "query": secrets.token_hex(4), "user": self._user}
        fields |= {"peer": self._peer, "kind": self._statement.kind, "statement": self._statement.shown}
        measured = {
            "runtime": self._runtime,
            "rows": self._rows(),
            "bytes": sum(counters.bytes for counters in self._counters),
            "planning": round(self._statement.planning, 6),
            "queue": round((self._started or self._ended) - self._began, 6),
            "run": round(self._ended - self._started, 6) if self._started else 0.0,
        }
        outcome: dict[str, object] = {"status": status}
        if isinstance(self._error, GrismError):
            outcome["error"] = self._error.summary[:MAX_LOGGED]
        _log.info("query", extra={"fields": {**fields, **measured, **outcome}})
        if self._has_effects:
            audited = {**fields, "event": "statement", "rows": self._rows(), **outcome}
            _audit.info("statement", extra={"fields": audited})
        self._error = None

    def _rows(self) -> int:
        return sum(counters.rows for counters in self._counters) if self.rows is None else self.rows

    def _status(self) -> str:
        error = self._cancellation.cause or self._error
        if error is None and self.rows is None and not all(counters.finished for counters in self._counters):
            return "cancelled"  # its client has left
        if error is None:
            return "ok"
        if isinstance(error, CancelledError):
            return "cancelled"
        return type(error).__name__ if isinstance(error, GrismError) else "InternalError"


class Queries:
    """Lets statements run within the service's limits."""

    def __init__(self, runtime: str, options: ServiceOptions) -> None:
        self.gate = Gate(options.max_queries, options.max_queued, options.queue_timeout, options.stall_yield)
        self.plan_gate = Gate(
            options.max_queries,
            _MAX_WAITING_PLANS,
            options.queue_timeout,
            options.stall_yield,
            "statements are planned",
        )
        self._runtime = runtime
        self._timeout = options.query_timeout

    def begin(self, request: Request, statement: StatementInfo, *, gated: bool = True) -> Query:
        """A query that has its turn and ends with its call, or before. Raises the errors of `Gate.enter`.

        What is not `gated` waits for nobody: it runs no query.
        """
        return self._begin(request, statement, gated, has_effects=False)

    @contextmanager
    def change(self, request: Request, statement: StatementInfo, *, gated: bool = True) -> Iterator[Query]:
        """Around a statement with effects, or an upload, which is not `gated` and takes as long as its client does."""
        query = self._begin(request, statement, gated, has_effects=True)
        try:
            with query.guarded(), request.call.cancellation.heeded():
                yield query
        finally:
            query.finish()

    @contextmanager
    def planning(self, request: Request, statement: StatementInfo) -> Iterator[None]:
        """Around the planning of a statement, `timed`: what fails here is logged, since it never runs."""
        began = time.monotonic()
        try:
            with self.timed(request):
                yield
        except Exception as error:
            told = replace(statement, planning=time.monotonic() - began)
            query = Query(request, told, request.session.runtime or self._runtime, has_effects=False)
            query.failed(error)
            query.finish()
            raise

    @contextmanager
    def timed(self, request: Request) -> Iterator[None]:
        """Around planning, once it has its turn: it stops when its call does, and when the time of a query is over.

        Raises the cause, and the errors of `Gate.enter`. What is within has the turn of what is around it.
        """
        limit, around = self._limit(request), current_cancellation().deadline
        deadlines = [around] if around is not None else []
        if limit is not None:
            deadlines.append(time.monotonic() + limit)
        cancellation = Cancellation(min(deadlines, default=None))
        forget = follow(request.call.cancellation, cancellation)
        try:
            with self._turn_to_plan(request, cancellation), cancellation.heeded():
                yield
        finally:
            forget()

    @contextmanager
    def _turn_to_plan(self, request: Request, cancellation: Cancellation) -> Iterator[None]:
        if _plans.get():
            yield
            return
        leave = self.plan_gate.enter(request.identity.name, request.call.peer, cancellation)
        token = _plans.set(True)
        try:
            yield
        finally:
            _plans.reset(token)
            leave()

    def _limit(self, request: Request) -> float | None:
        """How long a query of this session may take, in seconds."""
        return min((limit for limit in (request.session.timeout, self._timeout) if limit), default=None)

    def _begin(self, request: Request, statement: StatementInfo, gated: bool, has_effects: bool) -> Query:
        query = Query(request, statement, request.session.runtime or self._runtime, has_effects)
        request.call.on_end(query.finish)
        limit = self._limit(request)
        try:
            with query.guarded():
                if gated:
                    if limit is not None:
                        query.expire_after(max(0.0, limit - statement.planning))
                    query.enter(self.gate)
        except ExecutionError:
            query.finish()
            raise
        return query
