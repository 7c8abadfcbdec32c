"""The one type that holds all values of two types exactly, where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.kernel_types import ARRAY, LIST, KernelType, unquote

__all__ = ["DOUBLE", "common_type", "is_wide"]

DOUBLE = KernelType("DOUBLE")
_NULL = '"NULL"'
# Bits of the least and the greatest number: whether there are negative ones, and digits in base two.
_INTEGERS = {
    "TINYINT": (True, 7),
    "UTINYINT": (False, 8),
    "SMALLINT": (True, 15),
    "USMALLINT": (False, 16),
    "INTEGER": (True, 31),
    "UINTEGER": (False, 32),
    "BIGINT": (True, 63),
    "UBIGINT": (False, 64),
    "HUGEINT": (True, 127),
}
_DOUBLE_BITS = 53
_MOST_DIGITS = 38
_WIDENED = {
    frozenset({"FLOAT", "DOUBLE"}): "DOUBLE",
    frozenset({"DATE", "TIMESTAMP"}): "TIMESTAMP",
    frozenset({"DATE", "TIMESTAMP_NS"}): "TIMESTAMP_NS",
    frozenset({"TIMESTAMP", "TIMESTAMP_NS"}): "TIMESTAMP_NS",
    frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"}): "TIMESTAMPTZ_NS",
    frozenset({"TIME", "TIME_NS"}): "TIME_NS",
    frozenset({"VARCHAR", "JSON"}): "VARCHAR",
    frozenset({"VARCHAR", "ENUM"}): "VARCHAR",
}


def common_type(one: KernelType, other: KernelType) -> KernelType | None:
    """The type of both, or None where some values of one would change, or could not be told from the other's."""
    if one == other:
        return one
    if _NULL in (one.name, other.name):
        return other if one.name == _NULL else one
    if one.name == other.name and one.members and other.members:
        return _common_nested_type(one, other)
    numbers = _numbers(one, other)
    if numbers is not None:
        return numbers
    widened = _WIDENED.get(frozenset({one.name, other.name}))
    return None if widened is None else KernelType(widened)


def is_wide(kind: KernelType) -> bool:
    """Whether it is a type of whole numbers some of which are no DOUBLE."""
    return kind.name in _INTEGERS and _INTEGERS[kind.name][1] > _DOUBLE_BITS


def _common_nested_type(one: KernelType, other: KernelType) -> KernelType | None:
    if one.name == LIST or (one.name == ARRAY and one.size == other.size) or one.name == "MAP":
        members = [common_type(a, b) for a, b in zip(one.members, other.members, strict=True)]
        found = [member for member in members if member is not None]
        return KernelType(one.name, tuple(found), size=one.size) if len(found) == len(members) else None
    return _struct(one, other) if one.name == "STRUCT" else None


def _struct(one: KernelType, other: KernelType) -> KernelType | None:
    """The fields of both by name, without regard to case; structs without a field in common are none."""
    fields = {unquote(name).lower(): (name, kind) for name, kind in zip(one.names, one.members, strict=True)}
    if len(fields) < len(one.names) or len({unquote(name).lower() for name in other.names}) < len(other.names):
        return None
    if not any(unquote(name).lower() in fields for name in other.names):
        return None
    for name, kind in zip(other.names, other.members, strict=True):
        key = unquote(name).lower()
        if key in fields:
            both = common_type(fields[key][1], kind)
            if both is None:
                return None
            fields[key] = fields[key][0], both
        else:
            fields[key] = name, kind
    return KernelType("STRUCT", tuple(kind for _, kind in fields.values()), tuple(name for name, _ in fields.values()))


def _numbers(one: KernelType, other: KernelType) -> KernelType | None:
    kinds = (one, other)
    integers = [_INTEGERS[kind.name] for kind in kinds if kind.name in _INTEGERS]
    if len(integers) == len(kinds):
        return _integer(integers)
    if any(kind.name in ("FLOAT", "DOUBLE") for kind in kinds):
        return DOUBLE if integers and integers[0][1] <= _DOUBLE_BITS else None
    if all(kind.name in _INTEGERS or kind.name == "DECIMAL" for kind in kinds):
        return _decimal(kinds)
    return None


def _integer(integers: Iterable[tuple[bool, int]]) -> KernelType | None:
    signed, bits = any(s for s, _ in integers), max(b for _, b in integers)
    wide = (name for name, (s, b) in _INTEGERS.items() if b >= bits and s == signed)
    name = next(wide, None)
    return None if name is None else KernelType(name)


def _decimal(kinds: Iterable[KernelType]) -> KernelType | None:
    whole = scale = 0
    for kind in kinds:
        if kind.name == "DECIMAL":
            width, digits = map(int, re.findall(r"[0-9]+", kind.arguments))
        else:
            width, digits = len(str(2 ** _INTEGERS[kind.name][1])), 0
        whole, scale = max(whole, width - digits), max(scale, digits)
    return KernelType("DECIMAL", arguments=f"({whole + scale},{scale})") if whole + scale <= _MOST_DIGITS else None
