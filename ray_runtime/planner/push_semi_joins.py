"""A semi join that needs one relation only goes down to it.

::

    (customer x orders x lineitem) semi few        customer x (orders semi few) x lineitem

Joins above it then have less to do. Only a right side that is small enough to be sent to every task, and that is
thought to leave less than half of the rows, is worth it: below, a semi join sees more rows than above.
"""

from __future__ import annotations

from dataclasses import replace

from engine.logical.columns import conjunction, conjuncts, is_volatile
from engine.operators import JoinExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.descent import descend, past_joins
from ray_runtime.planner.join_keys import JoinKeys
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.statistics import Estimates
from ray_runtime.planner.tree import rewrite_up

__all__ = ["push_semi_joins"]

_SELECTIVE = 0.5


def push_semi_joins(root: PhysicalOperator, types: ColumnTypes, options: DistributedOptions) -> PhysicalOperator:
    """The same plan with selective semi joins next to the relations that they restrict."""
    estimates = Estimates()
    keys = JoinKeys(types)

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if isinstance(node, JoinExec) and node.kind == "semi" and node.condition is not None:
            right = estimates.of(node.right)
            if right.bytes <= options.reducing_key_bytes and right.fraction <= _SELECTIVE:
                return _push(node, keys)
        return node

    return rewrite_up(root, rule)


def _push(node: JoinExec, keys: JoinKeys) -> PhysicalOperator:
    assert node.condition is not None
    conditions = conjuncts(node.condition)
    if any(is_volatile(c) for c in conditions):
        return node
    found = past_joins(descend(node.left, conditions, node.right, whole=True))
    if not any(isinstance(passed, JoinExec) for passed in found.passed) or not keys.alike(node, conditions):
        return node
    return found.rebuild(replace(node, left=found.target, condition=conjunction(list(found.conditions))))
