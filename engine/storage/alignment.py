"""Batches in buffers that every Arrow library can read."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import ipc, types

__all__ = ["aligned"]

_ALIGNMENT = 16  # bytes, that of the widest values


def aligned(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` in buffers that begin where every Arrow library can read them; those of messages begin anywhere."""
    if all(buffer.address % _ALIGNMENT == 0 for column in batch.columns for buffer in _buffers(column)):
        return batch
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    options = ipc.IpcReadOptions(ensure_alignment=ipc.Alignment.At64Byte)
    with ipc.open_stream(sink.getvalue(), options=options) as reader:
        return reader.read_next_batch()


def _buffers(array: pa.Array) -> Iterator[pa.Buffer]:
    yield from (buffer for buffer in array.buffers() if buffer is not None)
    if types.is_dictionary(array.type):  # whose values are no part of its own buffers
        yield from _buffers(array.dictionary)
