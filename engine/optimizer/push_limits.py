"""A LIMIT over a scan, with only row-by-row work between, reaches the scan."""

from __future__ import annotations

from dataclasses import replace

from engine.logical.nodes import Limit, LogicalPlan, Project, Rename, Scan, transform_up

__all__ = ["push_limits"]


def push_limits(plan: LogicalPlan) -> LogicalPlan:
    """Scans below a LIMIT stop after as many rows as it can use; the LIMIT itself stays."""

    def rule(node: LogicalPlan) -> LogicalPlan:
        if isinstance(node, Limit) and node.count is not None:
            return replace(node, input=_push_limit(node.input, node.count + node.offset))
        return node

    return transform_up(plan, rule)


def _push_limit(node: LogicalPlan, count: int) -> LogicalPlan:
    if isinstance(node, Project | Rename):
        return node.with_children((_push_limit(node.children[0], count),))
    if isinstance(node, Scan):
        return replace(node, limit=count if node.limit is None else min(count, node.limit))
    return node
