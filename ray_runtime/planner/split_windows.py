"""Window functions with different PARTITION BY stand in operators of their own.

Each of them can then be partitioned by its own keys; together they would have to run in one task.
"""

from __future__ import annotations

from sqlglot import exp

from engine.logical.nodes import NamedExpr, col
from engine.operators import ProjectExec, WindowExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.tree import rewrite_up

__all__ = ["partition_keys", "split_windows"]


def split_windows(root: PhysicalOperator) -> PhysicalOperator:
    """The plan with one WindowExec for each set of partition keys; columns keep their order."""

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        return _split(node) if isinstance(node, WindowExec) else node

    return rewrite_up(root, rule)


def partition_keys(function: NamedExpr) -> tuple[exp.Expr, ...]:
    """The PARTITION BY of a window function."""
    window = function.expr.find(exp.Window)
    return tuple(window.args.get("partition_by") or ()) if window is not None else ()


def _split(node: WindowExec) -> PhysicalOperator:
    groups: dict[frozenset[exp.Expr], list[NamedExpr]] = {}
    for function in node.functions:
        groups.setdefault(frozenset(partition_keys(function)), []).append(function)
    if len(groups) == 1:
        return node
    operator: PhysicalOperator = node.input
    for functions in groups.values():
        operator = WindowExec(operator, tuple(functions))
    return ProjectExec(operator, tuple(NamedExpr(name, col(name)) for name in node.schema))
