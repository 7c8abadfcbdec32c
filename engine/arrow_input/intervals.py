"""Intervals of months, and of days and milliseconds: Arrow types for which pyarrow has no class.

It carries them in schemas and batches, and fails where a column of them is taken out. So they are renamed, by the Arrow
C data interface, to the numbers that they lie in.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

__all__ = ["INTERVAL", "NUMBERED", "as_intervals", "in_numbers", "numbers_schema"]

NUMBERED = {21: pa.int32(), 22: pa.int64()}
"""The numbers of these types, and what their values lie in."""

INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
"""A value of month_day_nano_interval."""

_DAY_TIME = np.dtype([("days", "<i4"), ("millis", "<i4")])
_FORMATS = {b"tiM": ctypes.create_string_buffer(b"i"), b"tiD": ctypes.create_string_buffer(b"l")}


class _Schema(ctypes.Structure):
    """An ArrowSchema of the Arrow C data interface."""


_Schema._fields_ = [
    ("format", ctypes.c_void_p),
    ("name", ctypes.c_void_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


def numbers_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` with numbers for these intervals, at every depth; the same object where it has none."""
    exported = _Schema()
    schema._export_to_c(ctypes.addressof(exported))
    renamed = _rename(exported)
    numbers = pa.Schema._import_from_c(ctypes.addressof(exported))
    return numbers if renamed else schema


def _rename(schema: _Schema) -> bool:
    instead = _FORMATS.get(ctypes.string_at(schema.format))
    if instead is not None:
        schema.format = ctypes.addressof(instead)
    inside = [schema.children[i].contents for i in range(schema.n_children)]
    if schema.dictionary:
        inside.append(schema.dictionary.contents)
    return any([instead is not None, *map(_rename, inside)])


def in_numbers(batch: pa.RecordBatch, numbers: pa.Schema) -> pa.RecordBatch:
    """`batch` in the schema that `numbers_schema` made of its own."""
    exported = (ctypes.c_int64 * 10)()  # an ArrowArray: five numbers and five pointers
    batch._export_to_c(ctypes.addressof(exported))
    return pa.RecordBatch._import_from_c(ctypes.addressof(exported), numbers)


def as_intervals(array: pa.Array) -> pa.Array:
    """The intervals that numbers stand for: of 32 bits for months, of 64 bits for days and milliseconds."""
    whole = pa.concat_arrays([array, array.slice(0, 0)])  # without an offset
    validity, values = whole.buffers()
    intervals = np.zeros(len(whole), INTERVAL)
    if pt.is_int32(whole.type):
        intervals["months"] = np.frombuffer(values, "<i4", len(whole))
    else:
        parts = np.frombuffer(values, _DAY_TIME, len(whole))
        intervals["days"], intervals["nanos"] = parts["days"], parts["millis"].astype("<i8") * 1_000_000
    return pa.Array.from_buffers(pa.month_day_nano_interval(), len(whole), [validity, pa.py_buffer(intervals)])
