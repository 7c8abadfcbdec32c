"""Bulk loads: the rows of a stream become rows of a table, all of them or none."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from engine.arrow_validation import kernel_rows_are_valid
from engine.cancellation import Cancellation
from engine.errors import UnknownTableError, UnsupportedError
from engine.ingestion import Ingestion, TableColumns
from engine.sql.frontend import SqlFrontend
from engine.statements.catalog import Target
from engine.storage.protocol import ArrowSource, WriteMode

__all__ = ["BulkLoads"]


class BulkLoads:
    """Writes streams of valid data into tables."""

    def __init__(self, frontend: SqlFrontend) -> None:
        self._frontend = frontend
        self._ingestion = Ingestion(frontend.kernel)
        self.heed: Callable[[Target, int], None] | None = None

    def store(self, target: Target, data: pa.RecordBatchReader, mode: WriteMode, cancellation: Cancellation) -> int:
        """Write all of `data`, which has come by an Entrance, or nothing; returns its number of rows.

        Raises SchemaMismatchError for what does not fit the table or any table, InvalidValueError for such values, and
        what else `Storage.write` raises.
        """
        table = None if mode in (WriteMode.CREATE, WriteMode.REPLACE) else self._table(target, mode)
        if table is None:
            stored = self._ingestion.into_new(target.name, data, cancellation)
        else:
            stored = self._ingestion.into_table(target.name, data, table, cancellation)
        rows = target.storage.write(target.name, stored, mode, is_valid=kernel_rows_are_valid(stored.schema))
        if self.heed is not None:
            self.heed(target, rows)
        return rows

    def _table(self, target: Target, mode: WriteMode) -> TableColumns | None:
        """The table that is appended to; None where it is not there yet, but is to be made."""
        try:
            handle = target.storage.snapshot().table(target.name)
        except UnknownTableError:
            if mode is WriteMode.APPEND:
                raise
            return None
        source = target.storage.probe(handle)
        if not isinstance(source, ArrowSource):
            raise UnsupportedError(f'Table "{target.name}" is made of Parquet files and read-only; write to another.')
        return TableColumns(self._frontend.table_columns(handle), source.data.schema)
