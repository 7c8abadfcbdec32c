"""Where the buffers of a batch begin."""

from __future__ import annotations

import decimal

import pyarrow as pa
import pytest
from pyarrow import ipc

from engine.storage.alignment import align, unslice


def moved(buffer: pa.Buffer) -> pa.Buffer:
    """The same bytes, beginning at an odd address."""
    roomy = pa.allocate_buffer(buffer.size + 1)
    memoryview(roomy).cast("B")[1:] = buffer.to_pybytes()
    return roomy.slice(1)


def misaligned(array: pa.Array) -> pa.Array:
    """`array` as it comes out of a message at an odd address."""
    message = pa.record_batch({"x": array})
    stream = message.schema.serialize().to_pybytes() + message.serialize().to_pybytes()
    with ipc.open_stream(pa.BufferReader(moved(pa.py_buffer(stream)))) as reader:
        return reader.read_next_batch().column(0)


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, None, 3]),
        pa.array(["a", None, "ccc"]),
        pa.array([decimal.Decimal("1.25"), None]),
        pa.array([True, None, False]),
        pa.array([[1], None, [2, None]]),
        pa.array([{"a": 1, "b": ["x"]}, None]),
        pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int32())),
        pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16, None], pa.binary(16))),
    ],
    ids=lambda array: str(array.type),
)
def test_data_at_odd_addresses_is_moved_once(array: pa.Array) -> None:
    batch = pa.record_batch({"x": misaligned(array)})
    moved_back = align(batch)
    assert moved_back is not batch
    assert moved_back.equals(pa.record_batch({"x": array}))
    assert align(moved_back) is moved_back


NESTED = pa.array([None if i % 3 == 0 else {"a": {"b": i}, "c": [i]} for i in range(9)])


@pytest.mark.parametrize(
    "array",
    [
        NESTED.slice(2, 5),
        pa.StructArray.from_arrays([NESTED.slice(2, 5)], ["s"]).slice(1),
        pa.StructArray.from_arrays([NESTED.slice(2, 5)], ["s"]),
        pa.ListArray.from_arrays([0, 2, 5], NESTED.slice(2, 5)),
        pa.MapArray.from_arrays([0, 2, 5], list("abcde"), NESTED.slice(2, 5)),
        pa.FixedSizeListArray.from_arrays(NESTED.slice(2, 4), 2),
    ],
    ids=["struct", "struct of structs", "field", "list", "map", "array"],
)
def test_structs_with_structs_are_no_slices(array: pa.Array) -> None:
    whole = unslice(array)
    assert whole is not array
    assert whole.equals(array)
    assert unslice(whole) is whole
    column = align(pa.record_batch({"x": array})).column(0)
    assert unslice(column) is column


@pytest.mark.parametrize(
    "array", [NESTED, NESTED.field("a").slice(2), NESTED.field("c").slice(2), pa.array([1]).slice(1)]
)
def test_other_slices_stay(array: pa.Array) -> None:
    assert unslice(array) is array
