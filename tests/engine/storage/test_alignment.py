"""Where the buffers of a batch begin."""

from __future__ import annotations

import decimal

import pyarrow as pa
import pytest

from engine.storage.alignment import aligned


def moved(buffer: pa.Buffer | None) -> pa.Buffer | None:
    """The same bytes, beginning at an odd address."""
    if buffer is None:
        return None
    roomy = pa.allocate_buffer(buffer.size + 1)
    memoryview(roomy).cast("B")[1:] = buffer.to_pybytes()
    return roomy.slice(1)


def misaligned(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.DictionaryArray):
        return pa.DictionaryArray.from_arrays(array.indices, misaligned(array.dictionary))
    return pa.Array.from_buffers(array.type, len(array), [moved(buffer) for buffer in array.buffers()])


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, None, 3]),
        pa.array(["a", None, "ccc"]),
        pa.array([decimal.Decimal("1.25"), None]),
        pa.array(["a", "b", "a"]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_data_at_odd_addresses_is_moved_once(array: pa.Array) -> None:
    batch = pa.record_batch({"x": misaligned(array)})
    moved_back = aligned(batch)
    assert moved_back is not batch
    assert moved_back.equals(pa.record_batch({"x": array}))
    assert aligned(moved_back) is moved_back
