"""Arrow values as typed constants in the kernel's language."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa

from engine.errors import InvalidValueError, UnsupportedError

__all__ = ["INTEGER_RANGES", "constant", "constant_as", "literal", "type_text"]

_INTEGERS = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
}
INTEGER_RANGES = {
    name: range(2 ** int(kind[4:])) if kind[0] == "u" else range(-(2 ** int(kind[3:]) // 2), 2 ** int(kind[3:]) // 2)
    for kind, name in _INTEGERS.items()
}
_TIMESTAMPS = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}
_EXTENSIONS = {"arrow.uuid": "UUID", "arrow.json": "JSON", "arrow.bool8": "BOOLEAN"}
_UNUSED_BITS = (1 << 24) - 1  # of a TIMETZ: how many seconds its offset is below the greatest
_GREATEST_OFFSET = 57_599
_MAX_BIGNUM = 1_700  # bytes: Python writes no integer of more than 4,300 digits
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime.datetime(1970, 1, 1)
_INFINITE_DAYS = 2**31 - 1
_INFINITE_TICKS = 2**63 - 1  # of a timestamp in any unit
_MOST_MICROS = 2**63 - 1


def constant(value: pa.Scalar) -> str:
    """`value` as SQL text that means what it does to the kernel as a bound value: a text takes the type of its place.

    Raises as `literal`.
    """
    plain = value.value if isinstance(value, pa.DictionaryScalar) else value
    if plain.is_valid and _is_text(plain.type) and "\0" not in plain.as_py():
        return _string(plain.as_py())
    return literal(value)


def constant_as(value: pa.Scalar, to: str | None, *, untyped_null: bool = False) -> str:
    """As `constant`, for a place of the kernel's type `to`, which NULL takes, and an integer that fits.

    Where the type is not told, an integer is as short as the kernel takes one from its own clients, and a NULL has its
    own type, or none with `untyped_null`.
    """
    if not value.is_valid:
        own = "NULL" if untyped_null else literal(value)
        return own if to is None else f"CAST(NULL AS {to})"
    kind = "INTEGER" if to is None else to
    if pa.types.is_integer(value.type) and value.as_py() in INTEGER_RANGES.get(kind, ()):
        return f"CAST('{value.as_py()}' AS {kind})"
    return constant(value)


def literal(value: pa.Scalar) -> str:
    """`value` as SQL text of the same type.

    Raises UnsupportedError for types without a counterpart, and InvalidValueError for times out of range.
    """
    if pa.types.is_dictionary(value.type):
        return literal(pa.scalar(value.as_py(), value.type.value_type))
    if isinstance(value.type, pa.BaseExtensionType) and not _is_known(value.type):
        return literal(value.value if value.is_valid else pa.scalar(None, value.type.storage_type))
    if pa.types.is_null(value.type):
        return "NULL"
    kind = type_text(value.type)
    if not value.is_valid:
        return f"CAST(NULL AS {kind})"
    return f"CAST({_text(value)} AS {kind})"


def type_text(kind: pa.DataType) -> str:
    """The kernel's name of an Arrow type."""
    t = pa.types
    if str(kind) in _INTEGERS:
        return _INTEGERS[str(kind)]
    if t.is_dictionary(kind):
        return type_text(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        if _is_opaque(kind):
            return _OPAQUE[kind.type_name][0]
        return _EXTENSIONS.get(kind.extension_name) or type_text(kind.storage_type)
    if t.is_timestamp(kind):
        if kind.tz:
            return "TIMESTAMPTZ_NS" if kind.unit == "ns" else "TIMESTAMP WITH TIME ZONE"
        return _TIMESTAMPS[kind.unit]
    if t.is_time(kind):
        return "TIME_NS" if kind.unit == "ns" else "TIME"
    if t.is_decimal(kind):
        if kind.precision > 38:
            raise UnsupportedError(f"A decimal of {kind.precision} digits was given; at most 38 are handled.")
        return f"DECIMAL({kind.precision},{kind.scale})"
    if t.is_fixed_size_list(kind):
        return f"{type_text(kind.value_type)}[{kind.list_size}]"
    if t.is_list(kind) or t.is_large_list(kind) or t.is_list_view(kind) or t.is_large_list_view(kind):
        return f"{type_text(kind.value_type)}[]"
    if t.is_map(kind):
        return f"MAP({type_text(kind.key_type)}, {type_text(kind.item_type)})"
    if t.is_struct(kind):
        if not kind.num_fields:
            raise UnsupportedError("A struct without fields was given, which the kernel has no type for.")
        members = ", ".join(
            f"{_quote(kind.field(i).name)} {type_text(kind.field(i).type)}" for i in range(kind.num_fields)
        )
        return f"STRUCT({members})"
    for test, name in (
        (t.is_boolean, "BOOLEAN"),
        (t.is_float16, "FLOAT"),
        (t.is_float32, "FLOAT"),
        (t.is_float64, "DOUBLE"),
        (t.is_string, "VARCHAR"),
        (t.is_large_string, "VARCHAR"),
        (t.is_string_view, "VARCHAR"),
        (t.is_binary, "BLOB"),
        (t.is_large_binary, "BLOB"),
        (t.is_binary_view, "BLOB"),
        (t.is_fixed_size_binary, "BLOB"),
        (t.is_date, "DATE"),
        (t.is_duration, "INTERVAL"),
        (t.is_interval, "INTERVAL"),
        (t.is_null, '"NULL"'),
    ):
        if test(kind):
            return name
    raise UnsupportedError(f"A parameter of type {kind} was given, which the kernel has no counterpart for.")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_opaque(kind: pa.BaseExtensionType) -> bool:
    """Whether this is an opaque type of the kernel's own."""
    return bool(kind.extension_name == "arrow.opaque" and kind.vendor_name == "DuckDB" and kind.type_name in _OPAQUE)


def _is_known(kind: pa.BaseExtensionType) -> bool:
    return kind.extension_name in _EXTENSIONS or _is_opaque(kind)


def _bit(value: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in value[1:])
    return bits[value[0] :]


def _bignum(value: bytes) -> str:
    if len(value) > _MAX_BIGNUM:
        raise UnsupportedError(f"A BIGNUM of {len(value)} bytes was bound; at most {_MAX_BIGNUM} are taken.")
    if value[0] & 0x80:
        return str(int.from_bytes(value[3:], "big"))
    return str(-int.from_bytes(bytes(0xFF - byte for byte in value[3:]), "big"))


def _time_tz(value: bytes) -> str:
    bits = int.from_bytes(value, "little")
    offset = _GREATEST_OFFSET - (bits & _UNUSED_BITS)
    sign = "-" if offset < 0 else "+"
    return f"{_clock(bits >> 24, 'us')}{sign}{_clock(abs(offset), 's')}"


_OPAQUE: dict[str, tuple[str, Callable[[bytes], str]]] = {
    "hugeint": ("HUGEINT", lambda value: str(int.from_bytes(value, "little", signed=True))),
    "uhugeint": ("UHUGEINT", lambda value: str(int.from_bytes(value, "little"))),
    "bignum": ("BIGNUM", _bignum),
    "bit": ("BIT", _bit),
    "time_tz": ("TIMETZ", _time_tz),
}
"""The kernel's own opaque types: its names of them, and the text of a value."""


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _string(text: str) -> str:
    if "\0" in text:
        parts = text.split("\0")
        return "(" + " || chr(0) || ".join(_string(part) for part in parts) + ")"
    return "'" + text.replace("'", "''") + "'"


def _text(value: pa.Scalar) -> str:
    kind = value.type
    t = pa.types
    if isinstance(kind, pa.BaseExtensionType) and _is_opaque(kind):
        return f"'{_OPAQUE[kind.type_name][1](value.value.as_py())}'"
    if t.is_struct(kind):
        fields = (f"{_quote(kind.field(i).name)} := {literal(value[i])}" for i in range(kind.num_fields))
        return f"struct_pack({', '.join(fields)})"
    if t.is_map(kind):
        entries = value.values
        keys, items = entries.field(0), entries.field(1)
        return f"map([{', '.join(literal(k) for k in keys)}], [{', '.join(literal(v) for v in items)}])"
    if hasattr(value, "values") and not t.is_dictionary(kind):
        return f"[{', '.join(literal(v) for v in value.values)}]"
    if t.is_timestamp(kind):
        return _timestamp(value)
    if t.is_date(kind):
        return _date(value.value if t.is_date32(kind) else value.value // 86_400_000)
    if t.is_time(kind):
        return f"'{_clock(value.value, kind.unit)}'"
    if t.is_duration(kind):
        return f"to_microseconds({_micros(value.value, kind.unit)})"
    python = value.as_py()
    if isinstance(python, bool):
        return "true" if python else "false"
    if isinstance(python, int):
        return f"'{python}'"
    if isinstance(python, Decimal):
        return f"'{python:f}'"
    if isinstance(python, float):
        return f"'{python!r}'"
    if isinstance(python, bytes):
        return "'" + "".join(f"\\x{b:02X}" for b in python) + "'"
    if t.is_interval(kind):
        micros = _micros(python.nanoseconds, "ns")
        return f"(to_months({python.months}) + to_days({python.days}) + to_microseconds({micros}))"
    return _string(str(python))


def _timestamp(value: pa.Scalar) -> str:
    """Text where a year has four digits, so that storages can read it; else built from the epoch."""
    unit, zone = value.type.unit, "+00" if value.type.tz else ""
    if abs(value.value) == _INFINITE_TICKS:
        return "'infinity'" if value.value > 0 else "'-infinity'"
    seconds, rest = divmod(value.value, _PER_SECOND[unit])
    try:
        second = _EPOCH + datetime.timedelta(seconds=seconds)
    except OverflowError:
        micros = _micros(value.value, unit)
        return f"to_timestamp(0) + to_microseconds({micros})" if zone else f"make_timestamp({micros})"
    return f"'{second.isoformat(sep=' ')}{_fraction(rest, unit)}{zone}'"


def _date(days: int) -> str:
    if abs(days) == _INFINITE_DAYS:
        return "'infinity'" if days > 0 else "'-infinity'"
    try:
        return f"'{(_EPOCH + datetime.timedelta(days=days)).date().isoformat()}'"
    except OverflowError:
        return f"make_date({days})"


def _clock(value: int, unit: str) -> str:
    seconds, rest = divmod(value, _PER_SECOND[unit])
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{_fraction(rest, unit)}"


def _fraction(rest: int, unit: str) -> str:
    digits = len(str(_PER_SECOND[unit])) - 1
    return f".{rest:0{digits}}" if rest else ""


def _micros(value: int, unit: str) -> int:
    """Microseconds, cut towards zero as the kernel cuts finer ones. Raises InvalidValueError out of their range."""
    micros = abs(value) * 10**6 // _PER_SECOND[unit] * (1 if value >= 0 else -1)
    if abs(micros) > _MOST_MICROS:
        raise InvalidValueError(f"A time of {value} {unit} was given, which is out of range.")
    return micros
