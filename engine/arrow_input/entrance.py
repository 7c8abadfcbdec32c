"""The way in for a stream of batches."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from engine.arrow_input.intervals import in_numbers, numbers_schema
from engine.arrow_input.plain import bytes_by_row, is_encoded, plain
from engine.arrow_input.types import entering_schema
from engine.arrow_input.values import check_values, needs_look
from engine.arrow_validation import invalid_column
from engine.errors import InvalidDataError, ResourceExhaustedError

__all__ = ["Entrance"]

_PIECE = 64 << 20  # bytes to which a piece may grow, and
_ROW = 256 << 20  # a single row, whose bound is coarse


class Entrance:
    """The way in for batches of one schema.

    `schema` is what they have behind it: the same columns, in types that the kernel and the storages take safely.
    Raises InvalidDataError or UnsupportedError, by the column's name, for a type that may not enter.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._given = schema
        self.schema = entering_schema(schema)
        self._numbers = numbers_schema(schema)
        self._encoded = [i for i, kind in enumerate(schema.types) if is_encoded(kind)]
        self._looked_at = [i for i, field in enumerate(self.schema) if needs_look(field)]

    def takes(self, schema: pa.Schema) -> bool:
        """Whether it is the way in for batches of this schema."""
        return bool(schema.equals(self._given, check_metadata=True))

    def admit(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """`batch` once it is checked in full, in one piece or, where its encodings hide much data, in several.

        Raises InvalidDataError for what is not valid, and ResourceExhaustedError for a single row that is too large.
        """
        if not batch.schema.equals(self._given):
            raise InvalidDataError("A batch of the data has another schema than its stream.")
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            raise InvalidDataError(self._invalid(error)) from None
        if self._numbers is not self._given:
            batch = in_numbers(batch, self._numbers)
        row = sum([bytes_by_row(batch.column(i)) for i in self._encoded])
        if row > _ROW:
            raise ResourceExhaustedError(
                f"A row of the data would have {row} bytes without its encodings; at most {_ROW} are taken."
            )
        rows = max(1, _PIECE // row if row else batch.num_rows)
        for start in range(0, max(1, batch.num_rows), rows):
            yield self._piece(batch.slice(start, rows))

    def _invalid(self, error: pa.ArrowException) -> str:
        column, told = invalid_column(error, self._given)
        what = "The data is" if column is None else f'Column "{column}" is'
        return f"{what} not valid Arrow data: {told}"

    def _piece(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not batch.num_columns:
            return batch  # of nothing else its number of rows could be told
        columns = [self._plain(column, field) for column, field in zip(batch.columns, self.schema, strict=True)]
        for i in self._looked_at:
            check_values(columns[i], self.schema.field(i))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _plain(self, column: pa.Array, field: pa.Field) -> pa.Array:
        try:
            return plain(column, field.type)
        except pa.ArrowException:
            raise InvalidDataError(f'Column "{field.name}" has values that do not fit the type {field.type}.') from None
