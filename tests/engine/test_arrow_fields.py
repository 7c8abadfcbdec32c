"""The fields of structs. Of unions only types are looked at here: arrays of them may end a process that errs."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.arrow_fields import _has_bitmap, struct_fields

MASK = pa.array([False, True, False, False])
CHILDREN = {
    "numbers": pa.array([1, 2, None, 4]),
    "texts": pa.array(["a", "b", "c", None]).dictionary_encode(),
    "lists": pa.array([[1], None, [], [None]]),
    "structs": pa.array([{"a": 1}, {"a": 2}, None, {"a": None}]),
    "nulls": pa.nulls(4),
}


class Named(pa.ExtensionType):
    def __init__(self, storage: pa.DataType) -> None:
        super().__init__(storage, "grism.test.named")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""


@pytest.mark.parametrize("slices", [slice(0, 4), slice(1, 3), slice(3, 4), slice(0, 0)])
@pytest.mark.parametrize("mask", [None, MASK])
def test_fields_are_null_where_the_struct_is(mask: pa.Array | None, slices: slice) -> None:
    array = pa.StructArray.from_arrays(list(CHILDREN.values()), list(CHILDREN), mask=mask)[slices]
    assert struct_fields(array) == array.flatten()


def test_runs_are_as_they_lie_there() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 4], pa.int32()), pa.array(["a", None]))
    for mask in (None, MASK):
        (found,) = struct_fields(pa.StructArray.from_arrays([runs], ["a"], mask=mask))
        found.validate(full=True)
        assert found.to_pylist() == ["a", "a", None, None]


@pytest.mark.parametrize("mode", ["sparse", "dense"])
def test_unions_have_no_bitmap(mode: str) -> None:
    kind = pa.union([pa.field("a", pa.int64()), pa.field("b", pa.string())], mode=mode)
    assert not _has_bitmap(kind)
    assert not _has_bitmap(Named(Named(kind)))
    assert _has_bitmap(pa.struct([("u", kind)]))
    assert _has_bitmap(pa.list_(kind))
    assert _has_bitmap(Named(pa.int64()))
