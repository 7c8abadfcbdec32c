"""Batches on their way in: encodings are undone, and what they hide is bounded."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.arrow_input import Entrance
from engine.errors import InvalidDataError, ResourceExhaustedError
from tests.engine.arrow_input.data import intervals, json, nested

TEXTS = pa.array(["a", None, "a longer text than a view holds itself", "a"])


def pieces(array: pa.Array) -> list[pa.RecordBatch]:
    batch = pa.record_batch([array], ["x"])
    return list(Entrance(batch.schema).admit(batch))


ENCODED = {
    "dictionary": TEXTS.dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 1]), TEXTS[1:3].cast(pa.string_view())),
    "dictionary of dictionaries": pa.DictionaryArray.from_arrays(pa.array([3, 0, None]), TEXTS.dictionary_encode()),
    "dictionary of structs": pa.DictionaryArray.from_arrays(pa.array([0, 0, None]), pa.array([{"a": "x"}])),
    "views": TEXTS.cast(pa.string_view()),
    "binary views": TEXTS.cast(pa.binary_view()),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 5, 9], pa.int32()), TEXTS[:3].cast(pa.string_view())),
    "runs of lists": pa.RunEndEncodedArray.from_arrays(pa.array([2, 5], pa.int16()), pa.array([[1], None])),
    "list views": pa.ListViewArray.from_arrays(pa.array([2, 0, 1], pa.int32()), pa.array([2, 2, 0], pa.int32()), TEXTS),
    "list views with NULLs": pa.array([["a"], None, ["b", "c"], []], pa.large_list_view(pa.string_view())),
    "structs of dictionaries": pa.StructArray.from_arrays(
        [TEXTS.dictionary_encode()], ["a"], mask=pa.array([False, False, True, False])
    ),
    "arrays of dictionaries": pa.FixedSizeListArray.from_arrays(TEXTS.dictionary_encode(), 2),
    "maps of dictionaries": pa.MapArray.from_arrays(
        pa.array([0, 1, None, 3], pa.int32()),
        pa.array(["a", "b", "c"]).dictionary_encode(),
        TEXTS[:3].dictionary_encode(),
    ),
    "sparse unions": pa.UnionArray.from_sparse(
        pa.array([7, 5, 7, 5], pa.int8()), [pa.array([1, 2, 3, None]), TEXTS.dictionary_encode()], ["n", "s"], [5, 7]
    ),
    "swapped unions": pa.UnionArray.from_sparse(
        pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, 3, 4]), TEXTS], ["n", "s"], [1, 0]
    ),
    "dense unions": pa.UnionArray.from_dense(
        pa.array([1, 0, 1, 1], pa.int8()), pa.array([0, 1, 1, 2], pa.int32()), [pa.array([1, 2]), TEXTS], ["n", "s"]
    ),
    "small decimals": pa.array([1, None], pa.int32()).cast(pa.decimal64(12, 1)),
    "json": json("1", None, storage=pa.large_string()),
}


def test_buffers_may_end_with_a_part_of_a_value() -> None:
    texts = pa.array(["a", "a longer text than a view holds itself"], pa.string_view())
    validity, views, *data = texts.buffers()
    odd = pa.Array.from_buffers(texts.type, 2, [validity, pa.py_buffer(views.to_pybytes()[:32] + b"x"), *data])
    union = pa.UnionArray.from_dense(pa.array([0, 0], pa.int8()), pa.array([0, 1], pa.int32()), [pa.array([1, 2])])
    _, codes, starts = union.buffers()[:3]
    more = pa.py_buffer(starts.to_pybytes()[:8] + b"x")
    odd_union = pa.Array.from_buffers(union.type, 2, [None, codes, more], children=[union.field(0)])
    for array in (odd, odd.slice(1), odd_union, odd_union.slice(1)):
        (batch,) = pieces(array)
        assert batch.column(0).to_pylist() == array.to_pylist()


@pytest.mark.parametrize("array", ENCODED.values(), ids=ENCODED.keys())
def test_encodings_are_undone(array: pa.Array) -> None:
    for part in (array, array.slice(1), array.slice(1, 1), array.slice(0, 0)):
        (batch,) = pieces(part)
        batch.validate(full=True)
        assert batch.column(0).to_pylist() == part.to_pylist()
    lists = pa.ListArray.from_arrays(pa.array([0, 1, len(array)], pa.int32()), array)
    for part in (lists, lists.slice(1)):
        (batch,) = pieces(part)
        batch.validate(full=True)
        assert batch.column(0).to_pylist() == part.to_pylist()


@pytest.mark.parametrize("place", sorted(nested(TEXTS[:1]).keys() - {"dictionary", "run", "list view"}))
def test_plain_columns_are_not_copied(place: str) -> None:
    array = nested(TEXTS[:1])[place]
    (batch,) = pieces(array)
    assert [b and b.address for b in batch.column(0).buffers()] == [b and b.address for b in array.buffers()]


def test_codes_of_unions_are_places() -> None:
    for name in ("sparse unions", "swapped unions", "dense unions"):
        (batch,) = pieces(ENCODED[name])
        assert batch.column(0).type == pa.sparse_union([pa.field("n", pa.int64()), pa.field("s", pa.string())])


def test_numbers_of_bool8_are_truth() -> None:
    bytes_ = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, -5, None, 0], pa.int8()))
    (batch,) = pieces(bytes_)
    assert batch.column(0).to_pylist() == [True, True, None, False]


LARGE = pa.array(["x" * (1 << 20)])
HIDING = {
    "dictionary": pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), LARGE),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([200], pa.int32()), LARGE),
    "list views": pa.ListViewArray.from_arrays(pa.array([0] * 200, pa.int32()), pa.array([1] * 200, pa.int32()), LARGE),
    "structs": pa.StructArray.from_arrays([pa.DictionaryArray.from_arrays(pa.array([0] * 200), LARGE)], ["a"]),
}


@pytest.mark.parametrize("array", HIDING.values(), ids=HIDING.keys())
def test_much_that_little_stands_for_comes_in_pieces(array: pa.Array) -> None:
    given = pieces(array)
    assert sum(batch.num_rows for batch in given) == 200
    assert max(batch.nbytes for batch in given) <= 66 << 20


def test_a_row_that_hides_too_much_is_refused() -> None:
    encoded = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), LARGE)
    with pytest.raises(ResourceExhaustedError, match="A row of the data would have"):
        pieces(pa.ListArray.from_arrays(pa.array([0, 300], pa.int32()), encoded))


def test_what_arrow_finds_is_found() -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\x02\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    with pytest.raises(InvalidDataError, match='Column "x" is not valid Arrow data: Invalid UTF8'):
        pieces(broken)


def test_a_batch_of_another_schema_is_refused() -> None:
    entrance = Entrance(pa.schema([("x", pa.int8())]))
    with pytest.raises(InvalidDataError, match="another schema"):
        list(entrance.admit(pa.record_batch({"x": [1]})))


MONTHS = pa.array([14, None, -1, 0], pa.int32())
DAYS = pa.array([1 | 500 << 32, None, (-1 & 0xFFFFFFFF) | -1500 << 32, 0], pa.int64())


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (intervals(b"tiM", MONTHS), [(14, 0, 0), None, (-1, 0, 0), (0, 0, 0)]),
        (intervals(b"tiD", DAYS), [(0, 1, 500_000_000), None, (0, -1, -1_500_000_000), (0, 0, 0)]),
    ],
    ids=["months", "days and milliseconds"],
)
def test_intervals_without_a_class_are_converted(given: pa.RecordBatch, values: list[object]) -> None:
    entrance = Entrance(given.schema)
    assert entrance.schema == pa.schema([("x", pa.month_day_nano_interval())])
    for start in range(4):
        (batch,) = entrance.admit(given.slice(start))
        batch.validate(full=True)
        assert batch.column(0).to_pylist() == values[start:]


def test_intervals_without_a_class_inside_of_others() -> None:
    offsets = pa.array([0, 1, 4], pa.int32())
    for array in (
        pa.ListArray.from_arrays(offsets, MONTHS),
        pa.StructArray.from_arrays([pa.array(["a", "b"]), MONTHS[2:]], ["s", "m"]),
        pa.MapArray.from_arrays(offsets, pa.array(["a", "b", "c", "d"]), MONTHS),
    ):
        given = intervals(b"tiM", array)
        (batch,) = Entrance(given.schema).admit(given)
        batch.validate(full=True)
        assert "MonthDayNano(months=-1, days=0, nanoseconds=0)" in str(batch.column(0).to_pylist())
