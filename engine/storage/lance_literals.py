"""Constants of the kernel as literals in the SQL that Lance takes, of exactly the type of a stored column.

Where a type does not hold a constant exactly there is no literal, and nothing that has it is given to Lance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal

import pyarrow as pa
import pyarrow.types as pt
from sqlglot import exp

__all__ = ["blob_text", "float_text", "literal", "string_text", "time_text", "timestamp_text", "uuid_text"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
DECIMAL = re.compile(r"DECIMAL\([0-9]+, *([0-9]+)\)")
FLOAT = re.compile(r"-?([0-9]{1,400}(\.[0-9]{0,400})?(e[+-]?[0-9]{1,3})?|inf)", re.IGNORECASE)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?")
TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([+-][0-9]{2}(?::[0-9]{2})?)?"
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BLOB = re.compile(r"(?:\\x[0-9A-Fa-f]{2}|[ -\[\]-~])*")
BYTE = re.compile(r"\\x([0-9A-Fa-f]{2})|(.)")
EXACT = Context(prec=100)
MAX_DIGITS = 38  # a longer number is a DOUBLE to the kernel
TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNITS = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}
NAIVE: Mapping[str, tuple[str, ...]] = {
    "s": ("TIMESTAMP_S",),
    "ms": ("TIMESTAMP_MS",),
    "us": ("TIMESTAMP", "DATE", ""),
    "ns": ("TIMESTAMP_NS",),
}
"""The types of constants that a column of timestamps without a zone is compared with, by its unit; "" is a text."""
ZONED = {unit: ("TIMESTAMPTZ_NS" if unit == "ns" else "TIMESTAMPTZ",) for unit in TICKS}


def literal(node: exp.Expr, kind: pa.DataType) -> str | None:
    """A constant number, boolean, text, date or timestamp in microseconds; None where the type does not hold it."""
    if isinstance(node, exp.Paren):
        return literal(node.this, kind)
    if pt.is_dictionary(kind):
        return literal(node, kind.value_type) if pt.is_string(kind.value_type) else None
    if pt.is_integer(kind) or pt.is_decimal128(kind):
        number = _number(node)
        return None if number is None else _number_text(number, kind)
    if pt.is_boolean(kind):
        return str(bool(node.this)).upper() if isinstance(node, exp.Boolean) else None
    if pt.is_string(kind) or pt.is_large_string(kind):
        return string_text(node)
    if pt.is_date32(kind):
        return _date_text(node)
    if pt.is_timestamp(kind) and kind.unit == "us":
        return timestamp_text(node, kind)
    return None


def string_text(node: exp.Expr) -> str | None:
    """A constant text."""
    if not isinstance(node, exp.Literal) or not node.is_string or "\0" in node.name:
        return None
    return "'" + node.name.replace("'", "''") + "'"


def float_text(node: exp.Expr, kind: pa.DataType) -> str | None:
    """A constant of a float's type, which the planner writes as a cast of its text.

    None for NaN: to Lance those of another sign or payload are other values.
    """
    name, types = ("FLOAT", ("FLOAT", "REAL")) if pt.is_float32(kind) else ("DOUBLE", ("DOUBLE",))
    text = _text(node, types)
    return f"CAST('{text}' AS {name})" if text is not None and FLOAT.fullmatch(text) else None


def uuid_text(node: exp.Expr) -> str | None:
    """A constant UUID as the text as which UUIDs are stored, whose order is theirs."""
    text = _text(node, ("UUID",))
    return f"'{text}'" if text is not None and UUID.fullmatch(text) else None


def blob_text(node: exp.Expr, kind: pa.DataType) -> str | None:
    """Constant bytes; None where a column of a fixed size has bytes of another."""
    text = _text(node, ("BLOB",))
    if text is None or not BLOB.fullmatch(text):
        return None
    digits = "".join(code.lower() or f"{ord(char):02x}" for code, char in BYTE.findall(text))
    fits = not pt.is_fixed_size_binary(kind) or len(digits) == 2 * kind.byte_width
    return f"X'{digits}'" if fits else None


def time_text(node: exp.Expr, kind: pa.DataType) -> str | None:
    """A constant time of day before 24:00."""
    text = _text(node, ("TIME_NS",) if kind.unit == "ns" else ("TIME",))
    found = TIME.fullmatch(text or "")
    if found is None:
        return None
    try:
        clock = time.fromisoformat(found[1])
    except ValueError:
        return None
    seconds = (clock.hour * 60 + clock.minute) * 60 + clock.second
    count = _ticks(seconds, found[2], kind.unit)
    return None if count is None else f"arrow_cast({count}, 'Time{kind.bit_width}({UNITS[kind.unit]})')"


def timestamp_text(node: exp.Expr, kind: pa.TimestampType) -> str | None:
    """A constant timestamp, which has a zone where the column has one."""
    text = _text(node, NAIVE[kind.unit] if kind.tz is None else ZONED[kind.unit])
    instant = None if text is None else _instant(text)
    if instant is None or (instant[0].tzinfo is None) != (kind.tz is None):
        return None
    whole, fraction = instant
    since = whole.replace(tzinfo=whole.tzinfo or UTC) - EPOCH
    count = _ticks(since // timedelta(seconds=1), fraction, kind.unit)
    if count is None or abs(count) >= 2**63:
        return None
    if kind.tz is None:
        return f"arrow_cast({count}, 'Timestamp({UNITS[kind.unit]}, None)')"
    if not re.fullmatch(r"[A-Za-z0-9_/+:-]+", kind.tz):
        return None
    return f"arrow_cast({count}, 'Timestamp({UNITS[kind.unit]}, Some(\"{kind.tz}\"))')"


def _text(node: exp.Expr, types: tuple[str, ...]) -> str | None:
    """The text of a constant that is a cast of it to one of the types; "" among them lets it be a mere text."""
    if isinstance(node, exp.Paren):
        return _text(node.this, types)
    name = ""
    if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
        name, node = node.to.sql("duckdb").upper(), node.this
        if not name:
            return None
    is_text = isinstance(node, exp.Literal) and node.is_string
    return node.name if is_text and name in types else None


def _number(node: exp.Expr) -> Decimal | None:
    if isinstance(node, exp.Neg):
        inner = _number(node.this)
        return None if inner is None else inner.copy_negate()
    if isinstance(node, exp.Paren):
        return _number(node.this)
    if isinstance(node, exp.Cast):
        return _wide_number(node)
    if not isinstance(node, exp.Literal) or node.is_string or not NUMBER.fullmatch(node.name):
        return None
    return Decimal(node.name) if len(node.name.replace(".", "").lstrip("0")) <= MAX_DIGITS else None


def _wide_number(node: exp.Cast) -> Decimal | None:
    """A number of many digits, which the planner writes as a cast of its text to the decimal that it is."""
    text, kind = node.this, DECIMAL.fullmatch(node.to.sql("duckdb").upper())
    if isinstance(node, exp.TryCast) or kind is None or not isinstance(text, exp.Literal) or not text.is_string:
        return None
    if not NUMBER.fullmatch(text.name.removeprefix("-")):
        return None
    number = Decimal(text.name)
    return number if -int(number.as_tuple().exponent) <= int(kind[1]) else None


def _number_text(number: Decimal, kind: pa.DataType) -> str | None:
    number = number.normalize(EXACT)
    _, digits, exponent = number.as_tuple()
    if pt.is_decimal128(kind):
        scale = max(0, -int(exponent))
        whole = len(digits) + int(exponent)
        fits = scale <= kind.scale and whole <= kind.precision - kind.scale and kind.scale >= 0
        return f"CAST('{number:f}' AS DECIMAL({kind.precision}, {kind.scale}))" if fits else None
    if number != number.to_integral_value():
        return None
    signed = pt.is_signed_integer(kind)
    # The least value of all is not taken: Lance reads its digits before their sign.
    low, high = (
        (-(2 ** (kind.bit_width - 1)) + 1, 2 ** (kind.bit_width - 1) - 1) if signed else (0, 2**kind.bit_width - 1)
    )
    return str(int(number)) if low <= number <= high else None


def _date_text(node: exp.Expr) -> str | None:
    text = _text(node, ("DATE", "TIMESTAMP", ""))
    instant = None if text is None else _instant(text)
    if instant is None or instant[0].tzinfo is not None or instant[0].time() != time() or _is_above_zero(instant[1]):
        return None
    return f"DATE '{instant[0].date().isoformat()}'"


def _instant(text: str) -> tuple[datetime, str] | None:
    """A date or a timestamp to the second, with a zone where the text has one, and the digits of the fraction."""
    try:
        if DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time()), ""
        found = TIMESTAMP.fullmatch(text)
        if found is None:
            return None
        return datetime.fromisoformat(f"{found[1]} {found[2]}{found[4] or ''}"), found[3] or ""
    except ValueError:
        return None


def _is_above_zero(fraction: str) -> bool:
    return bool(fraction.strip("0"))


def _ticks(seconds: int, fraction: str | None, unit: str) -> int | None:
    """Seconds and the digits of a fraction as a count of units; None where that is not a whole one."""
    ticks = TICKS[unit]
    count, rest = divmod(int((fraction or "").ljust(9, "0")) * ticks, 10**9)
    return None if rest else seconds * ticks + count
