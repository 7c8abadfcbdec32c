"""Joining record batches that are too small to travel alone."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

__all__ = ["concatenated", "joined"]

JOIN_BELOW = 256 << 10
JOIN_UP_TO = 1 << 20


def joined(batches: Iterable[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The same rows in the same order; batches under 256 KB are copied together, to about 1 MB."""
    result: list[pa.RecordBatch] = []
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        small = batch.nbytes < JOIN_BELOW
        if small:
            held.append(batch)
            size += batch.nbytes
        if held and (not small or size >= JOIN_UP_TO):
            result += concatenated(held)
            held, size = [], 0
        if not small:
            result.append(batch)
    return result + concatenated(held)


def concatenated(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """One batch of all; or `batches`, where their dictionaries together have more values than the index type counts."""
    if len(batches) < 2:
        return batches
    try:
        return [pa.concat_batches(batches)]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return batches
