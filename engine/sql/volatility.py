"""What in a SELECT may give other rows when it is read again."""

from __future__ import annotations

from engine.logical.columns import VOLATILE
from engine.sql.syntax import Node, function_name, walk

__all__ = ["order_dependent_part", "takes_by_order", "volatile_part"]

_BY_ORDER = frozenset(
    {"any_value", "arbitrary", "first", "last", "mode", "list", "array_agg", "string_agg", "group_concat", "listagg"}
    | {"arg_max", "arg_max_null", "arg_max_nulls_last", "arg_min", "arg_min_null", "arg_min_nulls_last"}
    | {"argmax", "argmin", "max_by", "min_by", "approx_quantile", "approx_top_k", "reservoir_quantile"}
)
"""Aggregates that take a value of one row among several, or have them in the order in which they come."""

_OF_PLACES = frozenset(
    {"WINDOW_ROW_NUMBER", "WINDOW_NTILE", "WINDOW_LEAD", "WINDOW_LAG"}
    | {"WINDOW_FIRST_VALUE", "WINDOW_LAST_VALUE", "WINDOW_NTH_VALUE"}
)
"""Window functions that tell the place of a row, or take a value from one."""


def volatile_part(select: Node) -> str | None:
    """What may give other rows when a query is read again, if there is anything."""
    for node, _ in walk(select):
        name = function_name(node) if node.get("class") == "FUNCTION" else ""
        if name in VOLATILE or node.get("sample") or (_is_limited(node) and not _is_ordered(node)):
            return f"{name}()" if name in VOLATILE else "a sample" if node.get("sample") else "a LIMIT without an order"
    return None


def order_dependent_part(select: Node) -> str | None:
    """What takes some of several rows, or has their values in an order, where none is said.

    The order in which rows come may be another the next time.
    """
    for node, _ in walk(select):
        name = function_name(node) if node.get("class") == "FUNCTION" else ""
        if name in _BY_ORDER and not (node.get("order_bys") or {}).get("orders"):
            return f"{name}() without an order"
        if node.get("type") in _OF_PLACES and not (node.get("orders") or node.get("arg_orders")):
            return f"{node['function_name']}() without an order"
        if _is_distinct_on(node) and not _is_ordered(node):
            return "DISTINCT ON without an order"
    return None


def takes_by_order(select: Node) -> bool:
    """Whether some of several rows, or values of theirs, are taken by an order: rows that tie may come in another the
    next time.

    By LIMIT, DISTINCT ON, aggregates such as `first`, and places among all rows. Places within partitions do not count:
    they mostly are asked for to keep one row of each key, whichever that is.
    """
    return any(
        _is_limited(node)
        or _is_distinct_on(node)
        or (node.get("class") == "FUNCTION" and function_name(node) in _BY_ORDER)
        or (node.get("type") in _OF_PLACES and not node.get("partitions"))
        for node, _ in walk(select)
    )


def _is_ordered(node: Node) -> bool:
    return any(each.get("type") == "ORDER_MODIFIER" for each in node.get("modifiers") or ())


def _is_limited(node: Node) -> bool:
    return any(str(each.get("type")).startswith("LIMIT") for each in node.get("modifiers") or ())


def _is_distinct_on(node: Node) -> bool:
    modifiers = node.get("modifiers") or ()
    return any(each.get("type") == "DISTINCT_MODIFIER" and each.get("distinct_on_targets") for each in modifiers)
