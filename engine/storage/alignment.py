"""Batches that every Arrow library can read: where their buffers begin, and that they are no parts of larger ones."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.types as pt

__all__ = ["align", "unslice"]

_ALIGNMENT = 16  # bytes, that of the widest values


def align(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch`, which has no dictionaries, in buffers that begin where every Arrow library can read them.

    Those of messages begin anywhere. Columns are as `unslice` gives them.
    """
    odd = [any(map(_is_odd, column.buffers())) or _has_sliced_structs(column) for column in batch.columns]
    if not any(odd):
        return batch
    columns = [_copy(column) if moves else column for column, moves in zip(batch.columns, odd, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def unslice(column: pa.Array) -> pa.Array:
    """`column`, in which no struct that has structs as fields is a slice of a longer one: Lance does not read such."""
    return _copy(column) if _has_sliced_structs(column) else column


def _has_sliced_structs(column: pa.Array) -> bool:
    if not pt.is_nested(column.type) and not isinstance(column.type, pa.BaseExtensionType):
        return False
    is_sliced = pt.is_struct(column.type) and column.offset > 0 and any(map(_is_struct, column.type))
    return is_sliced or any(map(_has_sliced_structs, _parts(column)))


def _is_struct(field: pa.Field) -> bool:
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    return bool(pt.is_struct(kind))


def _parts(column: pa.Array) -> Iterator[pa.Array]:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield column.storage
    elif pt.is_struct(kind):
        yield from (column.field(i) for i in range(kind.num_fields))
    elif pt.is_map(kind):
        yield from (column.keys, column.items)
    elif pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        yield column.values


def _is_odd(buffer: pa.Buffer | None) -> bool:
    return buffer is not None and buffer.address % _ALIGNMENT != 0


def _copy(column: pa.Array) -> pa.Array:
    return pa.concat_arrays([column, column.slice(0, 0)])
