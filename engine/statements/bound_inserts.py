"""INSERT of rows of parameters that come in as a stream: one change of the table, however many they are.

Most statements make one row of each row of parameters and look at nothing else:

    INSERT INTO t VALUES (?, upper(?))

They are one statement of the kernel over the rows as they come in, some thousands at a time (`over_rows`). For other
statements, constants are put into the text.

Few rows, also of literals in the text, are made by such a statement where it is known from before: see `KnownInserts`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Protocol

import pyarrow as pa

from engine.arrow_validation import kernel_rows_are_valid
from engine.errors import InvalidValueError, PlanningError, TypeMismatchError
from engine.physical import PhysicalPlan
from engine.schema import RowType
from engine.sql.shown_columns import stored_schema
from engine.statements.catalog import Target
from engine.statements.context import StatementContext, watch_nothing
from engine.statements.known_inserts import KnownInserts, table_of
from engine.statements.over_rows import over_rows, storable_columns
from engine.statements.parameter_rows import parameter_rows
from engine.statements.planning import Parameters, ParameterStream, Planning
from engine.statements.rewriting import InsertText
from engine.statements.session import Session
from engine.storage.protocol import Snapshot, WriteMode
from engine.storage.stored_types import stored_fields
from engine.streams import scoped_reader

__all__ = ["OF_A_VALUE", "BoundInserts"]

_ROWS = 16_384
_BYTES = 16 << 20
_ROWS_IN_TEXT = 250
OF_A_VALUE = (InvalidValueError, PlanningError)
"""Errors that may be about one of the values that are appended."""


class _Maker(Protocol):
    """Makes rows of a table of rows of parameters, of at most `at_once` of them."""

    at_once: int
    columns: RowType

    def make(self, context: StatementContext, given: pa.Table) -> Iterator[pa.RecordBatch]: ...


class BoundInserts:
    """Appends what statements make of streams of parameters, all of it or nothing."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning
        self._known = KnownInserts(planning)

    def append_few(self, context: StatementContext, target: Target, text: InsertText, rows: Parameters) -> int | None:
        """Run an INSERT for few rows by what is known from runs with other values; how many rows it appended.

        None where nothing is known, or a value is no good, which is told best of the statement with its values.
        """
        with context.cancellation.scope():
            try:
                made = self._known.rows(context, text, rows)
            except OF_A_VALUE:
                return None
        if made is None:
            return None
        context.poll()
        context.cancellation.check()
        context.tell_plan(partial(self._explain, context.session, text, rows))
        return target.storage.write(target.name, made.to_reader(), WriteMode.APPEND)

    @staticmethod
    def stream_of(rows: Parameters) -> ParameterStream | None:
        """Rows of parameters that are there as a stream; None where they are not alike."""
        given = table_of(rows)
        return None if given is None else ParameterStream(given.schema, given.to_batches())

    def _explain(self, session: Session, text: InsertText, rows: Parameters) -> str:
        """The plan of the statement by itself, for those who ask while it runs."""
        copies = len(rows) if text.statement.rows and not text.statement.ctes else 1
        values = [value for row in rows[:copies] for value in row]
        return self._planning.explain(self._planning.plan(session, text.in_text(copies), values))

    def append(self, context: StatementContext, target: Target, text: InsertText, stream: ParameterStream) -> int:
        """Run an INSERT for each row of `stream`; how many rows it appended.

        An error of a value tells in which row of parameters it is. Raises what `Storage.write` raises.
        """
        context = replace(context, watch=watch_nothing)  # what is counted is what comes in
        given = _tables(stream)
        first = next(given, None)
        if first is None:
            return 0
        with context.cancellation.scope():
            snapshot = self._planning.catalog.snapshot(context.session)
            maker: _Maker | None = over_rows(self._planning, context, snapshot, text, stream.schema)
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
                except OF_A_VALUE as error:
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
            except OF_A_VALUE:
                high = middle
        return low


# ---- rows of parameters as constants


class _InText:
    """Plans a text for some rows of parameters, which are constants in it, and runs that."""

    def __init__(
        self, planning: Planning, context: StatementContext, snapshot: Snapshot, text: InsertText, first: pa.Table
    ) -> None:
        self._planning, self._snapshot, self._text = planning, snapshot, text
        self.at_once = _ROWS_IN_TEXT if text.statement.rows and not text.statement.ctes else 1
        self.columns = storable_columns(self._plan(context, first.slice(0, 1)).columns)

    def make(self, context: StatementContext, given: pa.Table) -> Iterator[pa.RecordBatch]:
        with context.cancellation.scope():
            plan = self._plan(context, given)
        if storable_columns(plan.columns) != self.columns:
            raise TypeMismatchError("The rows of parameters give results of different types; cast them.")
        with self._planning.execute(context, plan) as result:
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


def _required_names(stored: pa.Schema) -> frozenset[str]:
    return frozenset(field.name.lower() for field in stored if not field.nullable)
