"""Sizes of record batches, and joining those that are too small to travel alone.

`RecordBatch.nbytes` counts exactly what a slice refers to, which takes 50 times as long as cutting the slice. So sizes
are taken of whole batches, from their buffers, and a slice has its share of rows of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

__all__ = ["Piece", "concatenate", "join_batches", "size_of"]

JOIN_BELOW = 512 << 10
JOIN_UP_TO = 2 << 20


@dataclass(frozen=True)
class Piece:
    """Some rows by partition, ascending, without empty ones; `bytes` is the size of all of them together."""

    slices: list[tuple[int, pa.RecordBatch]]
    bytes: int


def size_of(batch: pa.RecordBatch) -> int:
    """Bytes of the buffers of a batch that is not a slice of another."""
    return int(batch.get_total_buffer_size())


def join_batches(batches: Sequence[pa.RecordBatch], row_bytes: float) -> list[pa.RecordBatch]:
    """The same rows in the same order, `row_bytes` each; batches under 512 KB are copied together, to about 2 MB."""
    if len(batches) < 2:
        return list(batches)
    result: list[pa.RecordBatch] = []
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        small = batch.num_rows * row_bytes < JOIN_BELOW
        if small:
            held.append(batch)
            rows += batch.num_rows
        if held and (not small or rows * row_bytes >= JOIN_UP_TO):
            result += concatenate(held)
            held, rows = [], 0
        if not small:
            result.append(batch)
    return result + concatenate(held)


def concatenate(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """One batch of all; or `batches`, where their dictionaries together have more values than the index type counts."""
    if len(batches) < 2:
        return batches
    try:
        return [pa.concat_batches(batches)]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return batches
