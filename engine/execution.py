"""From an operator tree to one kernel statement, and its stream."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from sqlglot import exp
from sqlglot.dialects import DuckDB

from engine.cancellation import Cancellation
from engine.hidden_columns import STORED
from engine.kernel_progress import KernelProgress, StreamProgress, Watch
from engine.made_of_plans import MadeOfPlans
from engine.metrics import OperatorMetrics
from engine.operators.collect import CollectExec
from engine.operators.join import JoinExec
from engine.operators.late_reads import late_reads
from engine.operators.sql import identifier, over
from engine.operators.sql_query import SqlExec
from engine.operators.table_scan import TableScanExec
from engine.physical import ExecutionContext, PhysicalOperator, SourceBinder, walk
from engine.run_progress import RunProgress
from engine.schema import RowType
from engine.storage.protocol import KernelSource, ScanRequest, Source, Split, TableHandle
from engine.storage.stored_types import declared_type
from engine.streams import SlicedStream, StreamCounters, slice_stream
from engine.travel_types import Boundary, arriving_item, is_retyped

__all__ = ["Statement", "StatementCache", "compile_statement", "run"]


_MAX_REMEMBERED = 64_000  # characters
_DIALECT = DuckDB()


@dataclass(frozen=True)
class Statement:
    """Kernel SQL and the Arrow data that it reads by name.

    `joined` says whether relations meet in it, or may be read more than once, so that streams will not do. `lengths`
    are the rows of streams, by name, where they are known. Without a table that it `reads` it is not followed: the
    least of statements are not to take longer for that.
    """

    sql: str
    sources: dict[str, Any]
    joined: bool = False
    lengths: Mapping[str, int] = field(default_factory=dict)
    reads: bool = False


@dataclass(frozen=True)
class _OpenedScan:
    """What a scan read, and what it asked for."""

    data: TableHandle | Split
    request: ScanRequest
    source: Source


@dataclass
class _Compiler(SourceBinder):
    """Compiles one tree. What several places share becomes a CTE of the outermost statement."""

    ctx: ExecutionContext | None
    sources: dict[str, Any] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    ctes: dict[str, exp.Select] = field(default_factory=dict)
    raws: dict[str, str] = field(default_factory=dict)
    readers: dict[str, int] = field(default_factory=dict)
    scans: int = 0
    opened: list[_OpenedScan] = field(default_factory=list)

    @property
    def context(self) -> ExecutionContext:
        if self.ctx is None:
            raise RuntimeError("this statement is compiled for its types only")
        return self.ctx

    def compile(self, operator: PhysicalOperator) -> exp.Select:
        if isinstance(operator, CollectExec) and operator.name in self.ctes:
            return self._read_shared(operator.name)
        return operator.relation(tuple(self.compile(child) for child in operator.children), self)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        source = self.context.open(data, request)
        self.opened.append(_OpenedScan(data, request, source))
        return source

    def bind(self, source: Source, columns: RowType) -> exp.Select:
        self.scans += 1
        if isinstance(source, KernelSource):
            return source.query.copy()
        name = f"__s{len(self.sources)}"
        self.sources[name] = source.data
        if source.length is not None:
            self.lengths[name] = source.length
        items: list[exp.Expr] = []
        rows: exp.Expr = exp.Table(this=identifier(name))
        declared = {field.name: declared_type(field) for field in source.data.schema}
        stored = {c.name for c in columns if declared.get(c.name) == c.type}
        if stored:  # under names by which errors can tell that it is what is stored that has no cast
            named = [
                exp.alias_(exp.column(identifier(c.name)), identifier(STORED + c.name))
                if c.name in stored
                else exp.column(identifier(c.name))
                for c in columns
            ]
            rows = exp.Subquery(this=exp.Select(expressions=named, from_=exp.From(this=rows)))
        for c in columns:
            column: exp.Expr = exp.column(identifier(c.name))
            if c.name in stored:
                made = exp.Var(this=arriving_item(STORED + c.name, c.type))
                column = exp.alias_(made, identifier(c.name), copy=False)
            elif is_retyped(c.type):
                to = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=c.type)
                column = exp.alias_(exp.Cast(this=column, to=to), identifier(c.name), copy=False)
            items.append(column)
        if not items:
            items.append(exp.alias_(exp.Literal.number(1), identifier("__row")))
        return exp.Select(expressions=items, from_=exp.From(this=rows))

    def share(self, name: str, relation: exp.Select) -> exp.Select:
        self.ctes.setdefault(name, relation)
        return self._read_shared(name)

    def raw(self, text: str) -> exp.Table:
        name = f"__raw{len(self.raws)}"
        self.raws[name] = text
        return exp.Table(this=identifier(name))

    def expression(self, expr: exp.Expr) -> exp.Expr:
        return expr.copy()

    def statement(self, root: exp.Select) -> Statement:
        if self.ctes:
            ctes = [
                exp.CTE(
                    this=query,
                    alias=exp.TableAlias(this=identifier(name)),
                    # Its sources may be streams, which can be read once.
                    materialized=True if self.readers[name] > 1 else None,
                )
                for name, query in self.ctes.items()
            ]
            root = over(root) if root.args.get("with_") else root
            root.set("with_", exp.With(expressions=ctes))
        sql = re.sub(
            r'"(__raw\d+)"',
            lambda found: f"({self.raws[found[1]]})" if found[1] in self.raws else found[0],
            root.sql(_DIALECT, copy=False),
        )
        return Statement(sql, self.sources, lengths=self.lengths, reads=self.scans > 0)

    def _read_shared(self, name: str) -> exp.Select:
        self.readers[name] = self.readers.get(name, 0) + 1
        return exp.Select(expressions=[exp.Star()], from_=exp.From(this=exp.Table(this=identifier(name))))


def compile_statement(operator: PhysicalOperator, ctx: ExecutionContext | None) -> Statement:
    """One kernel statement for the whole subtree. Without a context, its leaves must not be tables."""
    return _compile(operator, _Compiler(ctx))


class StatementCache:
    """The statements of plans that run again. Thread-safe.

    A statement is good as long as its scans open to the very objects that it was compiled over: storages give the same
    one for files that have not changed. What reads Arrow data or is very long is compiled each time.
    """

    def __init__(self) -> None:
        self._made: MadeOfPlans[tuple[tuple[_OpenedScan, ...], Statement]] = MadeOfPlans()

    def compile(self, operator: PhysicalOperator, ctx: ExecutionContext) -> Statement:
        """As `compile_statement`."""
        known = self._made.get(operator)
        if known is not None and all(ctx.open(scan.data, scan.request) is scan.source for scan in known[0]):
            return known[1]
        compiler = _Compiler(ctx)
        statement = _compile(operator, compiler)
        if not statement.sources and len(statement.sql) <= _MAX_REMEMBERED:
            self._made.put(operator, (tuple(compiler.opened), statement))
        return statement


def _compile(operator: PhysicalOperator, compiler: _Compiler) -> Statement:
    nodes = list(walk(operator))
    if any(isinstance(node, TableScanExec) and node.table.beside for node in nodes):
        operator = late_reads(operator)
    statement = compiler.statement(compiler.compile(operator))
    whole = any(isinstance(node, SqlExec) and node.reads_again for node in nodes)
    return replace(statement, joined=whole or (compiler.scans > 1 and any(_meets(node) for node in nodes)))


def _meets(operator: PhysicalOperator) -> bool:
    """Whether several relations may meet in an operator, so that their sizes matter."""
    return isinstance(operator, JoinExec | SqlExec)


def run(
    operator: PhysicalOperator,
    ctx: ExecutionContext,
    boundary: Boundary = Boundary.CLIENT,
    statements: StatementCache | None = None,
    columns: RowType | None = None,
    follow: Callable[[RunProgress], None] = lambda _: None,
    watch: Watch | None = None,
) -> SlicedStream:
    """Execute the subtree for who stands behind `boundary`; the stream's batches stay under one Flight message.

    `statements` spare the compilation of a subtree that has run before, its `columns` the kernel to be asked for them.
    Rows that go out as they lie in storage do not pass through the kernel. `follow` is given what tells how far it is,
    before it runs; `watch` says what the kernel notes of it, without that what it uses where it reads tables. Raises
    the execution errors.
    """
    ctx.cancellation.check()
    started = time.monotonic()

    def record(counters: StreamCounters) -> None:
        given, seconds = counters.now, time.monotonic() - started
        metrics = OperatorMetrics(given.rows, given.batches, given.bytes, seconds)
        ctx.metrics_sink.record(type(operator).__name__, metrics)

    reader = operator.direct(ctx) if boundary is Boundary.CLIENT else None
    if reader is not None:
        stream = _straight(reader, ctx.cancellation, record)
        follow(StreamProgress(stream.counters, operator.table.rows if isinstance(operator, TableScanExec) else None))
        return stream
    operator = operator.fallback
    compiled = compile_statement if statements is None else statements.compile
    statement = compiled(operator, ctx)
    is_watched = statement.reads or watch is not None
    progress = KernelProgress(statement.lengths, watch or Watch.USE) if is_watched else None
    if progress is not None:
        follow(progress)
    return ctx.kernel.stream(
        statement.sql,
        statement.sources,
        ctx.cancellation,
        on_close=record,
        resident=statement.joined,
        boundary=boundary,
        columns=columns,
        progress=progress,
    )


def _straight(
    reader: pa.RecordBatchReader, cancellation: Cancellation, on_close: Callable[[StreamCounters], None]
) -> SlicedStream:
    """`reader` as a stream that cancelling stops."""
    # What the stream calls at its end must not hold the stream.
    counters: StreamCounters | None = None
    forget: Callable[[], None] | None = None

    def close() -> None:
        if forget is not None:
            forget()
        if counters is not None:
            on_close(counters)

    stream = slice_stream(reader, on_close=close)
    counters = stream.counters
    forget = cancellation.on_cancel(stream.stop)
    return stream
