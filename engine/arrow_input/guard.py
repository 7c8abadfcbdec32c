"""The looks at values that need no Python: what to look at is told here, `engine/native/guard.c` looks."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.types as pt

from engine.arrow_input.types import extension_name
from engine.errors import InvalidDataError, UnsupportedError
from engine.streams import ArrowArrayStream, native_function

__all__ = ["MAX_MICROS", "MICROS", "Look", "StreamGuard", "all_good", "look_of", "stored_value_error"]

_all_good = native_function("grism_all_good")
_all_good.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64)]
_open = native_function("grism_guard_open")
_open.argtypes = [
    ctypes.POINTER(ArrowArrayStream),
    ctypes.POINTER(ctypes.c_int64),
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.POINTER(ArrowArrayStream),
]

# As guard.c and values.h number them.
_SKIPPED, _FIXED, _SHORT_BINARY, _LONG_BINARY, _STRUCT, _SHORT_LIST, _LONG_LIST, _FIXED_LIST = range(8)
_KINDS = {"arrow.json": 0, "geoarrow.wkb": 1, "bit": 2, "bignum": 3, "time_tz": 4, "json": 8}
"""Of Arrow's extension types, and of the opaque types that are the kernel's; `json` is JSON as the kernel has it."""

_DECIMAL, _TIME, _INSTANT = 5, 6, 7
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
MICROS = {"s": 10**6, "ms": 10**3}
"""Microseconds in the units that are coarser."""

MAX_MICROS = 2**63 - 1
"""The most that the kernel's instants and durations have."""

_REFUSAL, _REASON = 'A stored value of column "', '" is not of its type, '
_REFUSAL_END = re.compile(r"\.(?=\s|$)")
_SKIP = (_SKIPPED, 0, 0, 0, 0)

Look = tuple[int, ...]
"""Five numbers for an array and for each one inside of it: shape, kind, parameter, size, and how many are inside."""


def look_of(field: pa.Field) -> Look:
    """How to look at a column of this field: at the values that the kernel would not survive, at every depth.

    Raises UnsupportedError for dictionaries of such values.
    """
    kind, extension = field.type, extension_name(field)
    if isinstance(kind, pa.BaseExtensionType):
        extension = kind.type_name if extension == "arrow.opaque" else extension
        kind = kind.storage_type
    if extension in _KINDS:
        shape = _LONG_BINARY if pt.is_large_string(kind) or pt.is_large_binary(kind) else _SHORT_BINARY
        fixed = pt.is_fixed_size_binary(kind)
        return (_FIXED if fixed else shape, _KINDS[extension], 0, kind.byte_width if fixed else 0, 0)
    if pt.is_dictionary(kind):
        if look_of(pa.field(field.name, kind.value_type)) != _SKIP:
            raise UnsupportedError(f'Column "{field.name}" has dictionaries of {kind.value_type}, which are not read.')
        return _SKIP
    if pt.is_decimal128(kind):
        return (_FIXED, _DECIMAL, kind.precision, 16, 0)
    if pt.is_time(kind):
        return (_FIXED, _TIME, _PER_DAY[kind.unit], kind.bit_width // 8, 0)
    if pt.is_timestamp(kind) and kind.unit in MICROS:
        return (_FIXED, _INSTANT, MAX_MICROS // MICROS[kind.unit], 8, 0)
    return _nested_look(kind)


def _nested_look(kind: pa.DataType) -> Look:
    if pt.is_struct(kind):
        return _around(_STRUCT, 0, [kind.field(i) for i in range(kind.num_fields)])
    if pt.is_map(kind):
        entries = look_of(pa.field("entries", pa.struct([kind.key_field, kind.item_field])))
        return _SKIP if entries == _SKIP else (_SHORT_LIST, 0, 0, 0, 1, *entries)
    if pt.is_list(kind) or pt.is_large_list(kind):
        return _around(_LONG_LIST if pt.is_large_list(kind) else _SHORT_LIST, 0, [kind.value_field])
    if pt.is_fixed_size_list(kind):
        return _around(_FIXED_LIST, kind.list_size, [kind.value_field])
    return _SKIP


def _around(shape: int, size: int, fields: list[pa.Field]) -> Look:
    inside = [look_of(field) for field in fields]
    if all(look == _SKIP for look in inside):
        return _SKIP
    return (shape, 0, 0, size, len(inside), *(number for look in inside for number in look))


def all_good(array: pa.Array, look: Look) -> bool:
    """Whether `look` finds nothing in `array`, which is valid to Arrow."""
    exported = (ctypes.c_int64 * 10)()  # an ArrowArray: five numbers and five pointers
    array._export_to_c(ctypes.addressof(exported))
    good = _all_good(ctypes.addressof(exported), _numbers(look))
    if good < 0:
        raise MemoryError
    return bool(good)


class StreamGuard:
    """How streams of stored data are looked at whose columns have the types of `schema`.

    Columns are looked at only where the kernel needs it; what errors call their types are `types`, where these are
    given. Raises UnsupportedError as `look_of`.
    """

    def __init__(self, schema: pa.Schema, types: Sequence[str] | None = None) -> None:
        looks = [look_of(field) for field in schema]
        self._is_harmless = all(look == _SKIP for look in looks)
        self._numbers = _numbers((_STRUCT, 0, 0, 0, len(looks), *(number for look in looks for number in look)))
        told = [str(kind) for kind in schema.types] if types is None else types
        texts = [f"{_REFUSAL}{name}{_REASON}{kind}.".encode() for name, kind in zip(schema.names, told, strict=True)]
        self._texts = (ctypes.c_char_p * len(texts))(*texts)

    @property
    def is_harmless(self) -> bool:
        """Whether no value of such columns is looked at."""
        return self._is_harmless

    def reader(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """`reader`, which it takes over; it fails with ArrowInvalid where a value is none of its type."""
        if self._is_harmless:
            return reader
        inner, outer = ArrowArrayStream(), ArrowArrayStream()
        reader._export_to_c(ctypes.addressof(inner))
        if _open(inner, self._numbers, self._texts, outer) != 0:
            raise MemoryError
        return pa.RecordBatchReader._import_from_c(ctypes.addressof(outer))


def stored_value_error(text: str) -> InvalidDataError | None:
    """The error that a guarded stream failed with, where that is in `text`."""
    start = text.find(_REFUSAL)
    reason = text.find(_REASON, start + len(_REFUSAL)) if start >= 0 else -1
    end = _REFUSAL_END.search(text, reason) if reason >= 0 else None
    return None if end is None else InvalidDataError(text[start : end.end()])


def _numbers(look: Look) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(look))(*look)
