"""The queries that run, and the last ones that did."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from engine.errors import GrismError, UnknownQueryError
from engine.rights import Grants
from flight_server.monitoring.query import Query, QueryPlan

__all__ = ["OpenHandles", "QueryRegistry"]

_LONGEST_TEXT = 4_000  # characters of what has ended
_MOST_CHARACTERS = 8_000_000
_NO_PLAN = QueryPlan()
_PLAN_KEPT = 0.1  # seconds that a query took whose plan is kept: to write it down takes a millisecond or so


@dataclass(frozen=True)
class OpenHandles:
    """How many of each are kept for clients."""

    sessions: int
    prepared: int
    planned: int


class _EndedQuery(NamedTuple):  # which is made in less time than a dataclass, once for each query
    """A query that has ended: its row, its plan where that is kept, and the characters of texts of any length."""

    row: Mapping[str, Any]
    plan: QueryPlan
    characters: int


class QueryRegistry:
    """Tells of queries, and stops them. Of those that have ended it keeps the last `kept`. Thread-safe.

    Plans of those that have ended are kept where `keeps_plans` is set, as by who shows them.
    """

    keeps_plans = False

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._running: dict[str, Query] = {}
        self._ended: deque[_EndedQuery] = deque()
        self._characters = 0
        self._observers: list[Callable[[Sequence[Mapping[str, Any]]], None]] = []

    def observe(self, ended: Callable[[Sequence[Mapping[str, Any]]], None]) -> None:
        """Call `ended` with the rows of queries that end from here on; long texts are cut."""
        self._observers.append(ended)

    def add(self, query: Query) -> None:
        """It begins."""
        with self._lock:
            self._running[query.id] = query

    def forget(self, query: Query) -> None:
        """It is over, and nobody will ask."""
        with self._lock:
            self._running.pop(query.id, None)

    def finish(self, query: Query, described: Mapping[str, Any]) -> None:
        """It is over; `described` is what there is to tell of it."""
        plan = _NO_PLAN
        if self.keeps_plans and described["run"] >= _PLAN_KEPT:
            plan = _plan_of(query)
        characters = len(described["text"]) + len(described["error"] or "") + len(described["user"])
        if characters > _LONGEST_TEXT:
            described = {name: _cut(value) for name, value in described.items()}
            characters = sum(len(value) for value in described.values() if isinstance(value, str))
        if plan.lines:
            characters += sum(map(len, plan.lines))
        with self._lock:
            self._running.pop(query.id, None)
            self._ended.append(_EndedQuery(described, plan, characters))
            self._characters += characters
            while len(self._ended) > self._kept or self._characters > _MOST_CHARACTERS:
                self._characters -= self._ended.popleft().characters
        for observe in self._observers:
            observe((described,))

    def rows(self, grants: Grants) -> Iterator[Mapping[str, Any]]:
        """What there is to tell: to an administrator of all, to others of their own. The rows of ``system.queries``."""
        with self._lock:
            running, ended = list(self._running.values()), [ended.row for ended in self._ended]
        for query in running:
            if _may_see(grants, query.user):
                yield query.describe()
        for row in ended:
            if _may_see(grants, row["user"]):
                yield row

    def find(self, identifier: str, grants: Grants) -> tuple[Mapping[str, Any], QueryPlan]:
        """One of the `rows`, with its plan; a plan without lines where none is known. Raises UnknownQueryError."""
        with self._lock:
            query = self._running.get(identifier)
            ended = next((ended for ended in self._ended if ended.row["id"] == identifier), None)
        if query is not None and _may_see(grants, query.user):
            return query.describe(), _plan_of(query)
        if ended is not None and _may_see(grants, ended.row["user"]):
            return ended.row, ended.plan
        raise UnknownQueryError(
            f"No query {identifier[:100]!r} is known that you may see: it is another's, ended long ago, or was planned "
            "and goes on under another id."
        )

    def stages(self, grants: Grants) -> Iterator[Mapping[str, Any]]:
        """The rows of ``system.stages``: of queries that run, as in `rows`."""
        for query in self._running_for(grants):
            for stage in query.stages():
                yield {"query": query.id, **asdict(stage)}

    def tasks(self, grants: Grants) -> Iterator[Mapping[str, Any]]:
        """The rows of ``system.tasks``: of queries that run, as in `rows`."""
        for query in self._running_for(grants):
            for task in query.tasks():
                yield {"query": query.id, **asdict(task)}

    def _running_for(self, grants: Grants) -> list[Query]:
        """What runs that somebody with these rights may see."""
        with self._lock:
            running = list(self._running.values())
        return [query for query in running if _may_see(grants, query.user)]

    def find_tagged(self, tag: str, grants: Grants) -> Query | None:
        """The newest that runs under a client's tag, as far as somebody with these rights may see; None without one."""
        found = [query for query in self._running_for(grants) if query.caller.tag == tag]
        return found[-1] if found else None

    def kill(self, identifier: str, grants: Grants) -> None:
        """Stop a query of one's own, or as an administrator anybody's. Raises UnknownQueryError."""
        query = self._running.get(identifier)
        if query is None or not _may_see(grants, query.user):
            raise UnknownQueryError(
                f"No query {identifier[:100]!r} runs that you may stop; system.queries has those that do."
            )
        query.stop(f'The query was stopped by "{grants.identity.name}" with KILL QUERY.')

    def kill_session(self, session: str, by: str) -> None:
        """Stop what runs in a session."""
        with self._lock:
            running = list(self._running.values())
        for query in running:
            if query.caller.session.id == session:
                query.stop(f'The session was ended by "{by}" with KILL SESSION.')


def _cut(value: object) -> object:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else value


def _plan_of(query: Query) -> QueryPlan:
    try:
        return query.plan()
    except (
        GrismError,
        OSError,
        ValueError,
        RuntimeError,
    ):  # what it tells of, as an index, may be gone from the storage
        return _NO_PLAN


def _may_see(grants: Grants, user: str) -> bool:
    return grants.identity.name == user or grants.is_administrator
