"""Rendering is unambiguous and comparison sees every difference."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.harness.compare import difference, render

UTC = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, pa.string(), "NULL"),
        ("NULL", pa.string(), '"NULL"'),
        ("", pa.string(), "(empty)"),
        ("(empty)", pa.string(), '"(empty)"'),
        (" x", pa.string(), '" x"'),
        ("a\tb\n", pa.string(), '"a\\tb\\n"'),
        ("it's ünï", pa.large_string(), "it's ünï"),
        (True, pa.bool_(), "true"),
        (0.1, pa.float64(), "0.10000000000000001"),
        (float("nan"), pa.float32(), "nan"),
        (float("-inf"), pa.float64(), "-inf"),
        (Decimal("0.0000000001"), pa.decimal128(20, 10), "0.0000000001"),
        (datetime.date(1, 1, 1), pa.date32(), "0001-01-01"),
        (2**63 - 1, pa.timestamp("us"), "infinity"),
        (1_500_000, pa.timestamp("us"), "1970-01-01 00:00:01.5"),
        (0, UTC, "1970-01-01 00:00:00Z"),
        (3_723_000_000, pa.time64("us"), "01:02:03"),
        (b"\xab\x01", pa.binary(), "0xab01"),
        ([1, None], pa.list_(pa.int8()), "[1, NULL]"),
        (["NULL", None, ""], pa.list_(pa.string()), '["NULL", NULL, ""]'),
        ({"a": 1, "b": [0.5]}, pa.struct([("a", pa.int8()), ("b", pa.list_(pa.float64()))]), "{a: 1, b: [0.5]}"),
        ([("k", None)], pa.map_(pa.string(), pa.int8()), '{"k" = NULL}'),
    ],
)
def test_render(value: object, kind: pa.DataType, text: str) -> None:
    assert render(pa.array([value], kind)[0]) == text


BASE = pa.table({"i": pa.array([1, 2], pa.int32()), "d": [1.0, 2.0], "s": ["a", None]})


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (BASE.rename_columns(["i", "D", "s"]), "columns are"),
        (BASE.select(["d", "i", "s"]), "columns are"),
        (BASE.set_column(0, "i", pa.array([1, 2], pa.int64())), "column 'i' is int64"),
        (BASE.set_column(0, pa.field("i", pa.int32(), nullable=False), pa.array([1, 2], pa.int32())), "not nullable"),
        (BASE.set_column(1, "d", [[1.0, 2.00001]]), "row 1, column 1"),
        (BASE.set_column(1, "d", [[1.0, float("nan")]]), "row 1, column 1"),
        (BASE.set_column(2, "s", [["a", "NULL"]]), "row 1, column 2"),
        (BASE.slice(0, 1), "1 rows, expected 2"),
        (pa.concat_tables([BASE, BASE.slice(1)]), "3 rows, expected 2"),
        (BASE.take([1, 0]), "row 0"),
    ],
)
def test_difference_sees_it(other: pa.Table, said: str) -> None:
    message = difference(other, BASE, ordered=True)
    assert message is not None
    assert said in message


def test_difference_allows_last_digits_of_doubles_and_any_order_where_none_is_asked() -> None:
    close = BASE.set_column(1, "d", [[1.0 + 1e-12, 2.0]])
    assert difference(close, BASE, ordered=True) is None
    assert difference(close.take([1, 0]), BASE, ordered=False) is None
    nested = pa.table({"l": pa.array([[1.0, None], None], pa.list_(pa.float64()))})
    near = pa.table({"l": pa.array([[1.0 - 1e-12, None], None], pa.list_(pa.float64()))})
    far = pa.table({"l": pa.array([[1.001, None], None], pa.list_(pa.float64()))})
    assert difference(near, nested, ordered=True) is None
    assert difference(far, nested, ordered=True) is not None


@pytest.mark.parametrize(
    ("got", "want", "same"),
    [
        ({"x": [2, 1, 1]}, {"x": [1, 2, 1]}, True),
        ({"x": [2, 1, 1]}, {"x": [1, 2, 2]}, False),
        ({"x": [1, 2], "y": ["b", "a"]}, {"x": [2, 1], "y": ["a", "b"]}, True),
        ({"x": [1, 2], "y": ["a", "b"]}, {"x": [2, 1], "y": ["a", "b"]}, False),
        ({"x": [None, float("nan"), 0.0]}, {"x": [-0.0, None, float("nan")]}, True),
        ({"x": [None, 0.0]}, {"x": [float("nan"), 0.0]}, False),
        ({"x": [[2], [1, None]]}, {"x": [[1, None], [2]]}, True),
        ({"x": [[2], [1, None]]}, {"x": [[1, 3], [2]]}, False),
    ],
)
def test_rows_in_any_order_are_compared_whole(got: dict[str, list[object]], want: dict[str, list[object]], same: bool):
    assert (difference(pa.table(got), pa.table(want), ordered=False) is None) is same
