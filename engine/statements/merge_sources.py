"""The source of a MERGE that may give other rows when it is read again: its rows, which are kept while they are merged.

A MERGE reads its source once for the rows that it changes, and once for those that it adds. A row that it has only the
first time, or only the second, as of a sample, would be lost, or would count twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from engine.errors import ResourceExhaustedError, UnsupportedError
from engine.hidden_columns import MARK
from engine.kernel import quote
from engine.logical.nodes import SqlQuery, walk
from engine.sql import syntax
from engine.sql.cte_scopes import among
from engine.sql.volatility import order_dependent_part, takes_by_order, volatile_part
from engine.statements.context import StatementContext
from engine.statements.descriptions import Merge
from engine.statements.planning import Planning
from engine.statements.rewriting import full_name, in_from
from engine.statements.row_changes import RowQuery, own_values
from engine.statements.rows import Rows
from engine.storage.memory_tables import MEMORY
from engine.storage.protocol import Snapshot, TableHandle, TableName, Version

__all__ = ["keep_source"]

_SOURCE = f"{MARK}source"
MOST_BYTES = 256 << 20  # of rows that are held, which no limit of the kernel's knows of


def keep_source(
    planning: Planning,
    context: StatementContext,
    statement: Merge,
    table: TableName,
    row: Sequence[pa.Scalar],
    snapshot: Snapshot,
) -> tuple[Merge, Snapshot]:
    """The MERGE into `table` over the rows that its source gives now, and a snapshot that has these.

    Both are as they are where the source gives the same rows each time. Raises UnsupportedError where it may be others
    each time that belong together, and ResourceExhaustedError for a source that is too large to be kept.
    """
    if len({clause.rows for clause in statement.clauses}) == 1:
        return statement, snapshot  # which is read once
    parse = planning.frontend.kernel.parse
    condition = parse(f"SELECT {statement.condition}")["node"]
    _require_steady(condition)
    query = own_values(parse, f"{statement.ctes} SELECT * FROM {statement.source}", row)
    selects = _selects(planning, context, query, snapshot)
    if any(_may_differ(select) for select in selects):
        statement, snapshot = _kept(planning, context, statement, table, query, snapshot)
    if any(node.get("class") == "SUBQUERY" for node, _ in syntax.walk(condition)):
        pairs = f"{in_from(table, statement.alias)}, {statement.source}"
        asked = own_values(parse, f"{statement.ctes} SELECT 1 FROM {pairs} WHERE {statement.condition}", row)
        for select in _selects(planning, context, asked, snapshot):  # with what views and CTEs stand for
            _require_steady(select)
    return statement, snapshot


def _may_differ(select: syntax.Node) -> bool:
    """Whether a source may give other rows when it is read again."""
    return bool(volatile_part(select) or order_dependent_part(select)) or takes_by_order(select)


def _require_steady(condition: syntax.Node) -> None:
    """Raise UnsupportedError for what may tell otherwise when it is asked again."""
    what = volatile_part(condition) or order_dependent_part(condition)
    if what is not None:
        raise UnsupportedError(
            f"A MERGE asks twice which rows belong together, and {what} in its condition may tell otherwise each time; "
            "compute it in the source."
        )


def _selects(planning: Planning, context: StatementContext, query: RowQuery, snapshot: Snapshot) -> list[syntax.Node]:
    """What the kernel is asked for a query, without CTEs that it does not name."""
    plan = planning.logical(context.session, query.text, query.row, snapshot)
    kernel = planning.frontend.kernel
    selects = [kernel.parse(node.query)["node"] for node in walk(plan) if isinstance(node, SqlQuery)]
    ctes = [(select.get("cte_map") or {}).get("map") or [] for select in selects]
    return [among(kernel, {**node, "cte_map": None}, "n", [own]) for node, own in zip(selects, ctes, strict=True)]


def _kept(
    planning: Planning,
    context: StatementContext,
    statement: Merge,
    table: TableName,
    query: RowQuery,
    snapshot: Snapshot,
) -> tuple[Merge, Snapshot]:
    """The MERGE over the rows that `query`, its source, gives now, and a snapshot that has these."""
    rows = Rows(planning, context, [(query.text, query.row)], snapshot=snapshot)
    batches: list[pa.RecordBatch] = []

    def keep(reader: pa.RecordBatchReader) -> int:
        size = 0
        for batch in reader:
            size += batch.nbytes
            if size > MOST_BYTES:
                raise ResourceExhaustedError(
                    f'The source of the MERGE into "{table}" may give other rows each time that it is read, so they '
                    f"are held in memory, and take more than {MOST_BYTES:,} bytes; store them in a table (CREATE TEMP "
                    "TABLE AS), and merge that."
                )
            batches.append(batch)
        return rows.rows

    rows.into(keep)
    held = pa.Table.from_batches(batches, rows.schema)
    name = TableName(table.schema, table.table + _SOURCE)
    handle = MEMORY.handle(name, MEMORY.hold((uuid.uuid4().hex,), "1", held))
    source = f"{full_name(name)} AS {quote(statement.source_alias)}"
    return replace(statement, source=source), _WithSource(snapshot, handle)


@dataclass(frozen=True)
class _WithSource:
    """`snapshot` with the rows of a source as a table."""

    snapshot: Snapshot
    handle: TableHandle

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        if name.key == self.handle.name.key:
            return self.handle
        return self.snapshot.table(name, version, at)
