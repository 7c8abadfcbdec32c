"""TableScanExec: columns of one table version, or of some of its splits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pyarrow as pa
from sqlglot import exp

from engine.operators.empty import EmptyExec
from engine.operators.lateral_queries import query_statement, search_each
from engine.operators.sql import identifier, over, show
from engine.physical import ExecutionContext, PhysicalOperator, SourceBinder
from engine.schema import Column
from engine.storage.protocol import ArrowSource, ScanRequest, Split, TableHandle

__all__ = ["Addresses", "TableScanExec"]


@dataclass(frozen=True)
class Addresses:
    """The addresses of rows: the only column of what `rows` computes."""

    rows: PhysicalOperator

    def find(self, ctx: ExecutionContext) -> pa.Array:
        """Compute them, in the order in which they come. Raises the execution errors."""
        with ctx.run(self.rows) as reader:
            found = [batch.column(0) for batch in reader]
        return pa.concat_arrays(found) if found else pa.array([], pa.uint64())


@dataclass(frozen=True)
class TableScanExec(PhysicalOperator):
    """Reads `columns` of `table` under the names `aliases`; `filter` is written over the aliases.

    With `splits`, reads those parts only. `is_lookup`: an index finds the few rows of the filter, so the table is not
    cut into parts. `direct_schema` is the Arrow schema in which the kernel gives these columns: rows that lie in
    storage in just that schema may go out as they are. `wanted` finds the rows first, without the columns whose values
    lie beside them; see `late_reads`.
    """

    table: TableHandle
    columns: tuple[Column, ...]
    aliases: tuple[str, ...]
    filter: exp.Expr | None = None
    limit: int | None = None
    splits: tuple[Split, ...] | None = None
    direct_schema: pa.Schema | None = field(default=None, compare=False)
    is_lookup: bool = False
    wanted: Addresses | None = None

    @property
    def schema(self) -> tuple[str, ...]:
        return self.aliases

    @property
    def request(self) -> ScanRequest:
        """What is asked of the storage, over the table's own column names."""
        own = dict(zip(self.aliases, (c.name for c in self.columns), strict=True))
        pushed = None
        if self.filter is not None:
            pushed = self.filter.transform(
                lambda n: exp.column(identifier(own[n.name])) if isinstance(n, exp.Column) else n
            )
        return ScanRequest(tuple(c.name for c in self.columns), pushed, self.limit)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del inputs
        whole = self.splits is None or self.wanted is not None
        parts = [self._read(data, sources) for data in ((self.table,) if whole else self.splits or ())]
        if not parts:
            named = tuple(Column(a, c.type) for a, c in zip(self.aliases, self.columns, strict=True))
            return EmptyExec(named).relation((), sources)
        union: exp.Select | exp.SetOperation = parts[0]
        for part in parts[1:]:
            union = exp.Union(this=union, expression=part, distinct=False)
        select = over(union) if self.filter is not None or self.limit is not None or len(parts) > 1 else parts[0]
        if self.filter is not None:
            select.set("where", exp.Where(this=sources.expression(self.filter)))
        if self.limit is not None:
            select.set("limit", exp.Limit(expression=exp.Literal.number(self.limit)))
        return select

    def _read(self, data: TableHandle | Split, sources: SourceBinder) -> exp.Select:
        request = self.request
        if self.wanted is not None:
            request = replace(request, addresses=self.wanted.find(sources.context))
        source = self._search_source(data, sources) if self._is_each else sources.open(data, request)
        bound = sources.bind(source, self.columns)
        if isinstance(source, ArrowSource) and self.columns and self.aliases == tuple(c.name for c in self.columns):
            return bound  # whose columns are these, in this order
        items: list[exp.Expr] = [
            exp.alias_(exp.column(identifier(c.name)), identifier(alias), copy=False)
            for c, alias in zip(self.columns, self.aliases, strict=True)
        ]
        return over(bound, *(items or [exp.alias_(exp.Literal.number(1), identifier("__row"))]))

    @property
    def _is_each(self) -> bool:
        return self.table.search is not None and self.table.search.queries is not None

    def _search_source(self, data: TableHandle | Split, sources: SourceBinder) -> ArrowSource:
        """What is found for each of many queries, or for those in a share of them."""
        assert self.table.search is not None
        assert self.table.search.queries is not None
        queries = self.table.search.queries
        scans = tuple((name, TableScanExec(t, own, tuple(c.name for c in own))) for name, t, own in queries.tables)
        first, count = data.part if isinstance(data, Split) else (0, 1)
        return search_each(self.table, self.request, query_statement(queries, scans), (first, count), sources.context)

    def direct(self, ctx: ExecutionContext) -> pa.RecordBatchReader | None:
        if (
            self.direct_schema is None
            or self.table.search is not None
            or self.filter is not None
            or self.limit is not None
            or self.splits is not None
        ):
            return None
        source = ctx.open(self.table, self.request)
        if not isinstance(source, ArrowSource):
            return None
        data = source.data
        if isinstance(data, pa.Table):
            data = data.to_reader()
        elif not isinstance(data, pa.RecordBatchReader):
            data = data.scanner(columns=list(self.request.columns)).to_reader()
        if data.schema.remove_metadata() != self.direct_schema.remove_metadata():
            return None
        # Equal schemas may name the items of their lists and maps in other ways.
        return data if data.schema.equals(self.direct_schema, check_metadata=True) else data.cast(self.direct_schema)

    def describe(self) -> str:
        text = f"TableScanExec {self.table.name} [{', '.join(self.aliases)}]"
        if self.table.search is not None:
            text += f" search=({self.table.search})"
        if self.filter is not None:
            text += f" filter={show(self.filter)}"
        if self.limit is not None:
            text += f" limit={self.limit}"
        if self.splits is not None:
            text += f" splits={len(self.splits)}"
        return text

    def with_splits(self, splits: tuple[Split, ...]) -> TableScanExec:
        """The same scan over some parts of the table."""
        return replace(self, splits=splits)
