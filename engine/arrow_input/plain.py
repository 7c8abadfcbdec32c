"""Arrays without encodings: the same values in the types that `types.py` tells."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from engine.arrow_fields import struct_fields
from engine.arrow_input.intervals import as_intervals

__all__ = ["bytes_by_row", "is_encoded", "own_offsets", "plain"]

_LEAST = pa.scalar((-(2**255)).to_bytes(32, "little", signed=True), pa.binary(32))  # which Arrow makes a 0 of


def plain(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """`array` as an array of `kind`, the type as which its type enters. Raises ArrowInvalid for values out of range."""
    have = array.type
    if have.equals(kind, check_metadata=True):
        return array
    if isinstance(have, pa.BaseExtensionType):
        return _of_extension(array, kind)
    if pt.is_dictionary(have):
        return _take_rows(array.dictionary, array.indices, kind)
    if pt.is_run_end_encoded(have):
        return _take_rows(array.values, _rows_of_runs(array), kind)
    if pt.is_struct(have):
        fields = [plain(child, kind.field(i).type) for i, child in enumerate(struct_fields(array))]
        return pa.StructArray.from_arrays(fields, fields=list(kind), mask=array.is_null() if array.null_count else None)
    if pt.is_union(have):
        return _of_union(array, kind)
    if pt.is_list_view(have) or pt.is_large_list_view(have):
        return _of_list_views(array, kind)
    if pt.is_list(have) or pt.is_large_list(have) or pt.is_map(have) or pt.is_fixed_size_list(have):
        return _of_lists(array, kind)
    if pt.is_decimal256(have) and pc.any(pc.equal(array.view(_LEAST.type), _LEAST)).as_py():
        raise pa.ArrowInvalid(f"the least 256-bit number does not fit in precision of {have}")
    return as_intervals(array) if pt.is_interval(kind) else array.cast(kind)


def _of_extension(array: pa.ExtensionArray, kind: pa.DataType) -> pa.Array:
    storage = array.storage
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, plain(storage, kind.storage_type))
    if pt.is_boolean(kind):
        return pc.not_equal(storage, 0)
    return plain(storage, kind)


def _take_rows(values: pa.Array, rows: pa.Array, kind: pa.DataType) -> pa.Array:
    values = plain(values, kind)
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, values.storage.take(rows))
    return values.take(rows)


def _rows_of_runs(array: pa.RunEndEncodedArray) -> pa.Array:
    """The number of its run for each row."""
    first, count = array.find_physical_offset(), array.find_physical_length()
    numbers = pa.array(np.arange(first, first + count))
    run_ends = pc.subtract(array.run_ends.cast(pa.int64()).slice(first, count), array.offset)
    ends = pc.min_element_wise(run_ends, len(array))
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, numbers))


def _of_lists(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Lists of any kind but views: the same offsets over plain items."""
    mask = array.is_null() if array.null_count else None
    if pt.is_fixed_size_list(kind):
        first, count = array.offset * kind.list_size, len(array) * kind.list_size
        items = plain(array.values.slice(first, count), kind.value_type)
        return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=mask)
    offsets, first, last = own_offsets(array)
    if pt.is_map(kind):
        keys = plain(array.keys.slice(first, last - first), kind.key_type)
        items = plain(array.items.slice(first, last - first), kind.item_type)
        return pa.MapArray.from_arrays(offsets, keys, items, type=kind, mask=mask)
    items = plain(array.values.slice(first, last - first), kind.value_type)
    of = pa.LargeListArray if pt.is_large_list(kind) else pa.ListArray
    return of.from_arrays(offsets, items, type=kind, mask=mask)


def _of_union(array: pa.UnionArray, kind: pa.DataType) -> pa.Array:
    """A sparse union whose codes are the places of its members: the kernel takes them for that."""
    place = np.zeros(128, np.int8)
    for i, code in enumerate(array.type.type_codes):
        place[code] = i
    _, codes, starts = (*array.buffers(), None)[:3]
    places = place[_numbers(array, codes, np.int8)]
    members = [plain(array.field(i), kind.field(i).type) for i in range(kind.num_fields)]
    if array.type.mode == "dense":
        offsets = _numbers(array, starts, np.int32)
        members = [
            member.take(pa.array(np.where(places == i, offsets, 0), mask=places != i))
            for i, member in enumerate(members)
        ]
    return pa.UnionArray.from_sparse(pa.array(places), members, [kind.field(i).name for i in range(kind.num_fields)])


def _numbers(array: pa.Array, buffer: pa.Buffer | None, kind: type[np.integer]) -> np.ndarray:
    """A buffer's numbers for the rows of `array`; what unions say of themselves forgets how they are cut."""
    end = array.offset + len(array)
    whole = np.zeros(end, kind) if buffer is None else np.frombuffer(buffer, kind, end)
    return whole[array.offset :]


def own_offsets(array: pa.Array) -> tuple[pa.Array, int, int]:
    """The offsets of lists or maps, counted from the first item that they use, that item, and the end of them."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    return (pc.subtract(offsets, first) if first or array.offset else offsets), first, last


def _of_list_views(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Lists whose items lie in their own order, each once."""
    large = pt.is_large_list(kind)
    views, lists = (pa.LargeListViewArray, pa.LargeListArray) if large else (pa.ListViewArray, pa.ListArray)
    present, zero = array.is_valid(), pa.scalar(0, array.sizes.type)
    sizes, starts = pc.if_else(present, array.sizes, zero), pc.if_else(present, array.offsets, zero)
    items = views.from_arrays(starts, sizes, plain(array.values, kind.value_type)).flatten()
    ends = pc.cumulative_sum_checked(sizes)
    offsets = pa.concat_arrays([pa.array([0], ends.type), ends])
    mask = array.is_null() if array.null_count else None
    return lists.from_arrays(offsets, items, type=kind, mask=mask)


def bytes_by_row(array: pa.Array) -> int:
    """A bound for the bytes that a row takes once its encodings are undone; 0 where there are none."""
    return _largest(array) if len(array) and is_encoded(array.type) else 0


def is_encoded(kind: pa.DataType) -> bool:
    """Whether several values of this type may lie in one place."""
    if isinstance(kind, pa.BaseExtensionType):
        return is_encoded(kind.storage_type)
    if pt.is_dictionary(kind) or pt.is_run_end_encoded(kind) or pt.is_list_view(kind) or pt.is_large_list_view(kind):
        return True
    if pt.is_string_view(kind) or pt.is_binary_view(kind) or (pt.is_union(kind) and kind.mode == "dense"):
        return True
    return any(is_encoded(kind.field(i).type) for i in range(kind.num_fields))


def _largest(array: pa.Array) -> int:
    """A bound for the bytes of the largest value of `array`."""
    kind = array.type
    if not len(array):
        return 0
    if isinstance(array, pa.ExtensionArray):
        return _largest(array.storage)
    if pt.is_dictionary(kind):
        return _largest(array.dictionary)
    if pt.is_run_end_encoded(kind):
        return _largest(array.values)
    if pt.is_string_view(kind) or pt.is_binary_view(kind):
        lengths = np.frombuffer(array.buffers()[1], "<i4", 4 * (array.offset + len(array)))[4 * array.offset :: 4]
        return int(lengths.max(where=np.asarray(array.is_valid()), initial=0))
    if pt.is_string(kind) or pt.is_binary(kind) or pt.is_large_string(kind) or pt.is_large_binary(kind):
        return int(pc.max(pc.binary_length(array)).as_py() or 0)
    if pt.is_struct(kind) or pt.is_union(kind):
        return sum(_largest(array.field(i)) for i in range(kind.num_fields))
    if pt.is_nested(kind):
        return _items(array) * sum(map(_largest, (array.keys, array.items) if pt.is_map(kind) else (array.values,)))
    return 0 if pt.is_null(kind) else int(kind.bit_width + 7) // 8


def _items(array: pa.Array) -> int:
    """The most items of a list or map in `array`."""
    if pt.is_map(array.type):
        return int(pc.max(pc.subtract(array.offsets[1:], array.offsets[:-1])).as_py())
    return int(pc.max(pc.list_value_length(array)).as_py() or 0)
