"""Groups a stream by partition id: each piece is sorted by its ids once and cut into one slice for each partition.

::

    x  id                    x
    a  1      partition 0    b c
    b  0  ->  partition 1    a d
    c  0
    d  1

The ids are the last column, whatever its name, for any name may be a user's column too. The stage's own statement
computes them, so keys are hashed by the kernel and nowhere else. Sorting uint8 and uint16 ids is a counting sort, which
keeps the order of rows within a partition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import ExecutionError, UnsupportedError
from ray_runtime.exchange.batches import Piece, concatenate, size_of

__all__ = ["group_rows", "payload_schema", "whole"]

PIECE_BYTES = 16 << 20
MAX_PIECE_BYTES = 64 << 20
SLICE_BYTES = 128 << 10
"""Pieces grow with the number of partitions, so that slices, which become messages, do not get smaller than this."""


def payload_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` without the partition ids."""
    return schema.remove(len(schema) - 1)


def whole(reader: pa.RecordBatchReader) -> Iterator[Piece]:
    """The rows of `reader`, which has no ids, as pieces of partition 0; they pass without a copy."""
    for batch in _non_empty(reader):
        yield Piece([(0, batch)], size_of(batch))


def group_rows(reader: pa.RecordBatchReader, partitions: int) -> Iterator[Piece]:
    """The rows of `reader`, without their ids, in pieces by partition.

    Raises ExecutionError where an id is null or not below `partitions`, UnsupportedError for a type that pyarrow cannot
    reorder.
    """
    for piece in _pieces(_non_empty(reader), min(MAX_PIECE_BYTES, max(PIECE_BYTES, partitions * SLICE_BYTES))):
        yield _group(piece, partitions)


def _non_empty(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return (batch for batch in batches if batch.num_rows)


def _pieces(batches: Iterator[pa.RecordBatch], target: int) -> Iterator[pa.RecordBatch]:
    """Batches joined to about `target` bytes; those that are half as large alone are not worth the copy."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += size_of(batch)
        if size >= target // 2:
            yield from concatenate(held)
            held, size = [], 0
    yield from concatenate(held)


def _group(piece: pa.RecordBatch, partitions: int) -> Piece:
    last = piece.num_columns - 1
    ids = piece.column(last)
    payload = piece.remove_column(last)
    counts = _count(ids, partitions)
    if len(counts) == 1:
        return Piece([(counts[0][0], payload)], size_of(payload))
    ordered = _reorder(payload, pc.array_sort_indices(ids))
    slices, start = [], 0
    for partition, rows in counts:
        slices.append((partition, ordered.slice(start, rows)))
        start += rows
    return Piece(slices, size_of(ordered))


def _count(ids: pa.Array, partitions: int) -> list[tuple[int, int]]:
    """(partition, rows), ascending."""
    counted = [(entry["values"], entry["counts"]) for entry in pc.value_counts(ids).to_pylist()]
    if any(partition is None or not 0 <= partition < partitions for partition, _ in counted):
        raise ExecutionError(f"A row's partition id is null or not below {partitions}.")
    return sorted(counted)


def _reorder(batch: pa.RecordBatch, order: pa.Array) -> pa.RecordBatch:
    try:
        return batch.take(order)
    except pa.ArrowNotImplementedError:
        raise UnsupportedError(
            f"Rows with types {', '.join(sorted({str(field.type) for field in batch.schema}))} cannot all be reordered "
            "for an exchange; cast views and run-ends to plain values."
        ) from None
