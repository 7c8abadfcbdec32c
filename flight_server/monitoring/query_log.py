"""The queries that have ended as rows of a table, for whoever asks later what the server did.

Rows are written in batches, by a thread of their own. They wait for it in a queue with a bound: what does not fit, and
what cannot be written, is counted and told, and no query waits for either.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pyarrow as pa

from engine.errors import GrismError
from engine.statements.appended_table import AppendedTable
from engine.statements.database import Database
from engine.statements.system_tables import LAYOUTS
from flight_server.options import LogOptions

__all__ = ["NEEDED", "QUERY_LOG_SCHEMA", "QueryLog", "QueryLogLimits", "RowsTable", "open_query_log"]

_log = logging.getLogger("grism.query_log")

QUERY_LOG_SCHEMA = pa.schema([field for field in LAYOUTS["queries"] if field.name != "progress"])
"""The columns of the table: those of ``system.queries``, but for the progress of what is over."""

NEEDED = ("id", "user", "text", "state", "begun", "ended")
"""Those without which a table is another one, and not that of an older version."""

_ROW = 1000  # characters that a row counts beside its text


class RowsTable(Protocol):
    """Where rows are appended, and old ones removed."""

    def append(self, rows: pa.Table) -> None:
        """Append rows, in one change."""

    def remove(self, column: str, before: datetime) -> int:
        """Remove the rows whose column is before an instant."""

    def close(self) -> None:
        """End what looks after it."""


@dataclass(frozen=True)
class QueryLogLimits:
    """A batch is written when it has so many `rows`, or its first one is so many `seconds` old. Of rows and characters
    so many are `waiting_rows` and `waiting_characters` at most. What is told and what is removed is so once in
    `telling_seconds` and `removing_seconds` at most."""

    rows: int = 1000
    seconds: float = 5.0
    waiting_rows: int = 20_000
    waiting_characters: int = 32_000_000
    telling_seconds: float = 60.0
    removing_seconds: float = 3600.0


class QueryLog:
    """Appends queries to a `table`, and removes those that ended longer than `retain` ago. Thread-safe. Close it."""

    def __init__(self, table: RowsTable, retain: timedelta | None = None, limits: QueryLogLimits | None = None) -> None:
        self._table, self._retain = table, retain
        self._limits = limits or QueryLogLimits()
        self.written = 0
        self.dropped = 0
        self._told = 0  # of those that were dropped
        self._telling_at = self._removing_at = 0.0
        self._wake = threading.Condition()
        self._waiting: list[Mapping[str, Any]] = []
        self._characters = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="query-log", daemon=True)
        self._thread.start()

    def ended(self, described: Mapping[str, Any]) -> None:
        """A query ended, which its row in ``system.queries`` describes."""
        limits, weight = self._limits, _ROW + len(described["text"])
        with self._wake:
            if self._closed or len(self._waiting) >= limits.waiting_rows:
                self.dropped += 1
                return
            if self._characters + weight > limits.waiting_characters:
                self.dropped += 1
                return
            self._waiting.append(described)
            self._characters += weight
            if len(self._waiting) in (1, limits.rows):
                self._wake.notify()

    def close(self, seconds: float = 3.0) -> None:
        """Write what waits, within so many seconds."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(seconds)
        with self._wake:
            self.dropped += len(self._waiting)
            self._waiting = []
        self._tell_dropped()
        self._table.close()

    def _run(self) -> None:
        while rows := self._next():
            self._write(rows)
            now = time.monotonic()
            if now >= self._telling_at and self._tell_dropped():
                self._telling_at = now + self._limits.telling_seconds
            if self._retain is not None and now >= self._removing_at:
                self._removing_at = now + self._limits.removing_seconds
                self._remove(self._retain)

    def _next(self) -> list[Mapping[str, Any]]:
        """The rows of the next batch; none once it is closed and all are written."""
        limits = self._limits
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._closed)
            self._wake.wait_for(lambda: len(self._waiting) >= limits.rows or self._closed, limits.seconds)
            rows, self._waiting = self._waiting[: limits.rows], self._waiting[limits.rows :]
            self._characters -= sum(_ROW + len(row["text"]) for row in rows)
            return rows

    def _write(self, rows: list[Mapping[str, Any]]) -> None:
        try:
            self._table.append(pa.Table.from_pylist(rows, QUERY_LOG_SCHEMA))
        except Exception as error:
            self._failed("queries could not be written", error, len(rows))
        else:
            self.written += len(rows)

    def _remove(self, retain: timedelta) -> None:
        try:
            self._table.remove("ended", datetime.now(UTC) - retain)
        except Exception as error:
            self._failed("old queries could not be removed", error, 0)

    def _failed(self, what: str, error: Exception, rows: int) -> None:
        with self._wake:
            self.dropped += rows
            self._told += rows
        if isinstance(error, GrismError):
            _log.warning(what, extra={"fields": {"rows": rows, "error": error.summary}})
        else:
            _log.error(what, extra={"fields": {"rows": rows}}, exc_info=error)

    def _tell_dropped(self) -> bool:
        with self._wake:
            new, self._told = self.dropped - self._told, self.dropped
        if new:
            _log.warning("queries were dropped: too many waited to be written", extra={"fields": {"rows": new}})
        return new > 0


def open_query_log(options: LogOptions, database: Database) -> QueryLog | None:
    """What the options ask for; None where they do not. Raises as `AppendedTable`."""
    if options.query_log_table is None:
        return None
    table = AppendedTable(database, options.query_log_table.split("."), QUERY_LOG_SCHEMA, NEEDED)
    return QueryLog(table, options.query_log_retain)
