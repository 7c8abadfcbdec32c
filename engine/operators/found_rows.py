"""FoundRowsExec: what a search finds, in its order, without a statement of the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from engine.logical.columns import conjuncts, substitute
from engine.logical.nodes import SortKey, col
from engine.operators.direct_rows import direct_rows
from engine.operators.filter import FilterExec
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
        source = ctx.open(self.table, ScanRequest(self.read))
        if not isinstance(source, ArrowSource) or not isinstance(source.data, pa.Table):
            return None
        rows = source.data
        if not source.in_order:
            keys = [(name, "descending" if descends else "ascending") for name, descends in self.keys]
            rows = rows.take(pc.sort_indices(rows, sort_keys=keys).slice(0, self.count))
        columns = [rows.column(place) for place in self.places]
        if [column.type for column in columns] != self.direct_schema.types:
            return None
        return direct_rows(columns, self.direct_schema)


def found_rows(outline: PhysicalOperator, schema: pa.Schema) -> PhysicalOperator | None:
    """The operator for a statement that does no more than a search, as its `outline` tells; None for another.

    Another sort in the order that the search has anyway is no more, nor are conditions that all it finds meets.
    `schema` is that of the result.
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
            given = node.passed_columns()
            if given is None:
                return None
            places = [given[place] for place in places]
            sorts = [[(given[place], descends) for place, descends in keys] for keys in sorts]
        node = node.input
    conditions: list[exp.Expr] = []
    if isinstance(node, FilterExec):
        conditions, node = conjuncts(node.predicate), node.input
    if not isinstance(node, TopNExec) or node.offset or not isinstance(node.input, TableScanExec):
        return None
    scan, search = node.input, node.input.table.search
    keys = _columns(node.keys, scan.aliases)
    if search is None or keys is None or search.request.k != node.count or (scan.filter or scan.limit) is not None:
        return None
    names = tuple(c.name for c in scan.columns)
    stored: dict[str, exp.Expr] = {alias: col(name) for alias, name in zip(scan.aliases, names, strict=True)}
    held = {part for condition in search.held for part in _bounds(condition)}
    if not all(held.issuperset(_bounds(substitute(condition, stored))) for condition in conditions):
        return None
    orders = [[(names[place], descends) for place, descends in own] for own in (keys, *sorts)]
    if orders[0] != search.order or any(own != search.order[: len(own)] for own in orders):
        return None
    read = tuple(dict.fromkeys(names[place] for place in (*places, *(place for place, _ in keys))))
    at = tuple(read.index(names[place]) for place in places)
    return FoundRowsExec(outline, scan.table, read, at, tuple(orders[0]), node.count, schema)


def _columns(keys: Sequence[SortKey], names: Sequence[str]) -> list[tuple[int, bool]] | None:
    """The places of the columns that are sorted by, and whether they descend; None where something is computed."""
    if not all(isinstance(key.expr, exp.Column) for key in keys):
        return None
    return [(names.index(key.expr.name), key.descending) for key in keys]


def _bounds(condition: exp.Expr) -> list[exp.Expr]:
    """A condition as the kernel writes it of a table alone: both bounds of a BETWEEN by themselves."""
    inner = condition.unnest()
    if not isinstance(inner, exp.Between):
        return [inner]
    value, low, high = inner.this, inner.args["low"], inner.args["high"]
    return [exp.GTE(this=value.copy(), expression=low.copy()), exp.LTE(this=value.copy(), expression=high.copy())]
