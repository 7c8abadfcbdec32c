"""Rewrites of the logical plan that both runtimes share: one rule in a file, one visible order."""

from engine.logical.nodes import LogicalPlan
from engine.optimizer.direct_semi_joins import direct_semi_joins
from engine.optimizer.prune_columns import prune_columns
from engine.optimizer.push_filters import push_filters
from engine.optimizer.push_limits import push_limits

__all__ = ["RULES", "optimize"]

RULES = (direct_semi_joins, push_filters, prune_columns, push_limits)


def optimize(plan: LogicalPlan) -> LogicalPlan:
    """An equivalent plan: the same rows, names and types."""
    for rule in RULES:
        plan = rule(plan)
    return plan
