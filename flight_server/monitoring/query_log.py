"""The queries that have ended as rows of a table, for whoever asks later what the server did.

Rows are written in batches, by a thread of their own. They wait for it in a queue with a bound: what does not fit, and
what cannot be written, is counted and told, and no query waits for either.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pyarrow as pa

from engine.batches import BatchLimits, BatchQueue
from engine.errors import GrismError
from engine.statements.appended_table import AppendedTable
from engine.statements.database import Database
from engine.statements.system_tables import LAYOUTS
from flight_server.options import LogOptions

__all__ = ["LIMITS", "NEEDED", "QUERY_LOG_SCHEMA", "QueryLog", "RowsTable", "open_query_log"]

_log = logging.getLogger("grism.query_log")

QUERY_LOG_SCHEMA = pa.schema([field for field in LAYOUTS["queries"] if field.name not in ("progress", "doing")])
"""The columns of the table: those of ``system.queries``, but for what is told of queries that run only."""

NEEDED = ("id", "user", "text", "state", "begun", "ended")
"""Those without which a table is another one, and not that of an older version."""

LIMITS = BatchLimits(items=4000, seconds=5.0, waiting=8_000)
"""Which are 32 MB of texts, where each is as long as `QueryRegistry` keeps one."""

_REMOVES_EVERY = 3600.0  # seconds


class RowsTable(Protocol):
    """Where rows are appended, and old ones removed."""

    def append(self, rows: pa.Table) -> None:
        """Append rows, in one change."""

    def remove(self, column: str, before: datetime) -> int:
        """Remove the rows whose column is before an instant."""

    def close(self) -> None:
        """End what looks after it."""


class QueryLog:
    """Appends queries to a `table`, and removes those that ended longer than `retain` ago. Thread-safe. Close it."""

    def __init__(self, table: RowsTable, retain: timedelta | None = None, limits: BatchLimits | None = None) -> None:
        self._table, self._retain = table, retain
        self._removes_at = 0.0
        self._queue: BatchQueue[Mapping[str, Any]] = BatchQueue("query-log", self._write, _tell, limits or LIMITS)
        self.ended = self._queue.put

    @property
    def written_count(self) -> int:
        """How many queries are in the table."""
        return self._queue.written

    @property
    def dropped_count(self) -> int:
        """How many are not."""
        return self._queue.dropped

    def close(self, seconds: float = 3.0) -> None:
        """Write what waits, within so many seconds."""
        self._queue.close(seconds)
        self._table.close()

    def _write(self, rows: list[Mapping[str, Any]]) -> None:
        self._table.append(pa.Table.from_pylist(rows, QUERY_LOG_SCHEMA))
        if self._retain is not None and time.monotonic() >= self._removes_at:
            self._removes_at = time.monotonic() + _REMOVES_EVERY
            self._remove(self._retain)

    def _remove(self, retain: timedelta) -> None:
        try:
            self._table.remove("ended", datetime.now(UTC) - retain)
        except GrismError as error:
            _log.warning("old queries could not be removed", extra={"fields": {"error": error.summary}})


def _tell(lost: int, error: Exception | None) -> None:
    why = "too many waited" if error is None else error.summary if isinstance(error, GrismError) else str(error)
    _log.warning("queries are not in the table", extra={"fields": {"queries": lost, "error": why}})


def open_query_log(options: LogOptions, database: Database) -> QueryLog | None:
    """What the options ask for; None where they do not. Raises as `AppendedTable`."""
    if options.query_log_table is None:
        return None
    table = AppendedTable(database, options.query_log_table.split("."), QUERY_LOG_SCHEMA, NEEDED)
    return QueryLog(table, options.query_log_retain)
