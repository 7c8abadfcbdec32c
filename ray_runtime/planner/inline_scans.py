"""A shared part that only reads a table is read by each of its readers, where that is cheaper than to keep it.

What is kept is written, sent and read, all columns of it; so a selective filter of a large table is worth keeping, and
a small table, or most of a large one, is not.
"""

from __future__ import annotations

from dataclasses import replace

from engine.logical.columns import is_volatile
from engine.logical.expressions import node_expressions
from engine.operators import CollectExec, FilterExec, ProjectExec, RenameExec, TableScanExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.statistics import Estimates
from ray_runtime.planner.tree import rewrite_up

__all__ = ["inline_scans", "steady_source"]

_SOON_READ = 100_000  # rows
_SELECTIVE = 0.25


def inline_scans(root: PhysicalOperator) -> PhysicalOperator:
    """The same plan with fewer shared parts."""
    estimates = Estimates()

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if not isinstance(node, CollectExec):
            return node
        scan = steady_source(node.input)
        if not isinstance(scan, TableScanExec):
            return node
        rows = estimates.of(replace(scan, filter=None)).rows
        kept = estimates.of(node).rows
        return node.input if rows <= _SOON_READ or kept >= _SELECTIVE * rows else node

    return rewrite_up(root, rule)


def steady_source(node: PhysicalOperator) -> TableScanExec | CollectExec | None:
    """The scan, or shared part, of which each row becomes one row of `node`, or none, and the same each time."""
    if any(is_volatile(e) for e in node_expressions(node)):
        return None
    match node:
        case TableScanExec(limit=None) | CollectExec():
            return node
        case FilterExec() | ProjectExec() | RenameExec():
            return steady_source(node.input)
    return None
