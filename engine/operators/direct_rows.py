"""Rows that go out as they lie in storage."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

__all__ = ["direct_rows"]


def direct_rows(columns: Sequence[pa.ChunkedArray], schema: pa.Schema) -> pa.RecordBatchReader:
    """Columns of the types of `schema` as a stream in just that schema, which may name the items of lists otherwise."""
    rows = pa.Table.from_arrays(columns, schema.names)
    return (rows if rows.schema.equals(schema, check_metadata=True) else rows.cast(schema)).to_reader()
