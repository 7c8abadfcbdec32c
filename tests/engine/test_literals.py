"""Arrow values as constants: value and type come back as they went."""

from __future__ import annotations

import math
import struct
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import InvalidValueError, UnsupportedError
from engine.kernel import Kernel
from engine.literals import literal, type_text
from engine.travel_types import Boundary


def back(kernel: Kernel, *values: pa.Scalar, boundary: Boundary = Boundary.CLIENT) -> list[pa.Scalar]:
    """The constants, evaluated by the kernel in one statement."""
    items = ", ".join(f"{literal(value)} AS c{i}" for i, value in enumerate(values))
    table = kernel.stream(f"SELECT {items}", boundary=boundary).reader.read_all()
    return [column[0] for column in table.columns]


def bits(value: Any) -> Any:
    """`value` with floats as their bits, so that NaN equals NaN and the zeros differ."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("d", value)
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [bits(item) for item in value]
    return value


def raw(value: pa.Scalar) -> Any:
    """The value below Python's date types, which hold less than Arrow's."""
    kind = value.type
    plain = pa.types.is_temporal(kind) and not pa.types.is_interval(kind)
    return value.value if plain and value.is_valid else bits(value.as_py())


# Kinds that the kernel gives back as they are.

INTEGERS = {
    pa.int8(): st.integers(-(2**7), 2**7 - 1),
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 2**8 - 1),
    pa.uint16(): st.integers(0, 2**16 - 1),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
}
YEAR_1, YEAR_9999 = -62_135_596_800, 253_402_300_799
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN: dict[pa.DataType, st.SearchStrategy[Any]] = {
    **INTEGERS,
    pa.bool_(): st.booleans(),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
    pa.string(): TEXTS,
    pa.binary(): st.binary(max_size=20),
    pa.date32(): st.integers(-700_000, 2_900_000),
    pa.time64("us"): st.integers(0, 86_399_999_999),
    pa.timestamp("s"): st.integers(YEAR_1, YEAR_9999),
    pa.timestamp("ms"): st.integers(YEAR_1 * 1000, YEAR_9999 * 1000),
    pa.timestamp("us"): st.integers(YEAR_1 * 10**6, YEAR_9999 * 10**6),
    pa.timestamp("ns"): st.integers(-(9 * 10**18), 9 * 10**18),
    pa.timestamp("us", "UTC"): st.integers(YEAR_1 * 10**6, YEAR_9999 * 10**6),
}


@st.composite
def decimals(draw: st.DrawFn) -> pa.Scalar:
    precision = draw(st.integers(1, 38))
    scale = draw(st.integers(0, precision))
    digits = draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    sign, figures = int(digits < 0), tuple(int(d) for d in str(abs(digits)))
    return pa.scalar(Decimal((sign, figures, -scale)), pa.decimal128(precision, scale))


@st.composite
def typed(draw: st.DrawFn, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type, and how to make Python values of it."""
    choice = draw(st.integers(0, 3)) if depth else 0
    if choice == 1:
        kind, values = draw(typed(depth - 1))
        return pa.list_(pa.field("l", kind)), st.lists(st.none() | values, max_size=3)
    if choice == 2:
        members = draw(st.lists(typed(depth - 1), min_size=1, max_size=3))
        names = draw(st.lists(st.sampled_from(["a", "B c", 'q"', "é", "'", "select"]), unique=True, min_size=3))
        fields = list(zip(names, members, strict=False))
        kind = pa.struct([(name, member) for name, (member, _) in fields])
        return kind, st.fixed_dictionaries({name: st.none() | values for name, (_, values) in fields})
    if choice == 3:
        kind, values = draw(typed(depth - 1))
        return pa.map_(pa.string(), kind), st.lists(st.tuples(TEXTS, values), max_size=3, unique_by=lambda e: e[0])
    simple = [
        pa.int8(),
        pa.uint64(),
        pa.float64(),
        pa.string(),
        pa.binary(),
        pa.bool_(),
        pa.date32(),
        pa.timestamp("us"),
    ]
    kind = draw(st.sampled_from(simple))
    return kind, PLAIN[kind]


@st.composite
def scalars(draw: st.DrawFn) -> pa.Scalar:
    kind, values = draw(typed())
    return pa.scalar(draw(st.none() | values), kind)


@pytest.mark.parametrize("kind", PLAIN, ids=str)
@settings(max_examples=15)
@given(data=st.data())
def test_plain_values_come_back(kernel: Kernel, kind: pa.DataType, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(PLAIN[kind], min_size=1, max_size=10))
    values = [pa.scalar(value, kind) for value in [*drawn, None]]
    got = back(kernel, *values)
    assert {value.type for value in got} == {kind}
    assert [raw(value) for value in got] == [raw(value) for value in values]


@settings(max_examples=60)
@given(values=st.lists(decimals(), min_size=1, max_size=8))
@example(
    values=[pa.scalar(Decimal("0." + "9" * 38), pa.decimal128(38, 38)), pa.scalar(-(10**38) + 1, pa.decimal128(38, 0))]
)
def test_decimals_come_back(kernel: Kernel, values: list[pa.Scalar]) -> None:
    got = back(kernel, *values)
    assert [value.type for value in got] == [value.type for value in values]
    assert [value.as_py() for value in got] == [value.as_py() for value in values]


@settings(max_examples=80)
@given(value=scalars())
def test_nested_values_come_back(kernel: Kernel, value: pa.Scalar) -> None:
    (got,) = back(kernel, value)
    assert got.type == value.type
    assert bits(got.as_py()) == bits(value.as_py())


EDGES = [
    pa.scalar(-(2**63), pa.int64()),
    pa.scalar(2**64 - 1, pa.uint64()),
    pa.scalar(-0.0),
    pa.scalar(5e-324),
    pa.scalar(1.7976931348623157e308),
    pa.scalar(float("-inf")),
    pa.scalar("'; DROP TABLE t; --"),
    pa.scalar("\\' \\x00 \\n %s {} $1 ?"),
    pa.scalar("a\0b\0\0"),
    pa.scalar("\0"),
    pa.scalar("👩‍👩‍👧\u202e\ufeff"),
    pa.scalar(b"\x00'\"\\\xff"),
    pa.scalar(b""),
    pa.scalar(""),
    pa.scalar(-1, pa.timestamp("us")),
    pa.scalar(-1, pa.timestamp("ns")),
    pa.scalar(-1, pa.date32()),
    *(pa.scalar(sign * (2**63 - 1), pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns") for sign in (1, -1)),
    *(pa.scalar(sign * (2**63 - 1), pa.timestamp(unit, "UTC")) for unit in ("us", "ns") for sign in (1, -1)),
    pa.scalar([], pa.list_(pa.field("l", pa.int32()))),
    pa.scalar([[None], None, []], pa.list_(pa.field("l", pa.list_(pa.field("l", pa.int32()))))),
    pa.scalar({"a'\"": None}, pa.struct([("a'\"", pa.string())])),
    pa.scalar([], pa.map_(pa.int32(), pa.string())),
]


@pytest.mark.parametrize("value", EDGES, ids=lambda v: f"{v.type} {raw(v)}"[:40].replace("\0", "NUL"))
def test_edges_come_back(kernel: Kernel, value: pa.Scalar) -> None:
    (got,) = back(kernel, value)
    assert got.type == value.type
    assert raw(got) == raw(value)


# Kinds that the kernel knows under another type.

OTHERS = [
    (pa.scalar("x", pa.large_string()), pa.string(), "x"),
    (pa.scalar("x", pa.string_view()), pa.string(), "x"),
    (pa.scalar(b"x", pa.large_binary()), pa.binary(), b"x"),
    (pa.scalar(b"xyz", pa.binary(3)), pa.binary(), b"xyz"),
    (pa.scalar(1.5, pa.float16()), pa.float32(), 1.5),
    (pa.scalar([1, 2], pa.large_list(pa.int32())), pa.list_(pa.field("l", pa.int32())), [1, 2]),
    (pa.scalar([1, None], pa.list_(pa.int32(), 2)), pa.list_(pa.field("array", pa.int32()), 2), [1, None]),
    (pa.scalar(Decimal("1.50"), pa.decimal256(5, 2)), pa.decimal128(5, 2), Decimal("1.50")),
    (pa.scalar("x", pa.dictionary(pa.int8(), pa.string())), pa.string(), "x"),
    (pa.scalar(None, pa.dictionary(pa.int8(), pa.string())), pa.string(), None),
]


@pytest.mark.parametrize(("value", "kind", "want"), OTHERS, ids=lambda v: str(v)[:30])
def test_other_encodings_keep_their_value(kernel: Kernel, value: pa.Scalar, kind: pa.DataType, want: Any) -> None:
    (got,) = back(kernel, value)
    assert got.type == kind
    assert got.as_py() == want


NANOS = st.integers(-(9 * 10**18), 9 * 10**18)
FAR = st.integers(-(2**63), 2**63 - 1)
AS_A_TABLE_HAS_THEM = {
    pa.timestamp("s", "UTC"): st.integers(YEAR_1, YEAR_9999),
    pa.timestamp("ms", "Europe/Berlin"): st.integers(YEAR_1 * 1000, YEAR_9999 * 1000),
    pa.timestamp("us", "+05:30"): st.sampled_from([2**63 - 1, -(2**63) + 1]) | st.integers(-(2**62), 2**62),
    pa.timestamp("us"): st.sampled_from([2**63 - 1, -(2**63) + 1]) | st.integers(-(2**62), 2**62),
    pa.timestamp("ns", "UTC"): NANOS,
    pa.duration("s"): st.integers(-(10**12), 10**12),
    pa.duration("ms"): st.integers(-(10**15), 10**15),
    pa.duration("us"): FAR.filter(lambda n: n > -(2**63)),
    pa.duration("ns"): NANOS,
    pa.time32("s"): st.integers(0, 86_399),
    pa.time32("ms"): st.integers(0, 86_399_999),
    pa.time64("ns"): st.integers(0, 86_399_999_999_999),
    pa.date32(): st.sampled_from([2**31 - 1, -(2**31) + 1]) | st.integers(-(10**8), 10**8),
    pa.date64(): st.integers(-(10**8), 10**8).map(lambda days: days * 86_400_000),
    pa.month_day_nano_interval(): st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000), NANOS),
    pa.null(): st.none(),
}


@pytest.mark.parametrize("kind", AS_A_TABLE_HAS_THEM, ids=str)
@settings(max_examples=15)
@given(data=st.data())
def test_constants_are_what_a_table_would_hold(kernel: Kernel, kind: pa.DataType, data: st.DataObject) -> None:
    column = pa.array(data.draw(st.lists(st.none() | AS_A_TABLE_HAS_THEM[kind], min_size=1, max_size=5)), kind)
    # Long durations are intervals that the kernel holds and clients do not get.
    stored = kernel.stream("SELECT v FROM data", {"data": pa.table({"v": column})}, boundary=Boundary.KERNEL)
    held = stored.reader.read_all().column(0)
    got = back(kernel, *column, boundary=Boundary.KERNEL)
    assert {value.type for value in got} == {held.type}
    assert [raw(value) for value in got] == [raw(value) for value in held]


@pytest.mark.parametrize(
    "value",
    [pa.scalar(2**62, pa.timestamp("s")), pa.scalar(2**62, pa.duration("s")), pa.scalar(-(2**62), pa.duration("ms"))],
)
def test_times_out_of_range_are_refused(value: pa.Scalar) -> None:
    with pytest.raises(InvalidValueError, match="out of range"):
        literal(value)


def test_extension_types(kernel: Kernel) -> None:
    number = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")
    for value, want in ((number, str(number)), (None, None)):
        (got,) = back(kernel, pa.scalar(value, pa.uuid()))
        assert got.as_py() == want
    assert type_text(pa.json_()) == "JSON"
    (got,) = back(kernel, pa.ExtensionScalar.from_storage(pa.bool8(), pa.scalar(1, pa.int8())))
    assert got.as_py() == 1


def test_timestamps_are_written_so_that_a_storage_can_read_them() -> None:
    assert (
        literal(pa.scalar(1_700_000_000_000_001, pa.timestamp("us")))
        == "CAST('2023-11-14 22:13:20.000001' AS TIMESTAMP)"
    )
    assert literal(pa.scalar(0, pa.timestamp("s", "Asia/Tokyo"))) == (
        "CAST('1970-01-01 00:00:00+00' AS TIMESTAMP WITH TIME ZONE)"
    )


@pytest.mark.parametrize("kind", [*PLAIN, pa.null(), pa.list_(pa.int8()), pa.duration("s")], ids=str)
def test_nulls_keep_their_type(kernel: Kernel, kind: pa.DataType) -> None:
    (got,) = back(kernel, pa.scalar(None, kind))
    assert not got.is_valid
    if kind in PLAIN:
        assert got.type == kind


@pytest.mark.parametrize(
    "kind",
    [
        pa.decimal256(50, 2),
        pa.dense_union([pa.field("a", pa.int8())]),
        pa.run_end_encoded(pa.int32(), pa.int8()),
        pa.struct([]),
        pa.list_(pa.struct([("a", pa.struct([]))])),
    ],
    ids=str,
)
def test_types_without_a_counterpart_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(UnsupportedError):
        type_text(kind)
