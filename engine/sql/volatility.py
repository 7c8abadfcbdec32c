"""What in a SELECT may give other rows when it is read again."""

from __future__ import annotations

from engine.logical.columns import VOLATILE
from engine.sql.syntax import Node, function_name, walk

__all__ = ["has_limit", "volatile_part"]


def volatile_part(select: Node) -> str | None:
    """What may give other rows when a query is read again, if there is anything."""
    for node, _ in walk(select):
        ordered = [each for each in node.get("modifiers") or () if each.get("type") == "ORDER_MODIFIER"]
        name = function_name(node) if node.get("class") == "FUNCTION" else ""
        if name in VOLATILE or node.get("sample") or (_is_limited(node) and not ordered):
            return f"{name}()" if name in VOLATILE else "a sample" if node.get("sample") else "a LIMIT without an order"
    return None


def has_limit(select: Node) -> bool:
    """Whether there is a LIMIT, of which rows that are equal in the order may be others the next time."""
    return any(_is_limited(node) for node, _ in walk(select))


def _is_limited(node: Node) -> bool:
    return any(str(each.get("type")).startswith("LIMIT") for each in node.get("modifiers") or ())
