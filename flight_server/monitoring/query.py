"""One run of a statement: what it waits for, what it has given, and how it ended.

A line goes to the logger ``grism.query`` when the last row has left, or when it is clear that none will. Statements
with effects, and uploads, leave one more in ``grism.audit``. Times are in seconds::

    query event=query query=4f1d6a90b2c3d4e5 user=ann peer=ipv4:127.0.0.1:40112 kind=SELECT statement="SELECT 1"
        runtime=local rows=1 bytes=232 planning=0.002 queue=0.0 run=0.001 status=ok

Where the call is traced, `trace` stands behind the query's id, and planning, waiting and running are spans of the call.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from engine.errors import CancelledError, GrismError
from engine.on_error import OnError
from engine.run_progress import RunProgress, StageProgress, TaskProgress, total_use
from engine.statements.context import RowCounters, StatementContext
from engine.statements.session import Session
from engine.tracing import Span
from flight_server.endpoint.calls import Call
from flight_server.gate import Gate
from flight_server.monitoring.spans import QuerySpans
from flight_server.monitoring.statement import MAX_LOGGED, StatementInfo

__all__ = ["INTERNAL", "TAG_HEADER", "Caller", "Query", "QueryPlan"]

_log = logging.getLogger("grism.query")
_audit = logging.getLogger("grism.audit")

INTERNAL = "InternalError"
"""How an error is called that nobody raised on purpose."""

TAG_HEADER = "grism-query-tag"
"""What a client calls its statements, to ask for them by that."""

_AGENT = "user-agent"
_LEFT = "The client left before it had taken the last row."
_LONG_PARSING = 0.005  # seconds of work
_LONG_PLANNING = 0.001  # seconds
_LONGEST_HEADER = 200  # characters
_MOST_BEFORE_EFFECT = 0.99  # of its progress
_MAX_PLANS = 4  # of a statement, which may run one for each row of its parameters
_LONGEST_LINE = 1_000  # characters of a plan's line
_LONGEST_PLAN = 20_000  # characters
_STATES = {"ok": "done", "cancelled": "cancelled"}
_SPAN_ERRORS = {"ok": None, "cancelled": CancelledError.__name__}
_SERVER = secrets.token_hex(4)  # ids differ from those of other servers, and of this one's last run
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Caller:
    """Who asks, in which session, and by which call."""

    user: str
    session: Session
    call: Call

    @property
    def agent(self) -> str | None:
        """What the client's library calls itself."""
        return self._header(_AGENT)

    @property
    def tag(self) -> str | None:
        """What the client calls the statement."""
        return self._header(TAG_HEADER)

    def _header(self, name: str) -> str | None:
        for value in self.call.headers.get(name, ()):
            return (value.decode(errors="replace") if isinstance(value, bytes) else str(value))[:_LONGEST_HEADER]
        return None


@dataclass(frozen=True)
class QueryPlan:
    """The plans of a query as EXPLAIN tells them, line by line, and how far their stages are, where they have some."""

    lines: tuple[str, ...] = ()
    stages: tuple[StageProgress, ...] = ()


class Registry(Protocol):
    """Where queries are from their beginning to their end."""

    def add(self, query: Query) -> None:
        """It begins."""

    def forget(self, query: Query) -> None:
        """It is over, and nobody will ask."""

    def finish(self, query: Query, described: Mapping[str, Any]) -> None:
        """It is over; `described` is what there is to tell of it."""


class Query:
    """One run of a statement, for one call. Thread-safe.

    It holds its turn until `leave`, and is logged at `finish`; both happen once, whoever calls first and however often.
    From its beginning until then it is in the `registry`. What `plans` is only planned, and run later or never: it is
    not logged unless it fails.
    """

    def __init__(
        self,
        caller: Caller,
        statement: StatementInfo,
        runtime: str,
        registry: Registry,
        *,
        has_effects: bool = False,
        plans: bool = False,
    ) -> None:
        self.id = f"{_SERVER}{next(_numbers):08x}"
        self.user, self.peer, self.caller = caller.user, caller.call.peer, caller
        self.rows: int | None = None
        self.doing: str | None = None
        self._cancellation, self._unread_since = caller.call.cancellation, caller.call.unread_since
        self._statement, self._runtime = statement, runtime
        self._has_effects, self._plans = has_effects, plans
        self._lock = threading.Lock()
        self._counters: list[RowCounters] = []
        self._runs: list[RunProgress] = []
        self._plans_told: list[Callable[[], str]] = []
        self._rows_taken = 0
        self._cleanup: list[Callable[[], None]] = []
        self._error: BaseException | None = None
        self._begun_at = time.time()
        self._began = time.monotonic()
        self._waits = False
        self._started = self._ended = 0.0
        self._finished = False
        self._reads_since: float | None = None  # on the clock of the thread
        self._status: str | None = None  # once it is over
        self._registry = registry
        self._spans = QuerySpans(caller.call)
        registry.add(self)

    def reads(self) -> None:
        """Its text is only read, which mostly is a matter of microseconds, not planned."""
        self._reads_since = time.thread_time()  # of work, not of a wait for its turn

    def enter(self, gate: Gate) -> None:
        """Wait for its turn, which it has until it leaves."""
        if gate.full:
            waits = {"event": "queued", "user": self.user, "peer": self.peer, "statement": self._statement.log_text}
            _log.debug("queued", extra={"fields": waits})
            self._spans.begin("queue")
        self._waits = True
        leave = gate.enter(self.user, self.peer, self._cancellation, self._unread_since)
        self.at_end(leave)
        self.start()

    def start(self) -> None:
        """It runs, from here on."""
        self._started = time.monotonic()
        self._spans.begin("run")

    def in_context(self, context: StatementContext) -> StatementContext:
        """What its executions may see: they tell it what they do."""
        return StatementContext(
            context.session,
            context.cancellation,
            watch=self.watch,
            poll=context.poll,
            follow=self.follow,
            trace=self._spans.context,
            tell_plan=self._take_plan,
            waited=self._queue(time.monotonic()),
        )

    def expire_after(self, seconds: float) -> None:
        """Stop it when it has taken that long, waiting and sending included."""
        timer = threading.Timer(seconds, self._cancellation.expire)
        timer.daemon = True
        timer.start()
        self.at_end(timer.cancel)

    def stop(self, reason: str) -> None:
        """Cancel it; its client is told the reason."""
        self._cancellation.cancel(reason)

    def at_end(self, free: Callable[[], None]) -> None:
        """Call `free` once it leaves, or at once where it has left."""
        with self._lock:
            if not self._ended:
                self._cleanup.append(free)
                return
        free()

    def watch(self, counters: RowCounters) -> None:
        """Take what one of its executions gives for its own rows."""
        self._counters.append(counters)

    def take(self, rows: int) -> None:
        """So many rows of an upload have come in."""
        self._rows_taken += rows

    def tell(self, doing: str) -> None:
        """What it is at, in a few words."""
        self.doing = doing

    def follow(self, run: RunProgress) -> None:
        """Take what tells how far one of its executions is."""
        self._runs.append(run)

    def _take_plan(self, plan: Callable[[], str]) -> None:
        if len(self._plans_told) < _MAX_PLANS:
            self._plans_told.append(plan)

    def stages(self) -> list[StageProgress]:
        """The stages of its executions that run, or ran."""
        return [stage for run in list(self._runs) for stage in run.stages()]

    def tasks(self) -> list[TaskProgress]:
        """The tasks of these stages."""
        return [task for run in list(self._runs) for task in run.tasks()]

    def plan(self) -> QueryPlan:
        """The plans of its executions as they are now, which takes a millisecond or so; cut where they are long."""
        lines: list[str] = []
        room = _LONGEST_PLAN
        for told in list(self._plans_told):
            for line in told().splitlines():
                shown = line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " ..."
                room -= len(shown)
                if room < 0:
                    return QueryPlan((*lines, "..."), tuple(self.stages()))
                lines.append(shown)
        return QueryPlan(tuple(lines), tuple(self.stages()))

    def note_failure(self, error: BaseException) -> BaseException:
        """Remember why it failed, until it is logged: an error holds what it came through."""
        if not self._finished:
            self._error = self._error or error
        return error

    def guard(self) -> AbstractContextManager[None]:
        """Remember what is raised inside."""
        return OnError(self.note_failure)

    def leave(self) -> None:
        """The work is over: give the turn to the next."""
        with self._lock:
            if self._ended:
                return
            self._ended = time.monotonic()
            cleanup, self._cleanup = self._cleanup, []
        for free in cleanup:
            free()

    def forget(self) -> None:
        """It was planned, and that is all: there is nothing to tell of it."""
        with self._lock:
            self._finished = True
        self.leave()
        if self._takes_long():
            self._trace_planning()
            self._spans.end(describe=self._describe)
        self._registry.forget(self)

    def finish(self) -> None:
        """Leave, and log it."""
        self.leave()
        with self._lock:
            if self._finished:
                return
            self._finished = True
        if self._plans:
            self._statement = replace(self._statement, planning=self._ended - self._began)
        failure = self._failure()
        status = self._status = self._outcome(failure)
        if failure is None and status == "cancelled":
            self._error = CancelledError(_LEFT)
        row = self.describe(ended_at=time.time())
        self._tell_log(row, status)
        if self._plans:
            self._trace_planning()
        self._spans.end(_SPAN_ERRORS.get(status, status), self._describe, row)
        self._registry.finish(self, row)
        self._error = None
        self._runs.clear()  # which hold what they tell of
        self._plans_told.clear()

    def _takes_long(self) -> bool:
        """Whether its planning, or reading, took so long that it is a span though it did not fail."""
        if self._reads_since is not None:
            return time.thread_time() - self._reads_since >= _LONG_PARSING
        return self._ended - self._began >= _LONG_PLANNING

    def _trace_planning(self) -> None:
        name = "planning" if self._reads_since is None else "parsing"
        self._spans.begin(name, at=round(self._begun_at * 1e9))

    def _tell_log(self, row: Mapping[str, Any], status: str) -> None:
        fields: dict[str, object] = {"event": "query", "query": self.id}
        if row["trace"] is not None:
            fields["trace"] = row["trace"]
        fields |= {
            "user": self.user,
            "peer": self.peer,
            "kind": self._statement.kind,
            "statement": self._statement.log_text,
        }
        measured = {"runtime": self._runtime, "rows": row["rows"], "bytes": row["bytes"]}
        measured |= {name: round(row[name], 6) for name in ("planning", "queue", "run")}
        outcome: dict[str, object] = {"status": status}
        if row["error"] is not None:
            outcome["error"] = row["error"][:MAX_LOGGED]
        _log.info("query", extra={"fields": {**fields, **measured, **outcome}})
        if self._has_effects:
            audited = {**fields, "event": "statement", "rows": row["rows"], **outcome}
            _audit.info("statement", extra={"fields": audited})

    def _describe(self, span: Span, row: Mapping[str, Any] | None) -> None:
        """Tell of it in the terms of OpenTelemetry's conventions for databases, as far as these have some."""
        kind, runtime = self._statement.kind, self._runtime
        span.common = ("db.system.name", "grism"), ("db.operation.name", kind), ("grism.runtime", runtime)
        span.attributes = {"grism.query.id": self.id}
        if row is not None and not self._plans:
            span.attributes |= {"db.response.returned_rows": row["rows"], "grism.response.bytes": row["bytes"]}
        if span.exporter.takes_texts:
            span.attributes["db.query.text"] = self._statement.text

    def describe(self, ended_at: float | None = None) -> dict[str, Any]:
        """Its row in ``system.queries``."""
        now = self._ended or time.monotonic()
        error = self._failure() if self._finished else None
        state, runs = self.state, list(self._runs)
        used = total_use(runs) if runs else None
        return {
            "id": self.id,
            "trace": self._spans.trace,
            "user": self.user,
            "session": self.caller.session.id if self.caller.session.begun else None,
            "client": self.peer,
            "agent": self.caller.agent,
            "text": self._statement.text,
            "kind": self._statement.kind,
            "runtime": self._runtime,
            "state": state,
            "progress": self._progress(state, runs),
            "doing": None if self._finished else self.doing,
            "rows": self._rows(),
            "bytes": self._bytes(),
            "received": self.caller.call.received,
            "begun": _instant(self._begun_at),
            "ended": None if ended_at is None else _instant(ended_at),
            "planning": now - self._began if self._plans and not self._finished else self._statement.planning,
            "queue": self._queue(now),
            "run": self._run(now),
            "spilled": None if used is None else used.spilled,
            "peak_memory": None if used is None else used.peak_memory,
            "error_type": None if error is None else _type_of(error),
            "error": error.summary if isinstance(error, GrismError) else None,
        }

    @property
    def state(self) -> str:
        """What it does: planning, queued, running or sending; or how it ended: done, failed or cancelled."""
        if self._finished:
            return _STATES.get(self._status or self._outcome(self._failure()), "failed")
        if self._plans:
            return "planning"
        if self._waits and not self._started:
            return "queued"
        return "sending" if self._bytes() and not self._has_effects else "running"

    def _progress(self, state: str, runs: Sequence[RunProgress]) -> float | None:
        if self._finished:
            return 1.0 if state == "done" else None
        share = runs[-1].share() if runs else None
        # With its rows a statement with effects is not at its end.
        return min(share, _MOST_BEFORE_EFFECT) if share is not None and self._has_effects else share

    def _queue(self, now: float) -> float:
        return (self._started or now) - self._began if self._waits else 0.0

    def _run(self, now: float) -> float:
        return now - self._started if self._started else 0.0

    def _rows(self) -> int:
        if self.rows is not None:
            return self.rows
        return self._rows_taken + sum([counters.rows for counters in self._counters])

    def _bytes(self) -> int:
        return sum([counters.bytes for counters in self._counters])

    def _failure(self) -> BaseException | None:
        return self._cancellation.cause or self._error

    def _outcome(self, error: BaseException | None) -> str:
        if error is None and self.rows is None and not all(counters.is_finished for counters in self._counters):
            return "cancelled"  # its client has left
        if error is None:
            return "ok"
        return "cancelled" if isinstance(error, CancelledError) else _type_of(error)


def _type_of(error: BaseException) -> str:
    return type(error).__name__ if isinstance(error, GrismError) else INTERNAL


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
