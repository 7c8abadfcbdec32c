"""Arrays by their kinds."""

from __future__ import annotations

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
