"""Where the buffers of a batch begin."""

from __future__ import annotations

import decimal

import pyarrow as pa
import pytest
from pyarrow import ipc

from engine.storage.alignment import aligned


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
    moved_back = aligned(batch)
    assert moved_back is not batch
    assert moved_back.equals(pa.record_batch({"x": array}))
    assert aligned(moved_back) is moved_back
