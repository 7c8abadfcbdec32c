"""What listings tell of tables and views. Each version of a table is looked at once, whoever asks, and however often.

What cannot be read is listed without columns and hides no other: its own query says what is wrong with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from engine.cache import LruCache
from engine.cancellation import require_answer
from engine.errors import GrismError
from engine.kernel import quote
from engine.schema import Column, RowType
from engine.sql.frontend import SqlFrontend
from engine.sql.shown_columns import Constraints, ShownColumn, constraints, shown_columns
from engine.statements.catalog import VIEW_TYPE, Catalog
from engine.statements.session import Session
from engine.storage.protocol import Snapshot, TableHandle, TableName

__all__ = ["Relations"]

_KEPT = 4096
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Relations:
    """Columns of tables and views. Thread-safe."""

    def __init__(self, frontend: SqlFrontend, catalog: Catalog) -> None:
        self._frontend = frontend
        self._catalog = catalog
        self._shown: LruCache[TableHandle, tuple[ShownColumn, ...]] = LruCache(_KEPT)
        self._told: LruCache[tuple[TableName, str | None, str], bool] = LruCache(_KEPT)

    def columns(self, session: Session, snapshot: Snapshot, name: TableName, kind: str) -> tuple[ShownColumn, ...]:
        """The columns as DESCRIBE shows them; `kind` is the type that the catalog lists."""
        return self._or_else((), snapshot, name, kind, lambda: self._columns(session, snapshot, name, kind))

    def schema(self, session: Session, snapshot: Snapshot, name: TableName, kind: str) -> pa.Schema:
        """The Arrow schema in which the session's client gets the rows."""
        return self._or_else(pa.schema([]), snapshot, name, kind, lambda: self._schema(session, snapshot, name, kind))

    def version(self, snapshot: Snapshot, name: TableName, kind: str) -> TableHandle | None:
        """What the columns of a table belong to; None for a view, and for what cannot even be opened."""
        if kind == VIEW_TYPE:
            return None
        return self._or_else(None, snapshot, name, kind, lambda: snapshot.table(name))

    def _columns(self, session: Session, snapshot: Snapshot, name: TableName, kind: str) -> tuple[ShownColumn, ...]:
        if kind == VIEW_TYPE:
            return tuple(shown_columns(self._of_view(session, snapshot, name), Constraints()))
        handle = snapshot.table(name)
        found = self._shown.get(handle)
        if found is None:
            told = constraints(self._frontend.storage, handle)
            found = tuple(shown_columns(self._frontend.table_columns(handle), told))
            self._shown.put(handle, found)
        return found

    def _schema(self, session: Session, snapshot: Snapshot, name: TableName, kind: str) -> pa.Schema:
        columns = tuple(Column(c.name, c.type) for c in self._columns(session, snapshot, name, kind))
        return self._frontend.kernel.arrow_schema(columns, session.boundary)

    def _of_view(self, session: Session, snapshot: Snapshot, name: TableName) -> RowType:
        names = self._catalog.names(session)
        whole = replace(names, schemas=names.schemas[-1:])  # the name has its schema, so it is looked for nowhere else
        return self._frontend.columns(
            f"SELECT * FROM {quote(name.schema)}.{quote(name.table)}", snapshot=snapshot, names=whole
        )

    def _or_else(self, otherwise: T, snapshot: Snapshot, name: TableName, kind: str, read: Callable[[], T]) -> T:
        """`read()`, or `otherwise` where it fails, whatever the libraries make of files that others wrote."""
        version = None  # of a view, and of what cannot even be opened
        try:
            if kind != VIEW_TYPE:
                version = snapshot.table(name).version
            return read()
        except Exception as error:
            require_answer(error)
            self._tell(name, version, error)
            return otherwise

    def _tell(self, name: TableName, version: str | None, error: Exception) -> None:
        """Log what is wrong with a table or view, once for each version."""
        known = isinstance(error, GrismError)
        key = name, version, error.summary if isinstance(error, GrismError) else type(error).__name__
        if self._told.get(key) is None:
            self._told.put(key, True)
            _log.warning("%s has no columns that can be read: %s", name, key[2], exc_info=None if known else error)
