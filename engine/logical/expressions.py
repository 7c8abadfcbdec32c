"""The expressions of a node, logical or physical."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, TypeVar

from sqlglot import exp

from engine.logical.nodes import LogicalPlan, NamedExpr, Rename, SortKey, SqlQuery
from engine.shared_nodes import field_names

__all__ = ["node_expressions", "text_size"]

Node = TypeVar("Node")


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
        for name in field_names(node):
            yield from visit(getattr(node, name))


def text_size(plan: LogicalPlan) -> int:
    """How many characters there are in the constants of the plan, and in the texts that are not taken apart."""
    query = plan.input if isinstance(plan, Rename) else plan
    if isinstance(query, SqlQuery):  # most are; below it are tables
        return len(query.query)
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
        stack.extend(node.children)
    return found
