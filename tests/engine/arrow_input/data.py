"""Arrays by their kinds."""

from __future__ import annotations

import ctypes

import pyarrow as pa

OFFSETS = pa.array([0, 1], pa.int32())


def opaque(name: str, storage: pa.Array) -> pa.Array:
    """Values of the kernel's own type of this name."""
    return pa.ExtensionArray.from_storage(pa.opaque(storage.type, name, "DuckDB"), storage)


def json(*texts: str | None, storage: pa.DataType | None = None) -> pa.Array:
    """Values of arrow.json."""
    kind = storage or pa.string()
    return pa.ExtensionArray.from_storage(pa.json_(kind), pa.array(texts, kind))


def nested(one: pa.Array) -> dict[str, pa.Array]:
    """An array of one value inside of each kind of nested array."""
    return {
        "list": pa.ListArray.from_arrays(OFFSETS, one),
        "large list": pa.LargeListArray.from_arrays(OFFSETS.cast(pa.int64()), one),
        "array": pa.FixedSizeListArray.from_arrays(one, 1),
        "list view": pa.ListViewArray.from_arrays(pa.array([0], pa.int32()), pa.array([1], pa.int32()), one),
        "struct": pa.StructArray.from_arrays([pa.array([1]), one], ["a", "b"]),
        "map": pa.MapArray.from_arrays(OFFSETS, pa.array(["k"]), one),
        "map key": pa.MapArray.from_arrays(OFFSETS, one, pa.array(["v"])),
        "dictionary": pa.DictionaryArray.from_arrays(pa.array([0]), one),
        "run": pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), one),
        "list of structs": pa.ListArray.from_arrays(OFFSETS, pa.StructArray.from_arrays([one], ["a"])),
    }


def intervals(format: bytes, array: pa.Array, name: str = "x") -> pa.RecordBatch:
    """A column of an interval type for which pyarrow has no class, by its format in the Arrow C data interface.

    `array` holds the numbers that its values lie in, at any depth: of 32 bits for months, of 64 for days and millis.
    """
    batch = pa.record_batch([array], [name])
    column, schema = (ctypes.c_int64 * 10)(), (ctypes.c_int64 * 9)()
    batch._export_to_c(ctypes.addressof(column), ctypes.addressof(schema))
    text = ctypes.create_string_buffer(format)
    inside = schema
    while inside[4]:  # the last of the children
        children = (ctypes.c_int64 * inside[4]).from_address(inside[5])
        inside = (ctypes.c_int64 * 9).from_address(children[inside[4] - 1])
    inside[0] = ctypes.addressof(text)
    return pa.RecordBatch._import_from_c(ctypes.addressof(column), ctypes.addressof(schema))
