"""Types of the kernel's plans, as the text in which the kernel writes them."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from engine.sql.plan_reader.keywords import is_bare
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys

__all__ = ["data_type", "members", "type_text"]

_PLAIN = {
    name: name
    for name in (
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
        "FLOAT",
        "DOUBLE",
        "VARCHAR",
        "BLOB",
        "BIT",
        "BIGNUM",
        "UUID",
        "DATE",
        "TIME",
        "TIME_NS",
        "TIME WITH TIME ZONE",
        "TIMESTAMP",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMPTZ_NS",
        "INTERVAL",
        "GEOMETRY",
        "TUPLE",
    )
} | {"NULL": '"NULL"'}
_KEYS = frozenset({"id", "type_info"})
_MOST_LEVELS = 64  # as deep as Arrow carries them
_PUSHED_DOWN = {
    "DATE": exp.DType.DATE,
    "TIMESTAMP": exp.DType.TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": exp.DType.TIMESTAMPTZ,
}  # what storages recognise in filters


def type_text(kind: Node) -> str:
    """The text that the kernel has for a type. Raises NotRead for what no expression is given in."""
    plain = _PLAIN.get(kind["id"]) if len(kind) == 1 else None
    return plain or _text(kind, 0)


def data_type(kind: Node) -> exp.DataType:
    """The type as the target of a cast. Raises NotRead as `type_text`."""
    text = type_text(kind)
    known = _PUSHED_DOWN.get(text)
    if known is not None:
        return exp.DataType(this=known)
    return exp.DataType(this=exp.DType.USERDEFINED, kind=text)


def members(kind: Node) -> list[tuple[str, Node]]:
    """Names and types of the fields of a struct, or of the members of a union."""
    info = _info(kind, "STRUCT_TYPE_INFO", "child_types")
    return [(child["first"], child["second"]) for child in info.get("child_types", ())]


def _text(kind: Node, level: int) -> str:
    if level > _MOST_LEVELS:
        raise NotRead("a type is nested too deeply")
    check_keys(kind, _KEYS, "a type")
    name = kind["id"]
    if name == "VARIANT":
        return "VARIANT"
    if "type_info" not in kind:
        return _plain_type(name)
    match name:
        case "VARCHAR":
            return _varchar(kind["type_info"])
        case "DECIMAL":
            info = _info(kind, "DECIMAL_TYPE_INFO", "width", "scale")
            return f"DECIMAL({info['width']},{info.get('scale', 0)})"
        case "LIST":
            return f"{_text(_info(kind, 'LIST_TYPE_INFO', 'child_type')['child_type'], level + 1)}[]"
        case "ARRAY":
            info = _info(kind, "ARRAY_TYPE_INFO", "child_type", "size")
            return f"{_text(info['child_type'], level + 1)}[{info['size']}]"
        case "STRUCT" | "TUPLE":
            return _struct(name, members(kind), level)
        case "UNION":
            return _struct(name, members(kind)[1:], level)  # the first is the tag
        case "MAP":
            entry = _info(kind, "LIST_TYPE_INFO", "child_type")["child_type"]
            return f"MAP({', '.join(_text(member, level + 1) for _, member in members(entry))})"
        case "ENUM":
            info = _info(kind, "ENUM_TYPE_INFO", "values", "values_count")
            return f"ENUM({', '.join(_quote(value) for value in info['values'])})"
    raise NotRead(f"type {name} of a special kind")


def _plain_type(name: str) -> str:
    if name not in _PLAIN:
        raise NotRead(f"type {name}")
    return _PLAIN[name]


def _info(kind: Node, what: str, *keys: str) -> dict[str, Any]:
    info: dict[str, Any] = kind["type_info"]
    if info["type"] != what:
        raise NotRead(f"type {kind['id']} of a special kind")
    check_keys(info, frozenset(keys) | {"type"}, f"type {kind['id']}")
    return info


def _varchar(info: dict[str, Any]) -> str:
    """A text may be JSON. A collation is of no consequence once names are bound: what it does is written out."""
    if info.keys() == {"type", "collation"} and info["type"] == "STRING_TYPE_INFO":
        return "VARCHAR"
    if info == {"type": "GENERIC_TYPE_INFO", "alias": "JSON"}:
        return "JSON"
    raise NotRead("type VARCHAR of a special kind")


def _struct(name: str, fields: list[tuple[str, Node]], level: int) -> str:
    if name == "TUPLE":
        return f"TUPLE({', '.join(_text(kind, level + 1) for _, kind in fields)})" if fields else "TUPLE"
    if not fields or not all(field for field, _ in fields):
        raise NotRead(f"type {name} without names")
    return f"{name}({', '.join(f'{_name(field)} {_text(kind, level + 1)}' for field, kind in fields)})"


def _name(field: str) -> str:
    return field if is_bare(field) else '"' + field.replace('"', '""') + '"'


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
