"""Aggregates, as they are bound: with their constants, DISTINCT, ORDER BY and FILTER."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.sql.plan_reader.aggregate_constants import constants_of
from engine.sql.plan_reader.calls import call, check_name
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys
from engine.sql.plan_reader.ordering import order
from engine.sql.plan_reader.scalars import Scalars

__all__ = ["aggregate", "aggregate_call"]

_KEYS = frozenset(
    {"expression_class", "type", "alias", "query_location", "query_location_length", "return_type", "children"}
    | {"arguments", "qname", "has_serialize", "positional_arguments", "function_data", "aggregate_type", "filter"}
    | {"order_bys"}
)


def aggregate(scalars: Scalars, node: Node) -> exp.Expr:
    """The aggregate. Raises NotRead for what is not known."""
    check_keys(node, _KEYS, "an aggregate")
    kind = node["aggregate_type"]
    if node["expression_class"] != "BOUND_AGGREGATE" or kind not in ("DISTINCT", "NON_DISTINCT"):
        raise NotRead(f"aggregate {node['expression_class']} {kind}")
    orders = node.get("order_bys")
    if orders is not None:
        check_keys(orders, frozenset({"orders"}), "an ordered aggregate")
    keys = orders["orders"] if orders is not None else ()
    if kind == "DISTINCT" and not all(_is_among(scalars, key["expression"], node["children"]) for key in keys):
        raise NotRead("a DISTINCT aggregate in the order of what it was given before a cast")
    called = aggregate_call(scalars, node, kind == "DISTINCT", keys)
    return filter_call(scalars, called, node.get("filter"))


def aggregate_call(scalars: Scalars, node: Node, distinct: bool, keys: Sequence[Node]) -> exp.Expr:
    """The call itself, with DISTINCT and ORDER BY among its arguments."""
    check_name(node)
    constants = constants_of(node)
    arguments = [constants.get(i) or scalars.read_typed(child) for i, child in enumerate(node["children"])]
    return call(node, with_clauses(scalars, arguments, distinct, keys))


def with_clauses(scalars: Scalars, arguments: list[exp.Expr], distinct: bool, keys: Sequence[Node]) -> list[exp.Expr]:
    """Arguments with DISTINCT around the first and ORDER BY behind the last."""
    if not arguments and (distinct or keys):
        raise NotRead("an aggregate of nothing that is ordered")
    if distinct:
        arguments[0] = exp.Distinct(expressions=[arguments[0]])
    if keys:
        arguments[-1] = order(scalars, keys, arguments[-1])
    return arguments


def _is_among(scalars: Scalars, key: Node, arguments: Sequence[Node]) -> bool:
    """Whether the kernel finds in the arguments what a DISTINCT aggregate is ordered by. A window does not look."""
    read, given = scalars.read(key), scalars.all(arguments)
    names = {argument.name for argument in given if isinstance(argument, exp.Column)}
    return read in given or all(column.name in names for column in read.find_all(exp.Column))


def filter_call(scalars: Scalars, called: exp.Expr, condition: Node | None) -> exp.Expr:
    """The call with FILTER, if there is one."""
    if condition is None:
        return called
    return exp.Filter(this=called, expression=exp.Where(this=scalars.read(condition)))
