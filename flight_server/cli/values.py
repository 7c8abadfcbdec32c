"""Arrow values as JSON has them, and as texts in the words of the dialect."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

__all__ = ["distinct", "plain_values", "time_texts"]

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY = 86_400  # seconds
_EPOCH = datetime.date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (datetime.date.min - _EPOCH).days, (datetime.date.max - _EPOCH).days
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097  # of the Gregorian calendar
_ENDLESS_DAYS, _INFINITY = 2**31 - 1, 2**63 - 1  # the dialect's infinite dates and timestamps


def plain_values(column: pa.Array) -> list[Any]:
    """The values as JSON has them. What JSON does not have is a text: decimals with every digit, NaN and the
    infinities, bytes in hexadecimal, times and intervals as the dialect writes them."""
    if types.is_integer(column.type) or types.is_string(column.type):
        values: list[Any] = column.to_pylist()
        return values
    return [_value(scalar) for scalar in column]


def time_texts(column: pa.Array) -> pa.Array:
    """Arrow's own text, which costs no Python for each value, and the dialect's where Arrow has none."""
    low, high = _usual(column.type)
    counts = column.view(pa.int32() if column.type.bit_width == 32 else pa.int64())
    unusual = pc.or_(pc.less(counts, low), pc.greater(counts, high))
    texts = pa.array(plain_values(column.filter(unusual)), pa.string())
    return pc.replace_with_mask(column.cast(pa.string()), unusual, texts)


def distinct(names: Iterable[str]) -> list[str]:
    """The names; those that are there already are told apart by a number."""
    found: list[str] = []
    for name in names:
        unique, n = name, 1
        while unique in found:
            unique, n = f"{name}_{n}", n + 1
        found.append(unique)
    return found


def _usual(data_type: pa.DataType) -> tuple[int, int]:
    """The first and the last count of a date, time or timestamp that Arrow writes as the dialect reads it."""
    if types.is_date32(data_type):
        return _FIRST_DAY, _LAST_DAY
    per_day = _DAY * (1_000 if types.is_date(data_type) else _PER_SECOND[data_type.unit])
    if types.is_time(data_type):
        return 0, per_day - 1
    return max(_FIRST_DAY * per_day, 1 - _INFINITY), min((_LAST_DAY + 1) * per_day, _INFINITY) - 1


def _value(scalar: pa.Scalar) -> Any:
    if not scalar.is_valid:
        return None
    match scalar:
        case pa.HalfFloatScalar() | pa.FloatScalar() | pa.DoubleScalar():
            number = scalar.as_py()
            return number if math.isfinite(number) else str(number)
        case pa.Decimal32Scalar() | pa.Decimal64Scalar() | pa.Decimal128Scalar() | pa.Decimal256Scalar():
            return format(scalar.as_py(), "f")
        case pa.Date32Scalar():
            return _date(scalar.value)
        case pa.Date64Scalar():
            return _date(scalar.value // (_DAY * 1_000))
        case pa.Time32Scalar() | pa.Time64Scalar():
            return _clock(scalar.value, _PER_SECOND[scalar.type.unit])
        case pa.TimestampScalar():
            return _timestamp(scalar.value, scalar.type)
        case pa.DurationScalar():
            return _interval(0, 0, scalar.value * (_PER_SECOND["ns"] // _PER_SECOND[scalar.type.unit]))
        case pa.MonthDayNanoIntervalScalar():
            return _interval(*scalar.value)
        case pa.MapScalar():
            keys, items = scalar.values.field(0), scalar.values.field(1)
            return [list(entry) for entry in zip(plain_values(keys), plain_values(items), strict=True)]
        case pa.ListScalar():
            return plain_values(scalar.values)
        case pa.StructScalar():
            names = distinct(field.name for field in scalar.type)
            return {name: _value(scalar[index]) for index, name in enumerate(names)}
        case pa.DictionaryScalar() | pa.UnionScalar() | pa.RunEndEncodedScalar():
            return _value(scalar.value)
        case pa.UuidScalar():
            return str(scalar.as_py())
        case pa.OpaqueScalar() if (scalar.type.vendor_name, scalar.type.type_name) in _OPAQUE:
            return _OPAQUE[scalar.type.vendor_name, scalar.type.type_name](scalar.value.as_py())
        case pa.ExtensionScalar() if not isinstance(scalar, pa.Bool8Scalar):
            return _value(scalar.value)
    value = scalar.as_py()
    return value.hex() if isinstance(value, bytes) else value


def _date(days: int) -> str:
    if abs(days) == _ENDLESS_DAYS:
        return "infinity" if days > 0 else "-infinity"
    cycles, rest = divmod(days, _CYCLE_DAYS)  # Python's dates are those of few years, and every cycle is like another
    day = _EPOCH + datetime.timedelta(rest)
    year = day.year + cycles * _CYCLE_YEARS
    return f"{year if year > 0 else 1 - year:04}-{day:%m-%d}{'' if year > 0 else ' (BC)'}"


def _clock(count: int, per_second: int) -> str:
    seconds, fraction = divmod(count, per_second)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{str(per_second + fraction)[1:].rstrip('0')}" if fraction else text


def _timestamp(count: int, data_type: pa.DataType) -> str:
    if abs(count) == _INFINITY:
        return "infinity" if count > 0 else "-infinity"
    per_second, zone = _PER_SECOND[data_type.unit], ""
    if data_type.tz is not None:
        offset = _offset(count // per_second, data_type.tz)
        count, zone = count + offset * per_second, _zone(offset)
    days, rest = divmod(count, _DAY * per_second)
    return f"{_date(days)} {_clock(rest, per_second)}{zone}"


def _offset(seconds: int, zone: str) -> int:
    """How many seconds the zone is ahead of UTC at an instant; 0 for an instant that Python's zones do not reach."""
    try:
        ahead = datetime.datetime.fromtimestamp(seconds, pa.lib.string_to_tzinfo(zone)).utcoffset()
    except (OverflowError, ValueError):
        return 0
    return 0 if ahead is None else int(ahead.total_seconds())


def _zone(offset: int) -> str:
    minutes, seconds = divmod(abs(offset), 60)
    text = f"{'-' if offset < 0 else '+'}{minutes // 60:02}"
    if minutes % 60 or seconds:
        text += f":{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _interval(months: int, days: int, nanoseconds: int) -> str:
    counts = {"year": int(months / 12), "month": int(math.fmod(months, 12)), "day": days}
    parts = [f"{count} {unit}{'' if abs(count) == 1 else 's'}" for unit, count in counts.items() if count]
    if nanoseconds or not parts:
        parts.append(("-" if nanoseconds < 0 else "") + _clock(abs(nanoseconds), _PER_SECOND["ns"]))
    return " ".join(parts)


def _bits(stored: bytes) -> str:
    """A bit string: a byte that says how many bits of the next are padding, then the bits."""
    return "".join(f"{byte:08b}" for byte in stored[1:])[int.from_bytes(stored[:1]) :]


def _bignum(stored: bytes) -> str:
    """A whole number of any size: three bytes of sign and length, then the digits; all flipped where it is negative."""
    positive = stored[:1] >= b"\x80"
    digits = int.from_bytes(stored[3:] if positive else bytes(byte ^ 0xFF for byte in stored[3:]))
    return format(decimal.Decimal(digits if positive else -digits), "f")  # str(int) stops at some thousand digits


_OPAQUE: dict[tuple[str, str], Callable[[bytes], str]] = {("DuckDB", "bit"): _bits, ("DuckDB", "bignum"): _bignum}
