"""Arrow tables of this process behind handles, as Lance datasets and Parquet files are behind theirs.

A handle names a table by its location and version and holds no data, so it stays small and picklable; while it lives in
this process, its table does. Copies in other processes open nothing there: workers fetch the rows from here.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from engine.errors import StorageError
from engine.storage.cutting import cut
from engine.storage.protocol import ArrowSource, ScanCaps, ScanRequest, Split, TableHandle, TableName

__all__ = ["KIND", "MEMORY", "HeldTable", "LiveTable", "MemoryTables"]

KIND = "memory"
CAPS = ScanCaps()


@dataclass(frozen=True, eq=False)
class HeldTable:
    """One version of a table, which can be opened while somebody has this."""

    location: tuple[str, ...]
    version: str
    data: pa.Table

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self.data.schema

    @property
    def rows(self) -> int | None:
        """How many rows there are."""
        return int(self.data.num_rows)


@dataclass(frozen=True, eq=False)
class LiveTable:
    """A table whose rows are made anew, by `make`, whenever it is opened: it tells what is the case then."""

    location: tuple[str, ...]
    version: str
    schema: pa.Schema
    make: Callable[[], pa.Table]
    rows: None = None

    @property
    def data(self) -> pa.Table:
        """The rows of now."""
        return self.make()


class MemoryTables:
    """Handles, splits and sources of immutable tables in memory. Thread-safe."""

    def __init__(self) -> None:
        self._alive: weakref.WeakValueDictionary[tuple[tuple[str, ...], str], HeldTable | LiveTable] = (
            weakref.WeakValueDictionary()
        )
        self._pins: dict[int, HeldTable | LiveTable] = {}

    def hold(self, location: tuple[str, ...], version: str, data: pa.Table) -> HeldTable:
        """Make `data` what handles of this location and version open, for as long as the result, or a handle, lives."""
        held = HeldTable(location, version, data)
        self._alive[location, version] = held
        return held

    def live(self, location: tuple[str, ...], schema: pa.Schema, make: Callable[[], pa.Table]) -> LiveTable:
        """As `hold`, but `make` gives the rows each time that they are read."""
        live = LiveTable(location, "live", schema, make)
        self._alive[location, live.version] = live
        return live

    def handle(self, name: TableName, held: HeldTable | LiveTable) -> TableHandle:
        """A handle that keeps the table."""
        size = held.data.nbytes if isinstance(held, HeldTable) else None
        handle = TableHandle(name, KIND, held.location, held.version, held.rows, size, CAPS)
        self._pins[id(handle)] = held
        weakref.finalize(handle, self._pins.pop, id(handle), None)
        return handle

    def probe(self, table: TableHandle) -> ArrowSource:
        """A Table of all columns and no rows."""
        return ArrowSource(pa.Table.from_batches([], self._held_table(table).schema))

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """Slices of about equal numbers of rows; a part is (first row, end of rows)."""
        held = self._held_table(table)
        if isinstance(held, LiveTable):
            return [Split(table, (0, sys.maxsize))]
        data = held.data
        groups = cut([data.num_rows], target) or [[]]
        bounds = [(pieces[0].start, pieces[-1].stop) if pieces else (0, 0) for pieces in groups]
        return [
            Split(table, (start, stop), stop - start, data.nbytes * (stop - start) // max(1, data.num_rows))
            for start, stop in bounds
        ]

    def open(self, data: TableHandle | Split, request: ScanRequest) -> ArrowSource:
        """The columns of the table or slice, without a copy. The filter is left to the kernel."""
        if isinstance(data, Split):
            start, stop = data.part
            rows = self._held_table(data.table).data.slice(start, stop - start)
        else:
            rows = self._held_table(data).data
        if request.limit is not None and request.filter is None:
            rows = rows.slice(0, request.limit)
        return ArrowSource(rows.select(list(request.columns) or rows.column_names[:1]))

    def _held_table(self, table: TableHandle) -> HeldTable | LiveTable:
        held = self._alive.get((table.location, table.version))
        if held is None:
            raise StorageError(f'The version of table "{table.name}" that the query reads is gone; run it again.')
        return held


MEMORY = MemoryTables()
"""The tables of this process, whichever storage they belong to."""
