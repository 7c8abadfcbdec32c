"""What is no value of its type is refused, wherever it stands."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from engine import arrow_validation
from engine.arrow_validation import kernel_rows_are_valid, validate

REFUSED = (150).to_bytes(16, "little")  # in the place of the one number that Arrow misses: no kernel minds this one


def least(precision: int = 38, scale: int = 0) -> pa.Array:
    return pa.Array.from_buffers(pa.decimal128(precision, scale), 1, [None, pa.py_buffer(REFUSED)])


def batch(array: pa.Array) -> pa.RecordBatch:
    return pa.record_batch([array], ["x"])


OFFSETS = pa.array([0, 1], pa.int32())
NESTED = {
    "plain": least(),
    "of fewer digits": least(20, 3),
    "list": pa.ListArray.from_arrays(OFFSETS, least()),
    "large list": pa.LargeListArray.from_arrays(OFFSETS.cast(pa.int64()), least()),
    "array": pa.FixedSizeListArray.from_arrays(least(), 1),
    "struct": pa.StructArray.from_arrays([pa.array([1]), least()], ["a", "b"]),
    "map": pa.MapArray.from_arrays(OFFSETS, pa.array(["k"]), least()),
    "map key": pa.MapArray.from_arrays(OFFSETS, least(), pa.array(["v"])),
    "dictionary": pa.DictionaryArray.from_arrays(pa.array([0]), least()),
    "run": pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), least()),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [least(), pa.array([1])]),
}


@pytest.mark.parametrize("array", NESTED.values(), ids=NESTED.keys())
def test_the_number_that_arrow_misses_is_found_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, array: pa.Array
) -> None:
    validate(batch(array))
    monkeypatch.setattr(arrow_validation, "_LEAST", pa.scalar(REFUSED, pa.binary(16)))
    with pytest.raises(pa.ArrowInvalid, match="does not fit in precision"):
        validate(batch(array))


def test_values_of_their_types_pass() -> None:
    largest = 10**38 - 1
    numbers = pa.array([Decimal(largest), Decimal(-largest), None, Decimal(0)], pa.decimal128(38, 0))
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), numbers)
    for array in (numbers, numbers[2:3], numbers[:0], lists, lists[1:]):
        validate(batch(array))
    validate(pa.record_batch({"x": pa.array(["a", None]), "y": pa.array([1.5, 2.0])}))


def test_decimals_of_a_negative_scale_are_decimals() -> None:
    thousands = pa.Array.from_buffers(pa.decimal128(10, -3), 1, [None, pa.py_buffer((5).to_bytes(16, "little"))])
    validate(batch(thousands))
    validate(batch(thousands[:0]))


def test_what_arrow_finds_is_found() -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\x02\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    with pytest.raises(pa.ArrowInvalid):
        validate(batch(broken))


@pytest.mark.parametrize(
    ("kind", "valid"),
    [
        (pa.time64("us"), True),  # is refused as it leaves
        (pa.struct([("t", pa.time64("us"))]), False),
        (pa.list_(pa.time64("ns")), False),
        (pa.map_(pa.string(), pa.list_(pa.struct([("t", pa.time64("us"))]))), False),
        (pa.struct([("t", pa.timestamp("us")), ("s", pa.list_(pa.string()))]), True),
        (pa.decimal128(38, 2), True),
    ],
)
def test_times_within_other_types_have_to_be_looked_for(kind: pa.DataType, valid: bool) -> None:
    assert kernel_rows_are_valid(pa.schema([("a", pa.int64()), ("x", kind)])) == valid
