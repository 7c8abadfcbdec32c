"""Arrow values as typed constants in the kernel's language."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pyarrow as pa

from engine.errors import UnsupportedError

__all__ = ["literal"]

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
_TIMESTAMPS = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}


def literal(value: pa.Scalar) -> str:
    """`value` as SQL text of the same type. Raises UnsupportedError for types without a counterpart."""
    if value.is_valid and pa.types.is_dictionary(value.type):
        return literal(
            value.as_py() if isinstance(value.as_py(), pa.Scalar) else pa.scalar(value.as_py(), value.type.value_type)
        )
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
    if t.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE" if kind.tz else _TIMESTAMPS[kind.unit]
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
        members = ", ".join(
            f"{_quoted(kind.field(i).name)} {type_text(kind.field(i).type)}" for i in range(kind.num_fields)
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
        (t.is_time, "TIME"),
        (t.is_duration, "INTERVAL"),
        (t.is_interval, "INTERVAL"),
        (t.is_null, "INTEGER"),
    ):
        if test(kind):
            return name
    raise UnsupportedError(f"A parameter of type {kind} was given, which the kernel has no counterpart for.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _string(text: str) -> str:
    if "\0" in text:
        parts = text.split("\0")
        return "(" + " || chr(0) || ".join(_string(part) for part in parts) + ")"
    return "'" + text.replace("'", "''") + "'"


def _text(value: pa.Scalar) -> str:
    kind = value.type
    t = pa.types
    if t.is_struct(kind):
        fields = (f"{_quoted(kind.field(i).name)} := {literal(value[i])}" for i in range(kind.num_fields))
        return f"struct_pack({', '.join(fields)})"
    if t.is_map(kind):
        entries = value.values
        keys, items = entries.field(0), entries.field(1)
        return f"map([{', '.join(literal(k) for k in keys)}], [{', '.join(literal(v) for v in items)}])"
    if hasattr(value, "values") and not t.is_dictionary(kind):
        return f"[{', '.join(literal(v) for v in value.values)}]"
    if t.is_timestamp(kind):
        return _timestamp(value)
    if t.is_duration(kind):
        micros = value.cast(pa.duration("us"), safe=False).value if kind.unit != "us" else value.value
        return f"to_microseconds({micros})"
    python = value.as_py()
    if isinstance(python, bool):
        return "true" if python else "false"
    if isinstance(python, int | Decimal):
        return f"'{python}'"
    if isinstance(python, float):
        return f"'{python!r}'"
    if isinstance(python, bytes):
        return "'" + "".join(f"\\x{b:02X}" for b in python) + "'"
    if isinstance(python, datetime.date | datetime.time):
        return f"'{python.isoformat()}'"
    if t.is_interval(kind):
        return f"(to_months({python.months}) + to_days({python.days}) + to_microseconds({python.nanoseconds // 1000}))"
    return _string(str(python))


def _timestamp(value: pa.Scalar) -> str:
    """Built from the epoch, so that no time zone database and no rounding stands between."""
    kind = value.type
    if kind.tz:
        micros = value.value * {"s": 1_000_000, "ms": 1_000, "us": 1}.get(kind.unit, 1)
        micros = value.value // 1_000 if kind.unit == "ns" else micros
        return f"to_timestamp(0) + to_microseconds({micros})"
    maker = {"s": ("make_timestamp", 1_000_000), "ms": ("make_timestamp", 1_000), "us": ("make_timestamp", 1)}
    if kind.unit == "ns":
        return f"make_timestamp_ns({value.value})"
    name, factor = maker[kind.unit]
    return f"{name}({value.value * factor})"
