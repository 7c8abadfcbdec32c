"""Rewriting the plans of subqueries inside the expressions of a node, logical or physical."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from sqlglot import exp

from engine.logical.nodes import LogicalPlan, NamedExpr, SortKey, SqlQuery, Subplan

__all__ = [
    "depth",
    "map_expressions",
    "map_subplans",
    "node_expressions",
    "size",
    "subplans_of",
    "subquery_depth",
    "text_size",
]

Node = TypeVar("Node")


def map_expressions(node: Node, rule: Callable[[exp.Expr], exp.Expr]) -> Node:
    """`node` with `rule` applied to each of its expressions; the same object where nothing changes."""
    changes: dict[str, Any] = {}
    if not is_dataclass(node):
        return node
    for f in fields(node):
        value = getattr(node, f.name)
        changed = _map_value(value, rule)
        if changed is not value:
            changes[f.name] = changed
    return replace(node, **changes) if changes else node  # type: ignore[type-var]


def _map_value(value: Any, rule: Callable[[exp.Expr], exp.Expr]) -> Any:
    if isinstance(value, exp.Expr):
        return rule(value)
    if isinstance(value, NamedExpr | SortKey):
        expr = rule(value.expr)
        return value if expr is value.expr else replace(value, expr=expr)
    if isinstance(value, tuple):
        mapped = tuple(_map_value(v, rule) for v in value)
        return value if all(a is b for a, b in zip(mapped, value, strict=True)) else mapped
    return value


def node_expressions(node: object) -> Iterator[exp.Expr]:
    """Every expression that stands in a node's own fields."""

    def visit(value: Any) -> Iterator[exp.Expr]:
        if isinstance(value, exp.Expr):
            yield value
        elif isinstance(value, NamedExpr | SortKey):
            yield value.expr
        elif isinstance(value, tuple):
            for item in value:
                yield from visit(item)

    if is_dataclass(node):
        for f in fields(node):
            yield from visit(getattr(node, f.name))


def subplans_of(node: object) -> Iterator[Any]:
    """The plans of the subqueries in a node's expressions."""
    for expr in node_expressions(node):
        for found in expr.find_all(Subplan):
            yield found.args["plan"]


def map_subplans(node: Node, rule: Callable[[Any], Any]) -> Node:
    """`node` with `rule` applied to the plan of each subquery in its expressions."""

    def rewrite(expr: exp.Expr) -> exp.Expr:
        if expr.find(Subplan) is None:
            return expr
        copied = expr.copy()
        for found in list(copied.find_all(Subplan)):
            changed = Subplan(plan=rule(found.args["plan"]))
            if found is copied:
                return changed
            found.replace(changed)
        return copied

    return map_expressions(node, rewrite)


def depth(plan: LogicalPlan) -> int:
    """The nodes on the longest way down, through subqueries too."""
    return _folded(plan, lambda children, subplans: 1 + max(children + subplans, default=0))


def size(plan: LogicalPlan) -> int:
    """How many nodes the plan has as a tree, that is, with what several nodes share counted for each of them."""
    return _folded(plan, lambda children, subplans: 1 + sum(children) + sum(subplans))


def subquery_depth(plan: LogicalPlan) -> int:
    """How many subqueries of expressions stand in each other."""
    return _folded(plan, lambda children, subplans: max([*children, *(1 + depth for depth in subplans)], default=0))


def text_size(plan: LogicalPlan) -> int:
    """How many characters there are in the constants of the plan, and in the texts that are not taken apart."""
    seen: dict[int, LogicalPlan] = {}
    stack = [plan]
    found = 0
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node
        found += len(node.query) if isinstance(node, SqlQuery) else 0
        found += sum(len(str(c.this)) for e in node_expressions(node) for c in e.find_all(exp.Literal))
        stack.extend((*node.children, *subplans_of(node)))
    return found


def _folded(plan: LogicalPlan, combine: Callable[[list[int], list[int]], int]) -> int:
    """What `combine` makes of the numbers of a node's children and of its subplans; each node is looked at once."""
    known: dict[int, int] = {}
    stack = [plan]
    while stack:
        node = stack[-1]
        children, subplans = list(node.children), list(subplans_of(node))
        open_ones = [below for below in (*children, *subplans) if id(below) not in known]
        if open_ones:
            stack.extend(open_ones)
        else:
            known[id(stack.pop())] = combine([known[id(c)] for c in children], [known[id(p)] for p in subplans])
    return known[id(plan)]
