"""The schema `system`: tables about the running server, whose rows are made when a query reads them.

Each reading tells of its own moment, so two in one query may differ. Who is no administrator sees what is its own.
What has queries and sessions offers their rows; where nothing does, as in a process without a server, there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from engine.cache import LruCache
from engine.errors import UnknownQueryError
from engine.logical.nodes import LogicalPlan, Scan, walk
from engine.operators import TableScanExec
from engine.physical import PhysicalPlan
from engine.physical import walk as walk_operators
from engine.rights import Grants, Identity
from engine.statements.descriptions import Kill
from engine.storage.memory_tables import KIND, MEMORY
from engine.storage.names import unknown_table
from engine.storage.protocol import TableHandle, TableName

__all__ = ["LAYOUTS", "SYSTEM", "SystemTables", "reads_only_system", "scans_only_system"]

SYSTEM = "system"
_KEPT = 256  # handles: one for each table and reader
_INSTANT = pa.timestamp("us", "UTC")

LAYOUTS: Mapping[str, pa.Schema] = {
    "queries": pa.schema(
        [
            ("id", pa.string()),
            ("trace", pa.string()),
            ("user", pa.string()),
            ("session", pa.string()),
            ("client", pa.string()),
            ("agent", pa.string()),
            ("text", pa.string()),
            ("kind", pa.string()),
            ("runtime", pa.string()),
            ("state", pa.string()),
            ("progress", pa.float64()),
            ("doing", pa.string()),
            ("rows", pa.int64()),
            ("bytes", pa.int64()),
            ("received", pa.int64()),
            ("begun", _INSTANT),
            ("ended", _INSTANT),
            ("planning", pa.float64()),
            ("queue", pa.float64()),
            ("run", pa.float64()),
            ("spilled", pa.int64()),
            ("peak_memory", pa.int64()),
            ("error_type", pa.string()),
            ("error", pa.string()),
        ]
    ),
    "sessions": pa.schema(
        [
            ("id", pa.string()),
            ("user", pa.string()),
            ("client", pa.string()),
            ("calls", pa.int64()),
            ("begun", _INSTANT),
            ("used", _INSTANT),
            ("schema", pa.string()),
            ("timeout", pa.float64()),
            ("runtime", pa.string()),
            ("temporary_tables", pa.int64()),
        ]
    ),
    "stages": pa.schema(
        [
            ("query", pa.string()),
            ("stage", pa.int64()),
            ("tasks", pa.int64()),
            ("running", pa.int64()),
            ("done", pa.int64()),
            ("attempts", pa.int64()),
            ("rows", pa.int64()),
            ("bytes", pa.int64()),
            ("spilled", pa.int64()),
            ("peak_memory", pa.int64()),
        ]
    ),
    "tasks": pa.schema(
        [
            ("query", pa.string()),
            ("stage", pa.int64()),
            ("task", pa.int64()),
            ("state", pa.string()),
            ("attempts", pa.int64()),
            ("worker", pa.string()),
            ("rows", pa.int64()),
            ("bytes", pa.int64()),
            ("seconds", pa.float64()),
        ]
    ),
    "settings": pa.schema(
        [
            ("name", pa.string()),
            ("section", pa.string()),
            ("value", pa.string()),
            ("default", pa.string()),
            ("takes", pa.string()),
            ("description", pa.string()),
        ]
    ),
    "tables": pa.schema(
        [
            ("schema", pa.string()),
            ("table", pa.string()),
            ("kind", pa.string()),
            ("rows", pa.int64()),
            ("bytes", pa.int64()),
            ("fragments", pa.int64()),
            ("version", pa.string()),
            ("versions", pa.int64()),
            ("indexes", pa.int64()),
        ]
    ),
    "workers": pa.schema(
        [
            ("id", pa.string()),
            ("location", pa.string()),
            ("pid", pa.int64()),
            ("tasks", pa.int64()),
            ("outputs", pa.int64()),
            ("exchange_memory", pa.int64()),
            ("exchange_disk", pa.int64()),
            ("kernel_memory", pa.int64()),
            ("kernel_spilled", pa.int64()),
        ]
    ),
}
"""The columns of each table. Times that something took are in seconds."""

Rows = Callable[[Grants], Iterable[Mapping[str, Any]]]
"""Gives the rows of a table that somebody with these rights may see."""


def _kill_nothing(grants: Grants, statement: Kill) -> None:
    del grants
    raise UnknownQueryError(
        f"No {statement.kind.lower()} {statement.id!r} runs here; there is no server in this process."
    )


class SystemTables:
    """Gives the tables of the schema `system`. Thread-safe once the rows are offered.

    `kill` stops what a statement names; it raises UnknownQueryError where there is no such thing, and ForbiddenError.
    """

    def __init__(self) -> None:
        self.kill: Callable[[Grants, Kill], None] = _kill_nothing
        self._rows: dict[str, Rows] = {}
        self._handles: LruCache[tuple[str, Identity], TableHandle] = LruCache(_KEPT)

    def offer(self, table: str, rows: Rows) -> None:
        """Let `rows` tell what is in `table`, which is one of the `LAYOUTS`."""
        if table not in LAYOUTS:
            raise ValueError(f"there is no table {table!r}")
        self._rows[table] = rows

    def rows(self, table: str, grants: Grants) -> list[Mapping[str, Any]]:
        """What is in one of the `LAYOUTS` now, as somebody with these rights sees it; what is not known is None."""
        rows = self._rows.get(table)
        unknown = dict.fromkeys(LAYOUTS[table].names)
        return [] if rows is None else [{**unknown, **row} for row in rows(grants)]

    def names(self) -> list[TableName]:
        """The tables, sorted."""
        return [TableName(SYSTEM, table) for table in sorted(LAYOUTS)]

    def table(self, name: TableName, grants: Grants) -> TableHandle:
        """The table of that name, in any case, as somebody with these rights sees it. Raises UnknownTableError."""
        table = name.table.lower()
        if table not in LAYOUTS:
            raise unknown_table(name, self.names())
        key = table, grants.identity
        found = self._handles.get(key)
        if found is None:
            found = self._make(table, grants)
            self._handles.put(key, found)
        return found

    def _make(self, table: str, grants: Grants) -> TableHandle:
        schema = LAYOUTS[table]

        def make() -> pa.Table:
            return pa.Table.from_pylist(self.rows(table, grants), schema)

        location = (SYSTEM, str(id(self)), table, grants.identity.name, *sorted(grants.identity.roles))
        return MEMORY.handle(TableName(SYSTEM, table), MEMORY.live(location, schema, make))


def reads_only_system(plan: LogicalPlan) -> bool:
    """Whether a query reads tables of the schema `system`, and no others."""
    return _all_of_system(node.table for node in walk(plan) if isinstance(node, Scan))


def scans_only_system(plan: PhysicalPlan) -> bool:
    """As `reads_only_system`, of a plan that is ready to run."""
    return _all_of_system(node.table for node in walk_operators(plan.root) if isinstance(node, TableScanExec))


def _all_of_system(tables: Iterable[TableHandle]) -> bool:
    found = list(tables)
    return bool(found) and all(table.location[:1] == (SYSTEM,) and table.kind == KIND for table in found)
