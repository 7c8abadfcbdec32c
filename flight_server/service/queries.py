"""The statements that run for clients: each waits its turn, has its time, and leaves one line in the log.

Planning waits for a turn of its own, among planning only: so a statement that runs may plan, and what is planned never
waits for a query to end. Administrators plan among themselves: others cannot keep them from looking, and stopping.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from engine.errors import ExecutionError, GrismError
from engine.on_error import OnError
from engine.progress import telling_progress
from flight_server.gate import Gate
from flight_server.monitoring.query import Query
from flight_server.monitoring.registry import QueryRegistry
from flight_server.monitoring.statement import StatementInfo
from flight_server.options import ServiceOptions
from flight_server.service.planning_turns import Planning, TurnToPlan
from flight_server.service.request import Request

__all__ = ["Queries"]

_MAX_WAITING_PLANS = 1000  # most take milliseconds, so there is room even where no query may wait
_SHORT = 4_000  # characters of a text: most take a millisecond or so to read, 440 statements a quarter of a second


class Queries:
    """Lets statements run within the service's limits."""

    def __init__(self, runtime: str, options: ServiceOptions) -> None:
        self.gate = Gate(options.max_queries, options.max_queued, options.queue_timeout, options.stall_yield)
        self.plan_gate, self.admin_plan_gate = (
            Gate(
                options.max_queries,
                _MAX_WAITING_PLANS,
                options.queue_timeout,
                options.stall_yield,
                "statements are planned",
            )
            for _ in range(2)
        )
        self.registry = QueryRegistry(options.query_history)
        self._runtime = runtime
        self._timeout = options.query_timeout

    def begin(self, request: Request, statement: StatementInfo, *, gated: bool = True) -> Query:
        """A query that has its turn and ends with its call, or before. Raises the errors of `Gate.enter`.

        What is not `gated` waits for nobody: it runs no query.
        """
        return self._begin(request, statement, gated, has_effects=False)

    @contextmanager
    def change(
        self, request: Request, statement: StatementInfo, *, gated: bool = True, limited: bool = False
    ) -> Iterator[Query]:
        """Around a statement with effects, or an upload, which is not `gated` and takes as long as its client does.

        What is `limited` has no more than the time of a query, `gated` or not.
        """
        query = self._begin(request, statement, gated, has_effects=True, limited=limited)
        try:
            with query.guard(), request.call.cancellation.scope(), telling_progress(query.tell):
                yield query
        except BaseException as error:  # what came in, or was computed, before is in no table
            query.rows = error.changed_rows if isinstance(error, GrismError) else 0
            raise
        finally:
            query.finish()

    def reading(self, request: Request, statement: StatementInfo) -> AbstractContextManager[None]:
        """Around finding out what a statement is, which is a span of its own where it takes long, or fails.

        A short text is read before it would have its turn to be, and is a query only where it fails.
        """
        if 0 < len(statement.text) <= _SHORT:  # a Substrait plan has none
            return OnError(partial(self._note_unread, request, statement))
        return self._planning(request, statement, reads=True)

    def planning(self, request: Request, statement: StatementInfo) -> AbstractContextManager[None]:
        """Around the planning of a statement, in its turn: what fails here is logged, since it never runs."""
        return self._planning(request, statement, reads=False)

    def plan_in_turn(self, request: Request) -> TurnToPlan:
        """Around planning, once it has its turn: it stops when its call does, and when the time of a query is over.

        Raises the cause, and the errors of `Gate.enter`. What is within has the turn of what is around it.
        """
        gate = self.admin_plan_gate if request.session.grants.is_administrator else self.plan_gate
        return TurnToPlan(request, gate, self._limit(request))

    def _planning(self, request: Request, statement: StatementInfo, *, reads: bool) -> Planning:
        query = Query(request.caller, statement, self._runtime_of(request), self.registry, plans=True)
        if reads:
            query.reads()
        return Planning(query, self.plan_in_turn(request))

    def _note_unread(self, request: Request, statement: StatementInfo, error: BaseException) -> None:
        query = Query(request.caller, statement, self._runtime_of(request), self.registry, plans=True)
        query.reads()
        query.note_failure(error)
        query.finish()

    def _limit(self, request: Request) -> float | None:
        """How long a query of this session may take, in seconds."""
        return min(filter(None, (request.session.timeout, self._timeout)), default=None)

    def _runtime_of(self, request: Request) -> str:
        return request.session.runtime or self._runtime

    def _begin(
        self, request: Request, statement: StatementInfo, gated: bool, has_effects: bool, limited: bool = False
    ) -> Query:
        query = Query(request.caller, statement, self._runtime_of(request), self.registry, has_effects=has_effects)
        request.call.on_end(query.finish)
        limit = self._limit(request)
        try:
            if limit is not None and (gated or limited):
                query.expire_after(max(0.0, limit - statement.planning))
            if gated:
                query.enter(self.gate)
            else:
                query.start()
        except BaseException as error:
            query.note_failure(error)
            if isinstance(error, ExecutionError):
                query.finish()
            raise
        return query
