"""A table of the server's own, which rows are appended to and nobody waits for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.errors import SchemaMismatchError, UnknownTableError, UnsupportedError
from engine.kernel import quote
from engine.statements.context import StatementContext
from engine.statements.session import Session
from engine.statements.upkeep import Thresholds
from engine.storage.protocol import ArrowSource, WriteMode

if TYPE_CHECKING:
    from engine.statements.database import Database

__all__ = ["AppendedTable"]

_OLD = timedelta(hours=1)  # versions; those that queries read stay
_CLOSE_SECONDS = 1.0


class AppendedTable:
    """The table `path` of a database, with the columns of `schema`; it, and its schema, is made where it is not there.

    Of those columns that one has which is there, rows have theirs; `needed` it must have. It is optimised as it fills,
    and its old versions go. Close it. Raises SchemaMismatchError for a table without such columns, UnsupportedError for
    one that cannot be written, and what `Catalog.new` raises for names.
    """

    def __init__(
        self,
        database: Database,
        path: Sequence[str],
        schema: pa.Schema,
        needed: Sequence[str],
        thresholds: Thresholds | None = None,
    ) -> None:
        self._database = database
        self._cancellation = Cancellation()
        self._schema = path[0] if len(path) == 2 else None
        self._make_schema()
        self._target = database.catalog.new(Session(), path, temporary=False)
        database.catalog.require_no_view(self._target)
        self._columns, self._needed = schema, needed
        self._ensure_table()
        self._upkeep = database.upkeep(optimizes=True, retain=_OLD, thresholds=thresholds)

    def append(self, rows: pa.Table) -> None:
        """Append rows, in one change; to a new table where it was dropped.

        Raises what `Storage.write` raises, and SchemaMismatchError where the table has other columns by now.
        """
        try:
            columns = self._ensure_table()
        except UnknownTableError:  # its schema was dropped as well
            self._make_schema()
            columns = self._ensure_table()
        self._target.storage.write(self._target.name, rows.select(columns).to_reader(), WriteMode.CREATE_APPEND)
        self._upkeep.note_change(self._target, rows.num_rows)

    def remove(self, column: str, before: datetime) -> int:
        """Remove the rows whose `column` is before an instant; returns how many. Raises the execution errors."""
        name = self._target.name
        return self._run(
            f"DELETE FROM {quote(name.schema)}.{quote(name.table)} WHERE {quote(column)} < '{before.isoformat()}'"
        )

    def close(self) -> None:
        """End what looks after it."""
        self._cancellation.cancel("The server stops.")
        self._upkeep.close(_CLOSE_SECONDS)

    def _make_schema(self) -> None:
        if self._schema is not None:
            self._run(f"CREATE SCHEMA IF NOT EXISTS {quote(self._schema)}")

    def _run(self, text: str) -> int:
        return self._database.run(StatementContext(Session(), self._cancellation), self._database.parse(text))

    def _ensure_table(self) -> list[str]:
        """The names of the columns that the table has now; it is made where it is not there."""
        target, schema, needed = self._target, self._columns, self._needed
        try:
            handle = target.storage.snapshot().table(target.name)
        except UnknownTableError:
            target.storage.write(target.name, schema.empty_table().to_reader(), WriteMode.CREATE_APPEND)
            return list(schema.names)
        source = target.storage.probe(handle)
        if not isinstance(source, ArrowSource):
            raise UnsupportedError(f'The table "{target.shown}" is read-only; name another.')
        columns = {field.name: field.type for field in source.data.schema}
        for field in schema:
            if columns.get(field.name, None if field.name in needed else field.type) != field.type:
                raise SchemaMismatchError(
                    f'The table "{target.shown}" has no column "{field.name}" of the type {field.type}; name another.'
                )
        return [name for name in schema.names if name in columns]
