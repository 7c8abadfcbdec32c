"""What a semi, anti or mark join only looks for need not be distinct: each task drops just its own duplicates.

::

    t semi (DISTINCT k from u) on a = k       t semi (k from u, each once in a task) on a = k

Of a subquery that is correlated the kernel's binder makes joins with the distinct keys of the outer rows; to find these
over all tasks would be one more Exchange.
"""

from __future__ import annotations

from dataclasses import replace

from engine.logical.columns import is_volatile
from engine.logical.nodes import NamedExpr, col
from engine.operators import AggregateMode, DistinctExec, HashAggregateExec, JoinExec, ProjectExec, RenameExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.tree import rewrite_up

__all__ = ["distinct_in_tasks"]

_ASKS_FOR_ANY = frozenset({"semi", "anti", "mark"})


def distinct_in_tasks(root: PhysicalOperator) -> PhysicalOperator:
    """The same plan with right sides that are distinct in each task only, where who reads them asks for any row."""

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if isinstance(node, JoinExec) and node.kind in _ASKS_FOR_ANY:
            return replace(node, right=_distinct_in_tasks(node.right))
        return node

    return rewrite_up(root, rule)


def _distinct_in_tasks(node: PhysicalOperator) -> PhysicalOperator:
    """The rows of `node`, which may come several times: who asks for any of them needs no others to be dropped."""
    match node:
        case ProjectExec() if not any(is_volatile(e.expr) for e in node.exprs):
            return replace(node, input=_distinct_in_tasks(node.input))
        case RenameExec():
            return replace(node, input=_distinct_in_tasks(node.input))
        case DistinctExec(on=()):
            keys = tuple(NamedExpr(name, col(name)) for name in node.schema)
            return HashAggregateExec(node.input, keys, (), mode=AggregateMode.PARTIAL)
        case HashAggregateExec(aggregates=(), grouping_sets=None, mode=AggregateMode.SINGLE) if node.keys:
            return replace(node, mode=AggregateMode.PARTIAL)
    return node
