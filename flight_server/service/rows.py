"""The rows that a statement with effects writes, as a stream for the storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.errors import PlanningError
from engine.storage.conform import NOT_NULL
from flight_server.service.request import Request

if TYPE_CHECKING:
    from flight_server.service.statements import Statements

__all__ = ["Rows"]


@dataclass
class Rows:
    """The rows that some queries with their parameters give, to be read once. Each query starts when the last one ends.

    Where they are `marked`, the last column does not go out: rows where it is true count as `hits`, where it is NULL as
    `added`.
    """

    statements: Statements
    request: Request
    queries: Sequence[tuple[str, Sequence[pa.Scalar]]]
    marked: bool = False
    rows: int = 0
    hits: int = 0
    added: int = 0

    def __post_init__(self) -> None:
        self._snapshot = self.statements.catalog.snapshot(self.request.session)
        if not self.queries:
            raise PlanningError("No row of parameters was bound; bind at least one.")
        text, row = self.queries[0]
        self._first = self.statements.plan_row(self.request, text, row, self._snapshot)
        fields = list(self._first.schema)[: -1 if self.marked else None]
        # A column of nothing but NULLs is one of integers, as in the kernel's own tables.
        self._schema = pa.schema([f.with_type(pa.int32()) if pa.types.is_null(f.type) else f for f in fields])

    def keep(self, fields: Mapping[str, pa.Field]) -> None:
        """Give columns of these names what `fields` keep of them: defaults, and types that mean the same values."""
        self._schema = pa.schema([_kept(field, fields.get(field.name, field)) for field in self._schema])

    def reader(self) -> pa.RecordBatchReader:
        """The stream; it fails where the call is cancelled, before its end."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for position, (text, row) in enumerate(self.queries):
            plan = self._first
            if position:
                with self.request.call.cancellation.heeded():
                    plan = self.statements.plan_row(self.request, text, row, self._snapshot)
            with self.statements.execute(self.request, plan) as result:
                for batch in result:
                    yield self._counted(batch)
        self.request.call.poll()
        self.request.call.cancellation.check()

    def _counted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.rows += batch.num_rows
        columns = list(batch.columns)
        if self.marked:
            marks = columns.pop()
            self.hits += marks.true_count
            self.added += marks.null_count
        cast = [column.cast(field.type) for column, field in zip(columns, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(cast, schema=self._schema)


def _kept(field: pa.Field, stored: pa.Field) -> pa.Field:
    """`field` with the metadata of `stored`, and with its type where the kernel gives those values in another form."""
    t = pa.types
    pairs = ((t.is_large_string, t.is_string), (t.is_large_binary, t.is_binary), (t.is_fixed_size_binary, t.is_binary))
    same = any(of(stored.type) and given(field.type) for of, given in pairs)
    metadata = dict(stored.metadata or {})
    if not stored.nullable:
        metadata[NOT_NULL] = b"true"
    return pa.field(field.name, stored.type if same else field.type, metadata=metadata or None)
