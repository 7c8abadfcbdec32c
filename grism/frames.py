"""Data of a program as Arrow data: tables, readers, pandas and polars frames, whatever gives an Arrow stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from engine.errors import InvalidValueError

__all__ = ["as_reader", "as_scalar"]


def as_reader(data: Any) -> pa.RecordBatchReader:
    """The rows of `data`.

    Takes what has the Arrow PyCapsule interface (tables, record batches and readers of pyarrow, polars frames, DuckDB
    relations, results of `Connection.sql`), pandas frames, without their index, mappings of names to columns and lists
    of mappings. Raises InvalidValueError for anything else.
    """
    try:
        if isinstance(data, pa.RecordBatchReader):
            return data
        if type(data).__module__.split(".")[0] == "pandas":
            return pa.Table.from_pandas(data, preserve_index=False).replace_schema_metadata(None).to_reader()
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        if isinstance(data, pa.RecordBatch) or hasattr(data, "__arrow_c_array__"):
            batch = pa.record_batch(data)
            return pa.RecordBatchReader.from_batches(batch.schema, [batch])
        if isinstance(data, Mapping):
            return pa.table(data).to_reader()
        if isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
            return pa.Table.from_pylist(list(data)).to_reader()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidValueError(f"The data cannot be taken as an Arrow table: {error}") from None
    raise InvalidValueError(
        f"A {type(data).__name__} is no table; give an Arrow table or reader, a pandas or polars frame, a mapping of "
        "names to columns or a list of mappings."
    )


def as_scalar(value: Any) -> pa.Scalar:
    """A parameter's value. Raises InvalidValueError where Arrow knows no type for it.

    Whole numbers beyond 64 bits are decimals, as the kernel's own leave it; what pandas has for nothing is NULL.
    """
    if isinstance(value, pa.Scalar):
        return value
    module = type(value).__module__.split(".")[0]
    try:
        if module == "numpy" and not hasattr(value, "__len__"):
            return pa.array(value.reshape(1))[0]  # with its type, as of a date or of 32 bits
        if module == "pandas":
            return pa.array([value], from_pandas=True)[0]
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            return pa.scalar(Decimal(value), pa.decimal128(38))
        return pa.scalar(value)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidValueError(f"A parameter of type {type(value).__name__} has no Arrow type: {error}") from None
