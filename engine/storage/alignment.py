"""Batches in buffers that every Arrow library can read."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["aligned"]

_ALIGNMENT = 16  # bytes, that of the widest values


def aligned(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch`, which has no dictionaries, in buffers that begin where every Arrow library can read them.

    Those of messages begin anywhere.
    """
    odd = [any(map(_is_odd, column.buffers())) for column in batch.columns]
    if not any(odd):
        return batch
    columns = [_copied(column) if moves else column for column, moves in zip(batch.columns, odd, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _is_odd(buffer: pa.Buffer | None) -> bool:
    return buffer is not None and buffer.address % _ALIGNMENT != 0


def _copied(column: pa.Array) -> pa.Array:
    return pa.concat_arrays([column, column.slice(0, 0)])
