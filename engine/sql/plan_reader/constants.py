"""Constants of the kernel's plans, as expressions of exactly their type."""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from engine.other_values import as_parameter
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys
from engine.sql.plan_reader.types import data_type, members, type_text

__all__ = ["INTEGERS", "AnyValue", "beside", "cast", "constant", "integer", "text", "typed_constant"]

_KEYS = frozenset({"type", "is_null", "value"})
INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
_WIDE = frozenset({"HUGEINT", "UHUGEINT"})
_LITERAL_DIGITS = 18  # that a number with a point may have to be a decimal of as many
_BARE: tuple[Node, ...] = ({"id": "INTEGER"}, {"id": "VARCHAR"})
_UNITS = {
    "TIMESTAMP": 6,
    "TIMESTAMP_S": 0,
    "TIMESTAMP_MS": 3,
    "TIMESTAMP_NS": 9,
    "TIMESTAMP WITH TIME ZONE": 6,
    "TIMESTAMPTZ_NS": 9,
}
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"})
_EPOCH = datetime.datetime(1970, 1, 1)
_INFINITE_DAYS = 2**31 - 1
_INFINITE_TIME = 2**63 - 1
_OFFSET_BITS = 24  # of a TIMETZ: how many seconds its offset is below the greatest
_GREATEST_OFFSET = 57_599


class AnyValue(dict[str, Any]):
    """The value of a plan's constant that stands for any value of the parameter with this number."""

    def __init__(self, number: str, value: Node) -> None:
        super().__init__(value)
        self.number = number


def constant(node: Node) -> exp.Expr:
    """The constant of a plan. A number from 0 on is INTEGER as it stands, a text VARCHAR; all else says its type.

    Raises NotRead for types whose values the kernel does not write, or which no text gives.
    """
    return _mark(_value(node["type"], node), node, constant)


def typed_constant(node: Node) -> exp.Expr:
    """The constant, which always says its type unless it is a text."""
    made = _value(node["type"], node)
    is_bare = isinstance(made, exp.Literal) and not made.is_string
    return _mark(cast(made, node["type"]) if is_bare else made, node, typed_constant)


def beside(node: Node) -> exp.Expr:
    """The constant next to an operand of its type, which is no constant: a number takes that type as it stands."""
    return _mark(_beside(node), node, beside)


def _mark(made: exp.Expr, node: Node, reading: Callable[[Node], exp.Expr]) -> exp.Expr:
    return as_parameter(made, node.number, reading) if isinstance(node, AnyValue) else made


def _beside(node: Node) -> exp.Expr:
    kind = node["type"]
    name = kind["id"]
    check_keys(node, _KEYS, "a value")
    if node["is_null"]:
        return _value(kind, node)
    value = node["value"]
    if name in INTEGERS:
        return exp.Literal.number(value)
    if name in _WIDE:
        return exp.Literal.number(_wide(value))
    if name == "DECIMAL":
        info = kind["type_info"]
        if 0 < info.get("scale", 0) < info["width"] <= _LITERAL_DIGITS:
            return exp.Literal.number(_decimal(value, info["scale"]))
    return _value(kind, node)


def cast(this: exp.Expr, kind: Node) -> exp.Cast:
    """`this` as a value of the kernel's type."""
    return exp.Cast(this=this, to=data_type(kind))


def integer(node: Node) -> int:
    """The number that a constant of an integer type is. Raises NotRead for others."""
    if node.get("is_null") or node["type"]["id"] not in INTEGERS:
        raise NotRead("a count that is no integer")
    return int(node["value"])


def text(value: str) -> exp.Expr:
    """A text, also one that has characters which no literal may have."""
    if "\0" not in value:
        return exp.Literal.string(value)
    first, *rest = value.split("\0")
    joined: exp.Expr = exp.Literal.string(first)
    for part in rest:
        nul = exp.Anonymous(this="chr", expressions=[exp.Literal.number(0)])
        joined = exp.DPipe(this=exp.DPipe(this=joined, expression=nul), expression=exp.Literal.string(part))
    return exp.Paren(this=joined)


def _value(kind: Node, node: Node) -> exp.Expr:
    check_keys(node, _KEYS, "a value")
    name = kind["id"]
    if node["is_null"]:
        return exp.Null() if name == "NULL" else cast(exp.Null(), kind)
    value = node["value"]
    if name == "INTEGER" and value >= 0:
        return exp.Literal.number(value)
    if name in INTEGERS:
        return cast(exp.Literal.number(value), kind)
    match name:
        case "VARCHAR":
            return text(value) if type_text(kind) == "VARCHAR" else cast(text(value), kind)
        case "BOOLEAN":
            return exp.Boolean(this=value)
        case "LIST" | "ARRAY":
            return _list(kind, value)
        case "STRUCT" | "TUPLE":
            return _struct(kind, value)
        case "MAP":
            return _map(kind, value)
        case "UNION":
            return _union(kind, value)
    return cast(_simple_value(name, kind, value), kind)


def _simple_value(name: str, kind: Node, value: Any) -> exp.Expr:
    """The text, or what else casts to a value of a simple type."""
    match name:
        case "DECIMAL":
            return exp.Literal.string(_decimal(value, kind["type_info"].get("scale", 0)))
        case "FLOAT" | "DOUBLE":
            if math.isnan(value):
                raise NotRead("a constant NaN, of whose sign the plan says nothing")
            return exp.Literal.string(repr(float(value)))
        case "HUGEINT" | "UHUGEINT":
            return exp.Literal.string(str(_wide(value)))
        case "DATE":
            return _date(value)
        case "TIME":
            return exp.Literal.string(_clock(value, 6))
        case "TIME_NS":
            return exp.Literal.string(_clock(value, 9))
        case "TIME WITH TIME ZONE":
            return exp.Literal.string(_time_tz(value))
        case "INTERVAL":
            parts = (f"{value[part]} {word}" for part, word in _INTERVAL if part in value)
            return exp.Literal.string(" ".join(parts) or "0 days")
        case "UUID":
            return exp.Literal.string(str(uuid.UUID(int=_wide(value) % (1 << 128) ^ (1 << 127))))
        case "BLOB":
            return exp.Literal.string(value)
        case "ENUM":
            return exp.Literal.string(kind["type_info"]["values"][value])
    if name in _UNITS:
        return _timestamp(value, name)
    raise NotRead(f"a constant of type {name}")


_INTERVAL = (("months", "months"), ("days", "days"), ("micros", "microseconds"))


def _wide(value: dict[str, int]) -> int:
    return value["upper"] * (1 << 64) + value["lower"]


def _decimal(value: Any, scale: int) -> str:
    unscaled = _wide(value) if isinstance(value, dict) else value
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    sign = "-" if unscaled < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def _date(days: int) -> exp.Expr:
    if abs(days) == _INFINITE_DAYS:
        return exp.Literal.string("infinity" if days > 0 else "-infinity")
    try:
        return exp.Literal.string((_EPOCH + datetime.timedelta(days=days)).date().isoformat())
    except OverflowError:
        return exp.Anonymous(this="make_date", expressions=[cast(exp.Literal.number(days), {"id": "INTEGER"})])


def _timestamp(value: int, name: str) -> exp.Expr:
    if abs(value) == _INFINITE_TIME:
        return exp.Literal.string("infinity" if value > 0 else "-infinity")
    digits = _UNITS[name]
    seconds, rest = divmod(value, 10**digits)
    try:
        second = _EPOCH + datetime.timedelta(seconds=seconds)
    except OverflowError:
        if digits != 6 or name in _ZONED:
            raise NotRead(f"a constant of type {name} that is far from now") from None
        micros = cast(exp.Literal.number(value), {"id": "BIGINT"})
        return exp.Anonymous(this="make_timestamp", expressions=[micros])
    zone = "+00" if name in _ZONED else ""
    return exp.Literal.string(f"{second.isoformat(sep=' ')}{_fraction(rest, digits)}{zone}")


def _time_tz(bits: int) -> str:
    offset = _GREATEST_OFFSET - (bits & ((1 << _OFFSET_BITS) - 1))
    return f"{_clock(bits >> _OFFSET_BITS, 6)}{'-' if offset < 0 else '+'}{_clock(abs(offset), 0)}"


def _clock(value: int, digits: int) -> str:
    seconds, rest = divmod(value, 10**digits)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{_fraction(rest, digits)}"


def _fraction(rest: int, digits: int) -> str:
    return f".{rest:0{digits}}" if rest else ""


def _elements(kind: Node, value: Node) -> list[exp.Expr]:
    """The elements of a list or array, which may be many: where they can, they take their type from a cast of all."""
    inner = kind["type_info"]["child_type"]
    children = value.get("children", ())
    if inner["id"] in INTEGERS:
        return [_element(child) for child in children]
    elements = [_value(inner, child) for child in children]
    if all(isinstance(e, exp.Cast) and isinstance(e.this, exp.Literal | exp.Null) for e in elements):
        return [element.this for element in elements]
    return elements


def _element(node: Node) -> exp.Expr:
    check_keys(node, _KEYS, "a value")
    return exp.Null() if node["is_null"] else exp.Literal.number(node["value"])


def _list(kind: Node, value: Node) -> exp.Expr:
    elements = _elements(kind, value)
    listed = exp.Array(expressions=elements)
    inner = kind["type_info"]["child_type"]
    bare = kind["id"] == "LIST" and inner in _BARE and elements and not any(isinstance(e, exp.Null) for e in elements)
    return listed if bare else cast(listed, kind)


def _struct(kind: Node, value: Node) -> exp.Expr:
    fields = members(kind)
    values = [_value(inner, child) for (_, inner), child in zip(fields, value.get("children", ()), strict=True)]
    if kind["id"] == "TUPLE":
        return exp.Anonymous(this=exp.to_identifier("row", quoted=True), expressions=values)
    named = [_named_value(name, each) for (name, _), each in zip(fields, values, strict=True)]
    return exp.Anonymous(this="struct_pack", expressions=named)


def _map(kind: Node, value: Node) -> exp.Expr:
    (_, key), (_, item) = members(kind["type_info"]["child_type"])
    entries = [entry["value"]["children"] for entry in value.get("children", ())]
    lists = [
        cast(exp.Array(expressions=[_value(inner, entry[i]) for entry in entries]), _list_of(inner))
        for i, inner in enumerate((key, item))
    ]
    return exp.Anonymous(this=exp.to_identifier("map", quoted=True), expressions=lists)


def _list_of(kind: Node) -> Node:
    return {"id": "LIST", "type_info": {"type": "LIST_TYPE_INFO", "child_type": kind}}


def _union(kind: Node, value: Node) -> exp.Expr:
    tag, *values = value["children"]
    name, inner = members(kind)[1:][tag["value"]]
    member = _named_value(name, _value(inner, values[tag["value"]]))
    return cast(exp.Anonymous(this="union_value", expressions=[member]), kind)


def _named_value(name: str, value: exp.Expr) -> exp.Expr:
    return exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=value)
