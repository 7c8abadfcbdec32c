"""INSERT of rows of parameters that come in as a stream: one change of the table, however many they are.

Most statements make one row of each row of parameters and look at nothing else:

    INSERT INTO t VALUES (?, upper(?))
    SELECT CAST(p1 AS BIGINT), CAST(upper(p2) AS VARCHAR) FROM bound

where `bound` are rows as they come in, some thousands at a time. That means the same, since each parameter has the type
that its value has as a constant. For other statements, constants are put into the text as for a few rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Protocol

import pyarrow as pa

from engine.arrow_validation import kernel_rows_are_valid
from engine.errors import InvalidValueError, PlanningError, TypeMismatchError
from engine.hidden_columns import MARK
from engine.kernel import Kernel, quote
from engine.kernel_errors import execution_error
from engine.literals import type_text
from engine.logical.nodes import LogicalPlan, Project, Rename, Scan, SqlQuery, in_operators, walk
from engine.physical import PhysicalPlan
from engine.schema import Column, RowType
from engine.schema_inference import plan_columns
from engine.sql import syntax
from engine.sql.shown_columns import stored_schema
from engine.statements.catalog import Target
from engine.statements.context import StatementContext
from engine.statements.descriptions import Insert
from engine.statements.parameter_rows import parameter_rows
from engine.statements.planning import ParameterStream, Planning
from engine.statements.rewriting import InsertText, full_name
from engine.storage.alignment import align
from engine.storage.memory_tables import MEMORY
from engine.storage.protocol import DEFAULT_SCHEMA, Snapshot, TableHandle, TableName, Version, WriteMode
from engine.storage.stored_types import storable_type, stored_fields
from engine.streams import scoped_reader
from engine.travel_types import Boundary

__all__ = ["BoundInserts"]

_ROWS = 16_384
_BYTES = 16 << 20
_ROWS_IN_TEXT = 250
_BOUND = TableName(DEFAULT_SCHEMA, f"{MARK}bound")  # which no statement can name
_ROW_BY_ROW = (Project, Rename, Scan)
_OF_A_VALUE = (InvalidValueError, PlanningError)


class _Maker(Protocol):
    """Makes rows of a table of rows of parameters, of at most `at_once` of them."""

    at_once: int
    columns: RowType

    def make(self, context: StatementContext, given: pa.Table) -> Iterator[pa.RecordBatch]: ...


class BoundInserts:
    """Appends what statements make of streams of parameters, all of it or nothing."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning

    def append(self, context: StatementContext, target: Target, text: InsertText, stream: ParameterStream) -> int:
        """Run an INSERT for each row of `stream`; how many rows it appended.

        An error of a value tells in which row of parameters it is. Raises what `Storage.write` raises.
        """
        given = _tables(stream)
        first = next(given, None)
        if first is None:
            return 0
        with context.cancellation.scope():
            snapshot = self._planning.catalog.snapshot(context.session)
            maker: _Maker | None = _over_rows(self._planning, context, snapshot, text, stream.schema)
            if maker is None:
                maker = _InText(self._planning, context, snapshot, text, first)
            stored = stored_schema(target.storage, target.storage.snapshot().table(target.name))
            schema = stored_fields(self._planning.frontend.kernel, maker.columns)
        appended = _RowsToAppend(context, target, maker, schema, _required_names(stored))
        with scoped_reader(schema, appended.batches(chain([first], given))) as reader:
            return target.storage.write(
                target.name, reader, WriteMode.APPEND, is_valid=kernel_rows_are_valid(reader.schema)
            )


@dataclass(frozen=True)
class _RowsToAppend:
    """What is appended: `schema` are its fields as they are stored; those of `required` take no NULLs."""

    context: StatementContext
    target: Target
    maker: _Maker
    schema: pa.Schema
    required: frozenset[str]

    def batches(self, given: Iterable[pa.Table]) -> Generator[pa.RecordBatch, None, None]:
        """The rows, as they are made."""
        context, before = self.context, 0
        for table in given:
            for start in range(0, table.num_rows, self.maker.at_once):
                context.cancellation.check()
                part = table.slice(start, self.maker.at_once)
                try:
                    yield from self._make(part)
                except _OF_A_VALUE as error:
                    row = before + start + self._failing_row(part) + 1
                    error.args = (f"In row {row} of the parameters: {error.args[0]}", *error.args[1:])
                    raise
            before += table.num_rows
        context.poll()
        context.cancellation.check()

    def _make(self, part: pa.Table) -> Iterator[pa.RecordBatch]:
        for batch in self.maker.make(self.context, part):
            columns = [column.cast(field.type) for column, field in zip(batch.columns, self.schema, strict=True)]
            for field, column in zip(self.schema, columns, strict=True):
                if field.name.lower() in self.required and column.null_count:
                    name = self.target.shown
                    raise InvalidValueError(
                        f'Column "{field.name}" of table "{name}" takes no NULLs; the data has some.'
                    )
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _failing_row(self, part: pa.Table) -> int:
        """The first row of `part` that fails, found by halving."""
        low, high = 0, part.num_rows
        while high - low > 1:
            middle = (low + high) // 2
            try:
                for _ in self._make(part.slice(low, middle - low)):
                    pass
                low = middle
            except _OF_A_VALUE:
                high = middle
        return low


# ---- rows of parameters as a relation


class _OverRows:
    """Runs one text of the kernel's over rows of parameters, which are the table `name` in it."""

    at_once = _ROWS

    def __init__(self, kernel: Kernel, text: str, name: str, columns: RowType) -> None:
        self._kernel, self._text, self._name = kernel, text, name
        self._columns = columns
        self.columns = _storable(columns)

    def make(self, context: StatementContext, given: pa.Table) -> Iterator[pa.RecordBatch]:
        names = [_column(place) for place in range(given.num_columns)]
        named = pa.Table.from_batches(map(align, given.to_batches())).rename_columns(names)
        try:
            stream = self._kernel.stream(
                self._text,
                {self._name: named},
                context.cancellation,
                boundary=Boundary.STORAGE,
                columns=self._columns,
            )
            with closing(stream.reader) as reader:
                yield from reader
        except (pa.ArrowException, OSError) as error:
            context.cancellation.check()
            raise execution_error(error) from None


def _over_rows(
    planning: Planning, context: StatementContext, snapshot: Snapshot, text: InsertText, schema: pa.Schema
) -> _OverRows | None:
    """The statement over rows of parameters as a relation; None where that might mean something else."""
    kernel, session = planning.frontend.kernel, context.session
    bare = _bare_parameters(kernel, text.statement)
    parameters = (
        None if bare is None else _references(kernel, schema, bare, planning.told_types(session, text.in_text(1)))
    )
    if parameters is None:
        return None
    empty = pa.Table.from_batches([], _with_place_names(schema))
    handle = MEMORY.handle(_BOUND, MEMORY.hold((uuid.uuid4().hex,), "1", empty))
    try:
        plan = planning.logical(
            session, text.over(full_name(_BOUND), parameters), snapshot=_WithBound(snapshot, handle)
        )
    except PlanningError:  # of which a constant may be the remedy; else it is told with the client's own text
        return None
    query = plan.input if isinstance(plan, Rename) else plan
    if not isinstance(query, SqlQuery) or not _is_row_by_row(plan):
        return None
    ((name, _),) = query.inputs
    return _OverRows(kernel, query.query, name, plan_columns(plan, kernel))


def _is_row_by_row(plan: LogicalPlan) -> bool:
    """Whether each row comes of one row of the only table, and of nothing else."""
    operators = in_operators(plan)
    return operators is not plan and all(isinstance(node, _ROW_BY_ROW) for node in walk(operators))


def _bare_parameters(kernel: Kernel, statement: Insert) -> frozenset[str] | None:
    """The parameters that are items of a SELECT as they stand; None where it is more than its list."""
    if statement.ctes or len(statement.rows) > 1:
        return None
    if statement.query is None:
        return frozenset()
    tree = syntax.Tree(kernel.parse(statement.query))
    node = tree.root["node"]
    clauses = ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify", "modifiers")
    if node.get("type") != "SELECT_NODE" or any(node.get(clause) for clause in clauses):
        return None
    if (node.get("from_table") or {}).get("type") != "EMPTY" or syntax.cte_names(tree):
        return None
    if tree.expressions("STAR", "SUBQUERY", "WINDOW"):
        return None
    return frozenset(str(item["identifier"]) for item in node["select_list"] if item.get("class") == "PARAMETER")


def _references(
    kernel: Kernel, schema: pa.Schema, bare: frozenset[str], told: dict[str, str | None]
) -> list[str] | None:
    """What stands for each parameter; None where a column gives values of other types than constants would be.

    A text is a constant without a type, which takes that of its place.
    """
    if any(not _is_plain(field.type) for field in schema):
        return None
    found = []
    types = kernel.column_types(pa.Table.from_batches([], _with_place_names(schema)))
    for place, (field, own) in enumerate(zip(schema, types, strict=True)):
        reference, kind = quote(_column(place)), told.get(str(place + 1))
        if pa.types.is_null(field.type):
            found.append("NULL")
            continue
        if own.type != type_text(field.type):
            return None
        if own.type == "VARCHAR":
            kind = kind or ("VARCHAR" if str(place + 1) in bare else None)
            if kind is None:
                return None
            reference = reference if kind == "VARCHAR" else f"CAST({reference} AS {kind})"
        found.append(reference)
    return found


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a type is one of single values, which are what they lie in."""
    nested = pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType)
    return not nested and not pa.types.is_date64(kind)


def _column(place: int) -> str:
    return f"{MARK}p{place + 1}"


def _with_place_names(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(_column(place), field.type) for place, field in enumerate(schema)])


@dataclass(frozen=True)
class _WithBound:
    """`snapshot` with the rows of parameters as a table."""

    snapshot: Snapshot
    handle: TableHandle

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        return self.handle if name == _BOUND else self.snapshot.table(name, version, at)


# ---- rows of parameters as constants


class _InText:
    """Plans a text for some rows of parameters, which are constants in it, and runs that."""

    def __init__(
        self, planning: Planning, context: StatementContext, snapshot: Snapshot, text: InsertText, first: pa.Table
    ) -> None:
        self._planning, self._snapshot, self._text = planning, snapshot, text
        self.at_once = _ROWS_IN_TEXT if text.statement.rows and not text.statement.ctes else 1
        self.columns = _storable(self._plan(context, first.slice(0, 1)).columns)

    def make(self, context: StatementContext, given: pa.Table) -> Iterator[pa.RecordBatch]:
        with context.cancellation.scope():
            plan = self._plan(context, given)
        if _storable(plan.columns) != self.columns:
            raise TypeMismatchError("The rows of parameters give results of different types; cast them.")
        with self._planning.execute(replace(context, watch=lambda _: None), plan) as result:
            yield from result

    def _plan(self, context: StatementContext, given: pa.Table) -> PhysicalPlan:
        rows = parameter_rows(given.to_batches())
        values = [value for row in rows for value in row]
        return self._planning.storage_plan(context.session, self._text.in_text(len(rows)), values, self._snapshot)


# ----


def _tables(stream: ParameterStream) -> Iterator[pa.Table]:
    """The rows as they come in, in tables that are neither small nor large."""
    kept: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in stream.batches:
        most = max(1, min(_ROWS, batch.num_rows * _BYTES // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, most):
            part = batch.slice(start, most)
            kept.append(part)
            rows, size = rows + part.num_rows, size + part.nbytes
            if rows >= _ROWS or size >= _BYTES:
                yield pa.Table.from_batches(kept)
                kept, rows, size = [], 0, 0
    if kept:
        yield pa.Table.from_batches(kept)


def _storable(columns: RowType) -> RowType:
    return tuple(Column(c.name, storable_type(c)) for c in columns)


def _required_names(stored: pa.Schema) -> frozenset[str]:
    return frozenset(field.name.lower() for field in stored if not field.nullable)
