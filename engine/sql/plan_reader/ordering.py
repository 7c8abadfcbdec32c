"""Keys of an ordering, in plans and inside of aggregates and windows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.logical.nodes import SortKey
from engine.sql.plan_reader.constants import cast
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys
from engine.sql.plan_reader.scalars import Scalars

__all__ = ["order", "sort_key"]

_KEYS = frozenset({"type", "null_order", "expression"})
_DIRECTIONS = {"ASCENDING": False, "DESCENDING": True}
_NULLS = {"NULLS FIRST": True, "NULLS LAST": False}


def sort_key(scalars: Scalars, node: Node) -> SortKey:
    """One key. Raises NotRead for what is not known."""
    check_keys(node, _KEYS, "a sort key")
    try:
        descending, nulls_first = _DIRECTIONS[node["type"]], _NULLS[node["null_order"]]
    except KeyError:
        raise NotRead(f"order {node['type']} {node['null_order']}") from None
    return SortKey(_key(scalars, node["expression"]), descending, nulls_first)


def order(scalars: Scalars, nodes: Sequence[Node], this: exp.Expr | None = None) -> exp.Order:
    """ORDER BY several keys; behind `this` where it stands in a call."""
    return exp.Order(this=this, expressions=[_order_item(sort_key(scalars, node)) for node in nodes])


def _key(scalars: Scalars, node: Node) -> exp.Expr:
    """The expression; a constant with its type, for a literal would be a position, or refused."""
    read = scalars.read(node)
    if node["type"] != "VALUE_CONSTANT" or isinstance(read, exp.Cast):
        return read
    return cast(read, node["value"]["type"])


def _order_item(key: SortKey) -> exp.Ordered:
    return exp.Ordered(this=key.expr, desc=key.descending, nulls_first=key.nulls_first)
