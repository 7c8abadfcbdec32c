"""Pass 4: inner joins in an order that keeps what lies between them small, the smaller side on the right.

Stages are separate statements, so the kernel cannot reorder joins across an Exchange; the planner does it here. The
largest relation is the probe side throughout; at each step the relation that leaves the fewest rows is joined next.
Before that, a filtered relation that is joined with one smaller than the largest only, as the last one of a snowflake's
branch, is joined with that one, which then has fewer rows to give.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.logical.columns import conjunction, conjuncts, has_subplan, is_volatile, mentioned
from engine.logical.nodes import NamedExpr, col
from engine.operators import FilterExec, HashJoinExec, ProjectExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.statistics import Estimate, Estimates, joined
from ray_runtime.planner.tree import rewrite_up

__all__ = ["order_joins"]


@dataclass(frozen=True)
class _Relation:
    operator: PhysicalOperator
    estimate: Estimate
    names: frozenset[str]


def order_joins(root: PhysicalOperator) -> PhysicalOperator:
    """The same plan with each group of inner joins in another order; columns keep theirs."""
    estimates = Estimates()

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        inside = isinstance(parent, HashJoinExec) and parent.kind in ("inner", "cross")
        if isinstance(node, HashJoinExec) and node.kind in ("inner", "cross") and not inside:
            return _reordered(node, estimates)
        return node

    return rewrite_up(root, rule)


def _reordered(node: HashJoinExec, estimates: Estimates) -> PhysicalOperator:
    relations: list[_Relation] = []
    conditions: list[exp.Expr] = []
    _flatten(node, estimates, relations, conditions)
    if any(has_subplan(c) or is_volatile(c) for c in conditions):
        return node
    current = max(relations, key=lambda r: r.estimate.rows)
    relations, conditions = _without_branches(relations, conditions, current)
    rest = [r for r in relations if r is not current]
    while rest:
        connected = [r for r in rest if _edges(conditions, current, r)]
        nearest = min(
            connected or rest, key=lambda r: (joined("inner", current.estimate, r.estimate).rows, r.estimate.rows)
        )
        rest.remove(nearest)
        on = _edges(conditions, current, nearest)
        conditions = [c for c in conditions if not any(c is used for used in on)]
        current = _join(current, nearest, on)
    if conditions:
        current = _Relation(FilterExec(current.operator, conjunction(conditions)), current.estimate, current.names)
    names = node.schema
    if current.operator.schema == names:
        return current.operator
    return ProjectExec(current.operator, tuple(NamedExpr(n, col(n)) for n in names))


def _without_branches(
    relations: list[_Relation], conditions: list[exp.Expr], largest: _Relation
) -> tuple[list[_Relation], list[exp.Expr]]:
    """The relations, each with the ends of its branches joined to it, and the conditions that are left."""
    for end in sorted(relations, key=lambda r: r.estimate.rows):
        near: list[exp.Expr] = [c for c in conditions if isinstance(c, exp.EQ) and mentioned(c) & end.names]
        reach = set[str]().union(*map(mentioned, near)) - end.names
        inner = next((r for r in relations if r is not end and reach and reach <= r.names), None)
        if end is largest or inner is None or inner is largest:
            continue
        if end.estimate.fraction < 1.0 and end.estimate.rows <= inner.estimate.rows:
            on = _edges(near, inner, end)
            left = [c for c in conditions if not any(c is used for used in on)]
            kept = [r for r in relations if r is not end and r is not inner]
            return _without_branches([*kept, _join(inner, end, on)], left, largest)
    return relations, conditions


def _flatten(
    node: PhysicalOperator, estimates: Estimates, relations: list[_Relation], conditions: list[exp.Expr]
) -> None:
    if isinstance(node, HashJoinExec) and node.kind in ("inner", "cross"):
        _flatten(node.left, estimates, relations, conditions)
        _flatten(node.right, estimates, relations, conditions)
        if node.condition is not None:
            conditions.extend(conjuncts(node.condition))
    else:
        relations.append(_Relation(node, estimates.of(node), frozenset(node.schema)))


def _edges(conditions: list[exp.Expr], left: _Relation, right: _Relation) -> list[exp.Expr]:
    """The conditions that can be checked once `right` is there, and that need it."""
    reach = left.names | right.names
    return [c for c in conditions if (used := mentioned(c)) <= reach and (used & right.names or not used)]


def _join(left: _Relation, right: _Relation, on: list[exp.Expr]) -> _Relation:
    kind = "inner" if on else "cross"
    if right.estimate.rows > left.estimate.rows:
        left, right = right, left
    operator = HashJoinExec(left.operator, right.operator, kind, conjunction(on) if on else None)
    return _Relation(operator, joined(kind, left.estimate, right.estimate), left.names | right.names)
