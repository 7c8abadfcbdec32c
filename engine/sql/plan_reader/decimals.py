"""Sums and products of decimals: operands from which the kernel's rules make the very same types again.

The kernel widens operands for the result. Binding wide operands again would widen once more, so what it put on is
taken off: a cast, or digits that a constant does not need.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.sql.plan_reader.not_read import Node, NotRead

__all__ = ["DECIMAL_ARITHMETIC", "REMAINDERS", "check_remainder", "natural_operands"]

DECIMAL_ARITHMETIC = frozenset({"+", "-", "*", "add", "subtract", "multiply"})
REMAINDERS = frozenset({"%", "mod"})
_ANY_NUMBER = ""
_PRODUCTS = frozenset({"*", "multiply"})
_DIGITS = {
    "TINYINT": 3,
    "SMALLINT": 5,
    "INTEGER": 10,
    "BIGINT": 19,
    "HUGEINT": 38,
    "UTINYINT": 3,
    "USMALLINT": 5,
    "UINTEGER": 10,
    "UBIGINT": 20,
    "UHUGEINT": 38,
}
_MOST_DIGITS = 38
_MOST_DIGITS_64 = 18

_Decimal = tuple[int, int]  # width and scale
_Result = tuple[int, int, bool]  # width, scale, and whether an overflow is looked for


def check_remainder(node: Node) -> None:
    """Raise NotRead for a remainder of DOUBLEs that may have been decimals too long to be divided as such.

    The kernel then takes a function that refuses to divide by zero, and does not say so.
    """
    operands = [_before_double(child) for child in node["children"]]
    decimals = sum(kind in (_ANY_NUMBER, "DECIMAL") for kind in operands)
    if decimals and all(kind in _DIGITS or kind in (_ANY_NUMBER, "DECIMAL") for kind in operands):
        raise NotRead("a remainder of decimals as DOUBLE")


def _before_double(node: Node) -> str:
    """The type that an operand may have had before it became a DOUBLE."""
    if node["type"] == "VALUE_CONSTANT":
        return _ANY_NUMBER
    kind: Node = node["arguments"][0] if node["type"] == "OPERATOR_CAST" else node["return_type"]
    return str(kind["id"])


def natural_operands(node: Node) -> list[Node]:
    """The operands of a sum or product of two decimals, as they may have been before they were widened.

    Raises NotRead where none are found that lead to the same result.
    """
    name = node["qname"]["path"][-1]
    width, scale = _digits(node["return_type"])
    wanted = (width, scale, node["function_data"]["check_overflow"])
    left, right = node["children"]
    for first in _options(left):
        for second in _options(right):
            found = _fit_operands(name, first, second, wanted)
            if found is not None:
                return found
    raise NotRead("a sum or product of decimals of other types")


def _options(node: Node) -> Iterator[Node]:
    """The operand without the cast on it, and as it is."""
    if node["type"] == "OPERATOR_CAST" and not node["function_data"]["try_cast"]:
        inner = node["children"][0]
        if node["arguments"][0]["id"] in _DIGITS or node["arguments"][0]["id"] == "DECIMAL":
            yield inner
    yield node


def _fit_operands(name: str, left: Node, right: Node, wanted: _Result) -> list[Node] | None:
    kinds = [_kind(left), _kind(right)]
    if any(kind is None for kind in kinds) or all(kind is not None and kind["id"] in _DIGITS for kind in kinds):
        return None
    if left["type"] == "VALUE_CONSTANT":
        narrow = _narrow_constant(name, left, _digits(kinds[1] or {}), wanted)
        return [narrow, right] if narrow else None
    if right["type"] == "VALUE_CONSTANT":
        narrow = _narrow_constant(name, right, _digits(kinds[0] or {}), wanted)
        return [left, narrow] if narrow else None
    first, second = (_digits(kind or {}) for kind in kinds)
    return [left, right] if _result(name, first, second) == wanted else None


def _kind(node: Node) -> Node | None:
    """The type of an operand, if it takes part in sums of decimals."""
    kind: Node = node["value"]["type"] if node["type"] == "VALUE_CONSTANT" else node["return_type"]
    return kind if kind["id"] == "DECIMAL" or kind["id"] in _DIGITS else None


def _digits(kind: Node) -> _Decimal:
    if kind["id"] in _DIGITS:
        return _DIGITS[kind["id"]], 0
    info = kind["type_info"]
    return info["width"], info.get("scale", 0)


def _narrow_constant(name: str, constant: Node, other: _Decimal, wanted: _Result) -> Node | None:
    """The constant with as few digits as lead to the wanted result."""
    value = constant["value"]
    if value["type"]["id"] != "DECIMAL" or value["is_null"]:
        own = _digits(value["type"])
        return constant if _result(name, own, other) == wanted else None
    width, scale = _digits(value["type"])
    unscaled = value["value"]
    if isinstance(unscaled, dict):
        unscaled = unscaled["upper"] * (1 << 64) + unscaled["lower"]
    least = max(len(str(abs(unscaled))), scale, 1)
    for digits in range(least, width + 1):
        if _result(name, (digits, scale), other) == wanted:
            info = {"type": "DECIMAL_TYPE_INFO", "width": digits, "scale": scale}
            stored = value["value"] if digits > _MOST_DIGITS_64 and isinstance(value["value"], dict) else unscaled
            return {**constant, "value": {**value, "type": {"id": "DECIMAL", "type_info": info}, "value": stored}}
    return None


def _result(name: str, left: _Decimal, right: _Decimal) -> _Result:
    """The kernel's rule: what comes of operands of these digits."""
    (left_width, left_scale), (right_width, right_scale) = left, right
    if name in _PRODUCTS:
        width, scale = left_width + right_width, left_scale + right_scale
        if width > _MOST_DIGITS_64 >= max(left_width, right_width) and scale < _MOST_DIGITS_64:
            return _MOST_DIGITS_64, scale, True
    else:
        scale = max(left_scale, right_scale)
        width = max(left_width - left_scale, right_width - right_scale) + scale + 1
    return (_MOST_DIGITS, scale, True) if width > _MOST_DIGITS else (width, scale, False)
