"""Around planning: a turn to do it, and what it leaves in the log where it fails.

These are classes, not generators: each call goes through them, and a generator is three more functions on either end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar, Token

from engine.cancellation import Cancellation, current_cancellation, follow
from flight_server.gate import Gate
from flight_server.monitoring.query import Query
from flight_server.service.request import Request

__all__ = ["Planning", "TurnToPlan"]

_plans: ContextVar[bool] = ContextVar("plans", default=False)  # whether this thread has its turn to plan


class TurnToPlan:
    """See `Queries.plan_in_turn`."""

    __slots__ = ("_forget", "_gate", "_leave", "_limit", "_request", "_scope", "_token")

    def __init__(self, request: Request, gate: Gate, limit: float | None) -> None:
        self._request, self._gate, self._limit = request, gate, limit
        self._token: Token[bool] | None = None
        self._leave: Callable[[], None] | None = None
        self._forget: Callable[[], None] | None = None

    def __enter__(self) -> None:
        call = self._request.call
        cancellation, deadline = call.cancellation, self._deadline()
        if deadline is not None:
            cancellation = Cancellation(deadline)
            self._forget = follow(call.cancellation, cancellation)
        try:
            if not _plans.get():
                self._leave = self._gate.enter(self._request.identity.name, call.peer, cancellation)
                self._token = _plans.set(True)
            self._scope = cancellation.scope()
            self._scope.__enter__()
        except BaseException:
            self._end()
            raise

    def __exit__(self, *_: object) -> None:
        self._scope.__exit__(None, None, None)
        self._end()

    def _deadline(self) -> float | None:
        """When the time is over: that of a query, or of the planning that this is a part of."""
        around = current_cancellation().deadline
        if self._limit is None:
            return around
        own = time.monotonic() + self._limit
        return own if around is None else min(own, around)

    def _end(self) -> None:
        if self._token is not None:
            _plans.reset(self._token)
        if self._leave is not None:
            self._leave()
        if self._forget is not None:
            self._forget()


class Planning:
    """A turn for a query that is planned: it is logged where that fails, and forgotten where it does not."""

    __slots__ = ("_query", "_turn")

    def __init__(self, query: Query, turn: TurnToPlan) -> None:
        self._query, self._turn = query, turn

    def __enter__(self) -> None:
        try:
            self._turn.__enter__()
        except BaseException as error:
            self._fail(error)
            raise

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._turn.__exit__()
        if error is None:
            self._query.forget()
        else:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._query.note_failure(error)
        self._query.finish()
