"""FoundRowsExec: what a search finds, in its order, without a statement of the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from engine.logical.nodes import SortKey
from engine.operators.project import ProjectExec
from engine.operators.rename import RenameExec
from engine.operators.sort import SortExec
from engine.operators.table_scan import TableScanExec
from engine.operators.top_n import TopNExec
from engine.physical import ExecutionContext, PhysicalOperator, SourceBinder
from engine.storage.protocol import ArrowSource, ScanRequest, TableHandle

__all__ = ["FoundRowsExec", "found_rows"]


@dataclass(frozen=True)
class FoundRowsExec(PhysicalOperator):
    """Gives the rows of `input`, which are the first `count` of a searched `table` in order of `keys`.

    `read` are the columns of the table, of which those at `places` go out, in the Arrow schema `direct_schema`. A key
    is a column's name, and whether it descends. Where the rows do not lie in just that schema, `input` computes them.
    """

    input: PhysicalOperator
    table: TableHandle
    read: tuple[str, ...]
    places: tuple[int, ...]
    keys: tuple[tuple[str, bool], ...]
    count: int
    direct_schema: pa.Schema = field(compare=False)

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        return inputs[0]

    def direct(self, ctx: ExecutionContext) -> pa.RecordBatchReader | None:
        source = ctx.storage.open(self.table, ScanRequest(self.read))
        if not isinstance(source, ArrowSource) or not isinstance(source.data, pa.Table):
            return None
        order = [(name, "descending" if descends else "ascending") for name, descends in self.keys]
        ordered = source.data.sort_by(order).slice(0, self.count)
        found = pa.table([ordered.column(place) for place in self.places], names=self.direct_schema.names)
        if found.schema != self.direct_schema.remove_metadata():
            return None
        # Equal schemas may name the items of their lists in other ways.
        return found.cast(self.direct_schema).to_reader()


def found_rows(outline: PhysicalOperator, schema: pa.Schema) -> PhysicalOperator | None:
    """The operator for a statement that does no more than a search, as its `outline` tells; None for another.

    Another sort in the order that the search has anyway is no more. `schema` is that of the result.
    """
    node, places = outline, list(range(len(outline.schema)))
    sorts: list[list[tuple[int, bool]]] = []
    while isinstance(node, RenameExec | ProjectExec | SortExec):
        if isinstance(node, SortExec):
            sorted_by = _columns(node.keys, node.input.schema)
            if sorted_by is None:
                return None
            sorts.append(sorted_by)
        elif isinstance(node, ProjectExec):
            given = _given(node)
            if given is None:
                return None
            places = [given[place] for place in places]
            sorts = [[(given[place], descends) for place, descends in keys] for keys in sorts]
        node = node.input
    if not isinstance(node, TopNExec) or node.offset or not isinstance(node.input, TableScanExec):
        return None
    scan, search = node.input, node.input.table.search
    keys = _columns(node.keys, scan.aliases)
    if search is None or keys is None or search.request.k != node.count or (scan.filter or scan.limit) is not None:
        return None
    read = tuple(c.name for c in scan.columns)
    orders = [[(read[place], descends) for place, descends in own] for own in (keys, *sorts)]
    if orders[0] != search.order or any(own != search.order[: len(own)] for own in orders):
        return None
    return FoundRowsExec(outline, scan.table, read, tuple(places), tuple(orders[0]), node.count, schema)


def _columns(keys: Sequence[SortKey], names: Sequence[str]) -> list[tuple[int, bool]] | None:
    """The places of the columns that are sorted by, and whether they descend; None where something is computed."""
    if not all(isinstance(key.expr, exp.Column) for key in keys):
        return None
    return [(names.index(key.expr.name), key.descending) for key in keys]


def _given(project: ProjectExec) -> list[int] | None:
    """The places of the columns that a projection passes as they are; None where it computes some."""
    if not all(isinstance(item.expr, exp.Column) for item in project.exprs):
        return None
    return [project.input.schema.index(item.expr.name) for item in project.exprs]
