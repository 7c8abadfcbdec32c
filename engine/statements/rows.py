"""The rows that a statement with effects writes, as a stream for the storage."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from engine.arrow_validation import kernel_rows_are_valid
from engine.errors import PlanningError, TypeMismatchError
from engine.physical import PhysicalPlan
from engine.schema import Column, RowType
from engine.sql.instants import current_instant, one_instant
from engine.statements.catalog import Target
from engine.statements.context import StatementContext, watch_nothing
from engine.statements.planning import Planning
from engine.storage.conform import NOT_NULL
from engine.storage.protocol import FragmentSink, Snapshot, WriteMode
from engine.storage.stored_types import STORED_TYPE, storable_type, stored_fields
from engine.streams import scoped_reader

__all__ = ["Rows"]


@dataclass
class _WriteTotals:
    """What was written elsewhere so far."""

    rows: int = 0
    bytes: int = 0
    is_finished: bool = False


@dataclass
class Rows:
    """The rows that some queries with their parameters give, to be read once. Each query starts when the last one ends.

    They are in the stored forms of their types. Where they are `marked`, the last column does not go out: rows where it
    is true count as `hits`, where it is NULL as `added`.
    """

    planning: Planning
    context: StatementContext
    queries: Sequence[tuple[str, Sequence[pa.Scalar]]]
    marked: bool = False
    snapshot: Snapshot | None = None
    """What the queries read; the tables as they are now where it is left out."""
    rows: int = 0
    hits: int = 0
    added: int = 0

    def __post_init__(self) -> None:
        self.snapshot = self.snapshot or self.planning.catalog.snapshot(self.context.session)
        if not self.queries:
            raise PlanningError("No row of parameters was bound; bind at least one.")
        self._instant = current_instant()
        text, row = self.queries[0]
        self._first = self._plan(text, row)
        self._columns = self._storable(self._first)
        self._schema = stored_fields(self.planning.frontend.kernel, self._columns)

    @property
    def schema(self) -> pa.Schema:
        """The fields in which the rows are stored."""
        return self._schema

    @property
    def is_valid(self) -> bool:
        """Whether a storage need not validate the rows."""
        return kernel_rows_are_valid(self._schema)

    def keep(self, fields: Mapping[str, pa.Field]) -> None:
        """Give columns of these names what `fields` keep of them: defaults, and types that mean the same values."""
        self._schema = pa.schema([_keep_field(field, fields.get(field.name, field)) for field in self._schema])

    def into(self, write: Callable[[pa.RecordBatchReader], int]) -> int:
        """Give the stream to `write`, and return what it does. The stream fails where the call is cancelled."""
        with scoped_reader(self._schema, self._batches()) as reader:
            return write(reader)

    def store(self, target: Target, mode: WriteMode) -> int:
        """Write the rows to a table, or have them written where they are made; returns how many, as `Storage.write`."""
        storage, name = target.storage, target.name
        apart = len(self.queries) == 1 and not self.marked and storage.takes_fragments(name)
        writers = self._write_fragments if apart and self.planning.write_plan(self._first, name) else None
        return self.into(lambda reader: storage.write(name, reader, mode, is_valid=self.is_valid, writers=writers))

    def _write_fragments(self, sink: FragmentSink) -> Sequence[str]:
        plan = self.planning.write_plan(self._first, sink.table, sink)
        if plan is None:
            raise ValueError("the rows of this plan come here")
        written = _WriteTotals()
        self.context.watch(written)
        told: list[str] = []
        with self.planning.execute(replace(self.context, watch=watch_nothing), plan) as result:
            for task in (row for batch in result for row in batch.to_pylist()):
                told += task["fragments"]
                written.rows += task["rows"]
                written.bytes += task["bytes"]
        written.is_finished = True
        self.context.poll()
        self.context.cancellation.check()
        return told

    def _batches(self) -> Generator[pa.RecordBatch, None, None]:
        for position, (text, row) in enumerate(self.queries):
            plan = self._first
            if position:
                with self.context.cancellation.scope():
                    plan = self._plan(text, row)
                if self._storable(plan) != self._columns:
                    raise TypeMismatchError("The rows of parameters give results of different types; cast them.")
            with self.planning.execute(self.context, plan) as result:
                for batch in result:
                    yield self._count(batch)
        self.context.poll()
        self.context.cancellation.check()

    def _plan(self, text: str, row: Sequence[pa.Scalar]) -> PhysicalPlan:
        with one_instant(self._instant):
            return self.planning.storage_plan(self.context.session, text, row, self.snapshot)

    def _storable(self, plan: PhysicalPlan) -> RowType:
        columns = plan.columns[: -1 if self.marked else None]
        return tuple(Column(c.name, storable_type(c)) for c in columns)

    def _count(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.rows += batch.num_rows
        columns = list(batch.columns)
        if self.marked:
            marks = columns.pop()
            self.hits += marks.true_count
            self.added += marks.null_count
        cast = [column.cast(field.type) for column, field in zip(columns, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(cast, schema=self._schema)


def _keep_field(field: pa.Field, stored: pa.Field) -> pa.Field:
    """`field` with what else `stored` keeps, and with its type where the kernel gives those values in another form."""
    t = pa.types
    pairs = ((t.is_large_string, t.is_string), (t.is_large_binary, t.is_binary), (t.is_fixed_size_binary, t.is_binary))
    same = any(of(stored.type) and given(field.type) for of, given in pairs)
    metadata = {key: value for key, value in (stored.metadata or {}).items() if key != STORED_TYPE}
    if field.metadata:
        metadata |= field.metadata
    if not stored.nullable:
        metadata[NOT_NULL] = b"true"
    return pa.field(field.name, stored.type if same else field.type, metadata=metadata or None)
