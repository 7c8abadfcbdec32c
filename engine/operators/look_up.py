"""LookUpExec: the few rows that an index finds, as they lie in storage, without a statement of the kernel."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from engine.operators.direct_rows import direct_rows
from engine.operators.limit import LimitExec
from engine.operators.project import ProjectExec
from engine.operators.rename import RenameExec
from engine.operators.table_scan import TableScanExec
from engine.physical import ExecutionContext, PhysicalOperator, SourceBinder
from engine.storage.protocol import TableHandle

__all__ = ["LookUpExec", "look_up"]


@dataclass(frozen=True)
class LookUpExec(PhysicalOperator):
    """Gives the rows of `input`, which are rows of `table` that pass `filter`, at most `limit` of them.

    `read` are columns of the table, of which those at `places` go out, in the Arrow schema `direct_schema`. Where no
    index finds just these rows, or they do not lie in just these types, `input` computes them.
    """

    input: PhysicalOperator
    table: TableHandle
    filter: exp.Expr
    limit: int | None
    read: pa.Schema
    places: tuple[int, ...]
    direct_schema: pa.Schema = field(compare=False)

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        return inputs[0]

    @property
    def fallback(self) -> PhysicalOperator:
        return self.input.fallback

    def direct(self, ctx: ExecutionContext) -> pa.RecordBatchReader | None:
        found = ctx.storage.indexes(self.table).look_up(self.read, self.filter)
        if found is None:
            return None
        return direct_rows(found.slice(0, self.limit).select(self.places).columns, self.direct_schema)


def look_up(outline: PhysicalOperator, whole: PhysicalOperator, schema: pa.Schema) -> PhysicalOperator:
    """`whole`, which computes a statement of this `outline`, and where that only filters a table the operator around it
    that asks an index first. `schema` is that of the result.
    """
    node, places, limits = outline, list(range(len(outline.schema))), []
    while isinstance(node, RenameExec | ProjectExec | LimitExec):
        if isinstance(node, LimitExec):
            if node.offset:
                return whole
            limits.append(node.count)
        elif isinstance(node, ProjectExec):
            passed = node.passed_columns()
            if passed is None:
                return whole
            places = [passed[place] for place in places]
        node = node.input
    if not isinstance(node, TableScanExec) or node.filter is None or node.table.search is not None:
        return whole
    if not places or node.table.addressed:
        return whole
    asked = [node.columns[place].name for place in places]
    if not set(asked).isdisjoint(node.table.beside):
        return whole
    types = dict(zip(asked, schema.types, strict=True))
    request = node.request
    assert request.filter is not None
    at = tuple(map(list(types).index, asked))
    limit = min((count for count in (*limits, node.limit) if count is not None), default=None)
    return LookUpExec(whole, node.table, request.filter, limit, pa.schema(types), at, schema)
