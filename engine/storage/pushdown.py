"""The part of a filter that a Lance scan can apply, as the SQL that Lance takes.

Only what means the same to Lance and to the kernel, for every value and for NULL, is given away: comparisons of a
column with constants that its type holds exactly, IN, BETWEEN, IS NULL, and AND, OR and NOT of those. Floats are never
compared (NaN has its place in the kernel's order, not in Lance's). The kernel applies the whole filter again, so
leaving a conjunct out costs time and no rows.

>>> text = push(parse_one("price > 0.05 AND f(name)"), schema).text
>>> text
"`price` > CAST('0.05' AS DECIMAL(15, 2))"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal

import pyarrow as pa
import pyarrow.types as pt
from sqlglot import exp

from engine.storage.stored_types import declared_type

__all__ = ["Pushed", "push"]

MAX_IN_LIST = 1_000
COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([+-][0-9]{2}(:[0-9]{2})?)?"
)
NAIVE = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)
EXACT = Context(prec=100)
MAX_DIGITS = 38  # a longer number is a DOUBLE to the kernel


@dataclass(frozen=True)
class Pushed:
    """`text` passes every row that the filter passes; where `exact`, no other row. None passes all rows."""

    text: str | None
    exact: bool


def push(predicate: exp.Expr | None, schema: pa.Schema) -> Pushed:
    """What of `predicate`, over the columns of `schema`, a Lance scan can apply."""
    if predicate is None:
        return Pushed(None, exact=True)
    return _predicate(predicate, schema)


NOTHING = Pushed(None, exact=False)


def _predicate(node: exp.Expr, schema: pa.Schema) -> Pushed:
    match node:
        case exp.Paren():
            return _predicate(node.this, schema)
        case exp.And():
            return _and(_predicate(node.left, schema), _predicate(node.right, schema))
        case exp.Or():
            return _or(_predicate(node.left, schema), _predicate(node.right, schema))
        case exp.Not():
            inner = _predicate(node.this, schema)
            # Less than the negated predicate would be more than the predicate: only an exact one can be turned round.
            return Pushed(f"NOT ({inner.text})", exact=True) if inner.exact and inner.text else NOTHING
    text = _atom(node, schema)
    return Pushed(text, exact=True) if text else NOTHING


def _and(left: Pushed, right: Pushed) -> Pushed:
    texts = [side.text for side in (left, right) if side.text]
    return Pushed(" AND ".join(texts) or None, left.exact and right.exact)


def _or(left: Pushed, right: Pushed) -> Pushed:
    if left.text is None or right.text is None:
        return NOTHING
    return Pushed(f"(({left.text}) OR ({right.text}))", left.exact and right.exact)


def _atom(node: exp.Expr, schema: pa.Schema) -> str | None:
    """A predicate on one column, or None."""
    match node:
        case exp.Column():
            field = _field(node, schema)
            return _quoted(field.name) if field is not None and pt.is_boolean(field.type) else None
        case exp.Is(this=exp.Column() as column, expression=exp.Null() | exp.Not(this=exp.Null()) as what):
            field = _field(column, schema)
            test = "IS NULL" if isinstance(what, exp.Null) else "IS NOT NULL"
            return f"{_quoted(field.name)} {test}" if field is not None and _is_scalar(field.type) else None
        case exp.In(this=exp.Column() as column) if not any(node.args.get(k) for k in ("query", "unnest", "field")):
            return _in(column, node.expressions, schema)
        case exp.Between(this=exp.Column() as column) if not node.args.get("symmetric"):
            low = _comparison(column, ">=", node.args["low"], schema)
            high = _comparison(column, "<=", node.args["high"], schema)
            return f"({low} AND {high})" if low and high else None
    sign = COMPARISONS.get(type(node))
    if sign is None:
        return None
    left, right = node.this, node.expression
    if isinstance(left, exp.Column):
        return _comparison(left, sign, right, schema)
    return _comparison(right, MIRRORED[sign], left, schema) if isinstance(right, exp.Column) else None


def _comparison(column: exp.Column, sign: str, value: exp.Expr, schema: pa.Schema) -> str | None:
    field = _field(column, schema)
    if field is None or (pt.is_dictionary(field.type) and sign not in ("=", "<>")):
        return None
    constant = _constant(value, field.type)
    return f"{_quoted(field.name)} {sign} {constant}" if constant else None


def _in(column: exp.Column, values: list[exp.Expr], schema: pa.Schema) -> str | None:
    field = _field(column, schema)
    if field is None or not 0 < len(values) <= MAX_IN_LIST:
        return None
    constants = [_constant(value, field.type) for value in values]
    if not all(constants):
        return None
    return f"{_quoted(field.name)} IN ({', '.join(c for c in constants if c)})"


def _field(column: exp.Column, schema: pa.Schema) -> pa.Field | None:
    """The table's column, if the name is one: ``a.b`` may be a field of a struct."""
    if column.args.get("table") is not None or not isinstance(column.this, exp.Identifier):
        return None
    found = [f for f in schema if f.name.lower() == column.name.lower()]
    if len(found) != 1 or "`" in found[0].name or declared_type(found[0]) is not None:
        return None  # what lies beneath a declared type compares in another way
    return found[0]


def _quoted(name: str) -> str:
    return f"`{name}`"


def _is_scalar(kind: pa.DataType) -> bool:
    return bool(
        pt.is_integer(kind)
        or pt.is_floating(kind)
        or pt.is_decimal128(kind)
        or pt.is_boolean(kind)
        or pt.is_date32(kind)
        or pt.is_timestamp(kind)
        or pt.is_string(kind)
        or pt.is_large_string(kind)
    )


def _constant(node: exp.Expr, kind: pa.DataType) -> str | None:
    """The constant as a literal of exactly the column's type, or None where that type does not hold it."""
    if isinstance(node, exp.Paren):
        return _constant(node.this, kind)
    if pt.is_dictionary(kind):
        return _constant(node, kind.value_type) if pt.is_string(kind.value_type) else None
    if pt.is_integer(kind) or pt.is_decimal128(kind):
        number = _number(node)
        return None if number is None else _number_text(number, kind)
    if pt.is_boolean(kind):
        return str(bool(node.this)).upper() if isinstance(node, exp.Boolean) else None
    if pt.is_string(kind) or pt.is_large_string(kind):
        return _string_text(node)
    if pt.is_date32(kind):
        instant = _instant(node)
        midnight = (
            instant is not None and instant.tzinfo is None and instant == datetime.combine(instant, datetime.min.time())
        )
        return f"DATE '{instant.date().isoformat()}'" if midnight and instant is not None else None
    if pt.is_timestamp(kind) and kind.unit == "us":
        return _timestamp_text(node, kind)
    return None


def _number(node: exp.Expr) -> Decimal | None:
    if isinstance(node, exp.Neg):
        inner = _number(node.this)
        return None if inner is None else inner.copy_negate()
    if isinstance(node, exp.Paren):
        return _number(node.this)
    if not isinstance(node, exp.Literal) or node.is_string or not NUMBER.fullmatch(node.name):
        return None
    return Decimal(node.name) if len(node.name.replace(".", "").lstrip("0")) <= MAX_DIGITS else None


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


def _string_text(node: exp.Expr) -> str | None:
    if not isinstance(node, exp.Literal) or not node.is_string or "\0" in node.name:
        return None
    return "'" + node.name.replace("'", "''") + "'"


def _instant(node: exp.Expr) -> datetime | None:
    """A constant date or timestamp, written as text or as a cast of text; with a zone only where the text has one."""
    target = None
    if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
        if node.to.expressions:
            return None
        target, node = node.to.this, node.this
    if not isinstance(node, exp.Literal) or not node.is_string:
        return None
    text = node.name
    try:
        if DATE.fullmatch(text) and target in (None, exp.DType.DATE, *NAIVE):
            return datetime.combine(date.fromisoformat(text), datetime.min.time())
        if not TIMESTAMP.fullmatch(text):
            return None
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    zoned = instant.tzinfo is not None
    return instant if target in ((exp.DType.TIMESTAMPTZ,) if zoned else (None, *NAIVE)) else None


def _timestamp_text(node: exp.Expr, kind: pa.TimestampType) -> str | None:
    instant = _instant(node)
    if instant is None or (instant.tzinfo is None) != (kind.tz is None):
        return None
    if kind.tz is None:
        return f"arrow_cast({_micros(instant.replace(tzinfo=UTC))}, 'Timestamp(Microsecond, None)')"
    if not re.fullmatch(r"[A-Za-z0-9_/+:-]+", kind.tz):
        return None
    return f"arrow_cast({_micros(instant)}, 'Timestamp(Microsecond, Some(\"{kind.tz}\"))')"


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)
