"""Two values of each Arrow type that can be a parameter: one that is easily damaged, and NULL."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pyarrow as pa

__all__ = ["VALUES"]

_MOMENT = datetime.datetime(1960, 2, 29, 23, 59, 59, 999_999)
_INSTANT = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.UTC)
_TIME = datetime.time(23, 59, 59)

VALUES: dict[str, pa.Array] = {
    str(values.type): values
    for values in (
        pa.array([True, None]),
        pa.array([-(2**7), None], pa.int8()),
        pa.array([2**8 - 1, None], pa.uint8()),
        pa.array([-(2**15), None], pa.int16()),
        pa.array([2**16 - 1, None], pa.uint16()),
        pa.array([-(2**31), None], pa.int32()),
        pa.array([2**32 - 1, None], pa.uint32()),
        pa.array([-(2**63), None], pa.int64()),
        pa.array([2**64 - 1, None], pa.uint64()),
        pa.array([1.5, None], pa.float16()),
        pa.array([1.5, None], pa.float32()),
        pa.array([0.1, None], pa.float64()),
        pa.array(["O'Neill \\ ü \n ?", None], pa.string()),
        pa.array(["", None], pa.large_string()),
        pa.array(["a view of more than twelve bytes", None], pa.string_view()),
        pa.array([b"\x00\xff'\\", None], pa.binary()),
        pa.array([b"", None], pa.large_binary()),
        pa.array([b"\x00'\\x", None], pa.binary(4)),
        pa.array([b"a view of more than twelve bytes", None], pa.binary_view()),
        pa.array([datetime.date(2024, 2, 29), None], pa.date32()),
        pa.array([datetime.date(1900, 1, 1), None], pa.date64()),
        pa.array([_TIME, None], pa.time32("s")),
        pa.array([_TIME.replace(microsecond=999_000), None], pa.time32("ms")),
        pa.array([_TIME.replace(microsecond=999_999), None], pa.time64("us")),
        pa.array([_TIME.replace(microsecond=999_999), None], pa.time64("ns")),
        pa.array([_MOMENT.replace(microsecond=0), None], pa.timestamp("s")),
        pa.array([_MOMENT.replace(microsecond=999_000), None], pa.timestamp("ms")),
        pa.array([_MOMENT, None], pa.timestamp("us")),
        pa.array([_MOMENT, None], pa.timestamp("ns")),
        pa.array([_INSTANT, None], pa.timestamp("s", "+02:00")),
        pa.array([_INSTANT, None], pa.timestamp("us", "UTC")),
        pa.array([_INSTANT, None], pa.timestamp("us", "America/New_York")),
        pa.array([_INSTANT, None], pa.timestamp("ns", "UTC")),
        pa.array([pa.MonthDayNano([1, -2, 3000]), None]),
        pa.array([Decimal("-123.45"), None], pa.decimal32(7, 2)),
        pa.array([Decimal("-123.45"), None], pa.decimal64(12, 2)),
        pa.array([Decimal("-" + "9" * 38), None], pa.decimal128(38, 0)),
        pa.array([Decimal("0.00000000000000000001"), None], pa.decimal256(30, 20)),
        pa.array([[1, None], None, []], pa.list_(pa.int64())),
        pa.array([["a'b", None], None], pa.large_list(pa.string())),
        pa.array([[1, 2], None], pa.list_(pa.int32(), 2)),
        pa.array([[[1], [None]], None], pa.list_(pa.list_(pa.int64()))),
        pa.array([{"a": 1, "b c": "x"}, None]),
        pa.array([[("a", 1), ("b", None)], None], pa.map_(pa.string(), pa.int64())),
        pa.array(["a", None]).dictionary_encode(),
        pa.nulls(2),
    )
}
"""By the type's name."""
