"""What is no value of its type is refused by the column's name, wherever it stands."""

from __future__ import annotations

import datetime
import struct
from decimal import Decimal

import pyarrow as pa
import pytest

from engine.arrow_input import Entrance
from engine.errors import GrismError, InvalidDataError
from tests.engine.arrow_input.data import json, nested, opaque

WKB = {"ARROW:extension:name": "geoarrow.wkb"}
POINT = struct.pack("<bIdd", 1, 1, 1.0, 2.0)


def entered(array: pa.Array, metadata: dict[str, str] | None = None) -> pa.Array:
    """`array` behind the entrance."""
    schema = pa.schema([pa.field("odd one", array.type, metadata=metadata)])
    (batch,) = Entrance(schema).admit(pa.record_batch([array], schema=schema))
    batch.validate(full=True)
    return batch.column(0)


def raw(kind: pa.DataType, *numbers: int) -> pa.Array:
    """An array of 64-bit numbers."""
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.array(numbers, pa.int64()).buffers()[1]])


def time_tz(micros: int, offset: int) -> bytes:
    return struct.pack("<Q", micros << 24 | 57_599 - offset)


def multi(kind: int, *parts: bytes) -> bytes:
    return struct.pack("<bII", 1, kind, len(parts)) + b"".join(parts)


WRONG = {
    "a large decimal without an absolute value": pa.Array.from_buffers(
        pa.decimal256(38), 1, [None, pa.py_buffer((-(2**255)).to_bytes(32, "little", signed=True))]
    ),
    "a trailing comma": json("[1,]"),
    "no number of JSON": json("NaN"),
    "unused bits that are not set": opaque("bit", pa.array([b"\x05\x00"])),
    "a leading zero": opaque("bignum", pa.array([b"\x80\x00\x02\x00\x05"])),
    "a time after midnight": opaque("time_tz", pa.array([time_tz(86_400_000_001, 0)], pa.binary(8))),
    "an offset of 16 hours": opaque("time_tz", pa.array([time_tz(0, -57_600)], pa.binary(8))),
    "an instant out of range": raw(pa.timestamp("s", "UTC"), 2**62),
    "a date out of range": raw(pa.date64(), 86_400_000 * 2**31),
    "a duration out of range": raw(pa.duration("ms"), -(2**62)),
    "nanoseconds of a duration": raw(pa.duration("ns"), -1),
    "nanoseconds of an interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "a key twice": pa.MapArray.from_arrays(pa.array([0, 2], pa.int32()), ["k", "k"], [1, 2]),
}


@pytest.mark.parametrize("array", WRONG.values(), ids=WRONG.keys())
def test_values_that_are_refused(array: pa.Array) -> None:
    array.validate(full=True)
    for place in (array, *nested(array).values()):
        with pytest.raises(InvalidDataError, match='Column "odd one" has '):
            entered(place)


RIGHT = {
    "decimals": pa.array([Decimal(10**38 - 1), None, Decimal(1 - 10**38), Decimal(0)], pa.decimal128(38)),
    "json": json(
        '{"a": [1, 12345678901234567890123, -1.5e400, "\\ud83d\\ude42 é"], "a": {}}', None, " null ", "[[],{}]"
    ),
    "bits": opaque("bit", pa.array([b"\x05\xf8", None, b"\x00\x00", b"\x07\xff\x00"])),
    "large integers": opaque("bignum", pa.array([b"\x80\x00\x01\x00", b"\x7f\xff\xfe\xfa", b"\x80\x00\x02\x01\x00"])),
    "times with offsets": opaque(
        "time_tz", pa.array([time_tz(86_400_000_000, 57_599), time_tz(0, -57_599), None], pa.binary(8))
    ),
    "hugeints": opaque("hugeint", pa.array([b"\xff" * 16, None, bytes(16)], pa.binary(16))),
    "instants": pa.array([0, None, 9_223_372_036_854, -9_223_372_036_854], pa.timestamp("s")),
    "dates": raw(pa.date64(), 0, -86_400_000),
    "durations": pa.array([1000, None, -5000], pa.duration("ns")),
    "intervals": pa.array([(1, -2, 3000), None, (0, 0, -1000)], pa.month_day_nano_interval()),
    "maps": pa.array([[("a", 1), ("b", 1)], None, [("a", 2)], []], pa.map_(pa.string(), pa.int8())),
    "maps of structs": pa.MapArray.from_arrays(
        pa.array([0, 2], pa.int32()), pa.array([{"a": 1, "b": None}, {"a": 1, "b": 2}]), [1, 2]
    ),
    "maps of lists": pa.MapArray.from_arrays(pa.array([0, 2], pa.int32()), pa.array([[1], [1, 1]]), [1, 2]),
}


@pytest.mark.parametrize("array", RIGHT.values(), ids=RIGHT.keys())
def test_values_that_enter_unchanged(array: pa.Array) -> None:
    for part in (array, array.slice(1), array.slice(0, 0)):
        assert entered(part).equals(part)
    lists = pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), array)
    assert entered(lists).equals(lists)


@pytest.mark.parametrize(
    "keys",
    [
        pa.array([1, 1]),
        pa.array([0.0, -0.0]),
        pa.array([float("nan")] * 2),
        pa.array([{"a": 1, "b": [2]}] * 2),
        pa.array([[1, None]] * 2),
        pa.array(["k", "k"], pa.string_view()),
        pa.array(["k", "k"]).dictionary_encode(),
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"k" * 16] * 2, pa.binary(16))),
        pa.array([datetime.date(2020, 1, 1)] * 2),
        pa.array([Decimal("1.5")] * 2, pa.decimal32(5, 2)),
    ],
    ids=lambda keys: str(keys.type),
)
def test_a_map_has_each_key_once(keys: pa.Array) -> None:
    once = pa.MapArray.from_arrays(pa.array([0, 1, 2], pa.int32()), keys, [1, 2])
    assert len(entered(once)) == 2
    with pytest.raises(InvalidDataError, match="has a map that has a key twice"):
        entered(pa.MapArray.from_arrays(pa.array([0, 2], pa.int32()), keys, [1, 2]))


def test_buffers_at_odd_places_are_nothing_to_tell_of(capfd: pytest.CaptureFixture[str]) -> None:
    """As those of uploads are: what Arrow's own grouping prints of them would stand in the server's log."""
    odd = pa.py_buffer(b"-" + pa.array([1, 2, 1], pa.int64()).buffers()[1].to_pybytes()).slice(1)
    keys = pa.Array.from_buffers(pa.int64(), 3, [None, odd])
    assert entered(pa.MapArray.from_arrays(pa.array([0, 2, 3], pa.int32()), keys, keys)).to_pylist()
    with pytest.raises(InvalidDataError, match="a key twice"):
        entered(pa.MapArray.from_arrays(pa.array([0, 3], pa.int32()), keys, keys))
    assert capfd.readouterr().err == ""


def test_what_a_type_says_is_never_null_is_not() -> None:
    inner = pa.field("item", pa.int32(), nullable=False)
    lists = pa.Array.from_buffers(
        pa.list_(inner), 1, [None, pa.array([0, 1], pa.int32()).buffers()[1]], children=[pa.array([None], pa.int32())]
    )
    structs = pa.Array.from_buffers(
        pa.struct([inner]), 2, [pa.py_buffer(b"\x01")], children=[pa.array([7, None], pa.int32())]
    )
    assert entered(structs).to_pylist() == [{"item": 7}, None]
    schema = pa.schema([inner])
    with pytest.raises(InvalidDataError, match='Column "item" has NULLs'):
        list(Entrance(schema).admit(pa.record_batch([pa.array([1, None], pa.int32())], schema=schema)))
    for array in (lists, pa.StructArray.from_arrays([pa.array([None], pa.int32())], fields=[inner])):
        with pytest.raises(InvalidDataError, match='NULLs in "item"'):
            entered(array)


@pytest.mark.parametrize(
    "text",
    [
        *('""', "0", "-0.0", "1E+5", "true", '"\\u0000\\"\\\\\\/\\b\\f\\n\\r\\t"', "[ ]", "{ }", "\t[1 , 2]\n"),
        *('{"" : {"a":[{}]}}', "[" * 512 + "]" * 512),
    ],
)
def test_json(text: str) -> None:
    assert entered(json(text)).storage.to_pylist() == [text]
    assert entered(json(None, text)).storage.to_pylist() == [None, text]


@pytest.mark.parametrize("text", ["[1,]", "{,}", "NaN", "Infinity", "[NaN]", '{"a":1,}'])
def test_what_only_some_call_json(text: str) -> None:
    """The kernel does, and no other reader would."""
    with pytest.raises(InvalidDataError, match='Column "odd one" has a value that is not JSON'):
        entered(json('"good"', text))


GEOMETRIES = {
    "point": POINT,
    "big endian": struct.pack(">bIdd", 0, 1, 1.0, 2.0),
    "z": struct.pack("<bIddd", 1, 1001, 1.0, 2.0, 3.0),
    "zm": struct.pack("<bIdddd", 1, 3001, 1.0, 2.0, 3.0, 4.0),
    "extended z": struct.pack("<bIddd", 1, 0x80000001, 1.0, 2.0, 3.0),
    "line": struct.pack("<bIIdddd", 1, 2, 2, 0, 0, 1, 1),
    "polygon": struct.pack("<bII", 1, 3, 1) + struct.pack("<Idddddddd", 4, 0, 0, 1, 0, 1, 1, 0, 0),
    "points": multi(4, POINT, POINT),
    "collection": multi(7, multi(7, POINT), multi(4)),
}


@pytest.mark.parametrize("value", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_geometries(value: bytes) -> None:
    array = pa.array([None, value, value])
    assert entered(array, WKB).equals(array)
    for wrong in (value[:-1], value + b"x", b"", b"\x02" + value[1:]):
        with pytest.raises(InvalidDataError, match='Column "odd one" has a value that is not well-known binary'):
            entered(pa.array([value, wrong], pa.binary()), WKB)


@pytest.mark.parametrize(
    "value",
    [
        struct.pack("<bIIdd", 1, 0x20000001, 4326, 1.0, 2.0),
        struct.pack("<bIdd", 1, 18, 1.0, 2.0),
        multi(4, multi(2)),
        multi(7, POINT, GEOMETRIES["z"]),
        multi(7, *[b""] * 0) + b"\x00",
    ],
    ids=["srid", "curve", "a line in points", "dimensions", "trailing"],
)
def test_geometries_that_the_kernel_would_not_take(value: bytes) -> None:
    with pytest.raises(GrismError, match="well-known binary"):
        entered(pa.array([value]), WKB)
