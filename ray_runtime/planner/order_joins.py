"""Inner joins in an order that keeps what lies between them small, the smaller side on the right.

Stages are separate statements, so the kernel cannot reorder joins across an Exchange; the planner does it here. The
largest relation is the probe side throughout; at each step, of the relations that an equality connects with what is
joined, the one that leaves the fewest rows is joined next. What no equality connects is joined last, as a cross product
has all rows of one side for each of the other; only a single row is a filter, and stands where it is compared.
Before that, a filtered relation that is joined with one smaller than the largest only, as the last one of a snowflake's
branch, is joined with that one, which then has fewer rows to give.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from engine.logical.columns import columns_of, conjunction, conjuncts, is_volatile
from engine.logical.nodes import NamedExpr, col
from engine.operators import CollectExec, FilterExec, HashAggregateExec, JoinExec, ProjectExec, RenameExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.join_keys import JoinKeys
from ray_runtime.planner.statistics import Estimate, Estimates
from ray_runtime.planner.tree import rewrite_up

__all__ = ["order_joins"]


@dataclass(frozen=True)
class _Relation:
    operator: PhysicalOperator
    estimate: Estimate
    names: frozenset[str]


def order_joins(root: PhysicalOperator, types: ColumnTypes, estimates: Estimates) -> PhysicalOperator:
    """The same plan with each group of inner joins in another order; columns keep theirs.

    A join that may fail on rows which those below it drop stays above them.
    """
    ordering = _Ordering(JoinKeys(types), estimates)

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        inside = isinstance(parent, JoinExec) and parent.kind in ("inner", "cross")
        if isinstance(node, JoinExec) and node.kind in ("inner", "cross") and not inside:
            return ordering.reorder(node)
        return node

    return rewrite_up(root, rule)


class _Ordering:
    def __init__(self, keys: JoinKeys, estimates: Estimates) -> None:
        self._keys = keys
        self._estimates = estimates

    def reorder(self, node: PhysicalOperator) -> PhysicalOperator:
        """`node` with its joins in another order, or as it is where it is no inner join."""
        if not isinstance(node, JoinExec) or node.kind not in ("inner", "cross"):
            return node
        if self._keys.may_fail(node):
            return replace(node, left=self.reorder(node.left), right=self.reorder(node.right))
        relations: list[_Relation] = []
        conditions: list[exp.Expr] = []
        self._flatten(node, relations, conditions)
        if any(is_volatile(c) for c in conditions):
            return node
        relations, conditions = self._filter_relations(relations, conditions)
        relations, conditions = self._with_single_rows(relations, conditions)
        groups: list[_Relation] = []
        while relations:
            group, relations, conditions = self._connect(relations, conditions)
            groups.append(group)
        # What no equality connects: the fewer rows, the sooner.
        current, *others = groups
        for other in sorted(others, key=lambda r: r.estimate.rows):
            current, conditions = self._join(current, other, conditions)
        operator = current.operator
        if conditions:
            operator = FilterExec(operator, conjunction(conditions))
        if operator.schema == node.schema:
            return operator
        return ProjectExec(operator, tuple(NamedExpr(n, col(n)) for n in node.schema))

    def _flatten(self, node: PhysicalOperator, relations: list[_Relation], conditions: list[exp.Expr]) -> None:
        joins = isinstance(node, JoinExec) and node.kind in ("inner", "cross")
        if isinstance(node, JoinExec) and joins and not self._keys.may_fail(node):
            self._flatten(node.left, relations, conditions)
            self._flatten(node.right, relations, conditions)
            if node.condition is not None:
                conditions.extend(conjuncts(node.condition))
        else:
            operator = self.reorder(node)
            relations.append(_Relation(operator, self._estimates.of(operator), frozenset(operator.schema)))

    def _filter_relations(
        self, relations: list[_Relation], conditions: list[exp.Expr]
    ) -> tuple[list[_Relation], list[exp.Expr]]:
        """The relations with the conditions that one of them can check, and the other conditions."""
        found = []
        for relation in relations:
            own: list[exp.Expr] = [c for c in conditions if (used := columns_of(c)) and used <= relation.names]
            if own:
                conditions = [c for c in conditions if not any(c is used for used in own)]
                operator = FilterExec(relation.operator, conjunction(own))
                relation = _Relation(operator, self._estimates.of(operator), relation.names)
            found.append(relation)
        return found, conditions

    def _with_single_rows(
        self, relations: list[_Relation], conditions: list[exp.Expr]
    ) -> tuple[list[_Relation], list[exp.Expr]]:
        """Relations of one row stand beside the one that they are compared with: there they are a filter."""
        for one in relations:
            if not _is_one_row(one.operator):
                continue
            near = [c for c in conditions if columns_of(c) & one.names]
            reach = set[str]().union(*map(columns_of, near)) - one.names
            compared = next((r for r in relations if r is not one and reach and reach <= r.names), None)
            if compared is not None and not _is_one_row(compared.operator):
                joined, left = self._join(compared, one, conditions)
                kept = [r for r in relations if r is not one and r is not compared]
                return self._with_single_rows([*kept, joined], left)
        return relations, conditions

    def _connect(
        self, relations: list[_Relation], conditions: list[exp.Expr]
    ) -> tuple[_Relation, list[_Relation], list[exp.Expr]]:
        """The largest relation with all that equalities connect with it, the relations and the conditions left over."""
        current = max(relations, key=lambda r: r.estimate.rows)
        relations, conditions = self._without_branches(relations, conditions, current)
        rest = [r for r in relations if r is not current]
        while connected := [r for r in rest if _equated_pairs(conditions, current, r)]:
            sizes = {id(r): self._size(current, r, conditions) for r in connected}
            nearest = min(connected, key=lambda r: (sizes[id(r)], r.estimate.rows))
            rest.remove(nearest)
            current, conditions = self._join(current, nearest, conditions)
        return current, rest, conditions

    def _without_branches(
        self, relations: list[_Relation], conditions: list[exp.Expr], largest: _Relation
    ) -> tuple[list[_Relation], list[exp.Expr]]:
        """The relations, each with the ends of its branches joined to it, and the conditions that are left."""
        for end in sorted(relations, key=lambda r: r.estimate.rows):
            near: list[exp.Expr] = [c for c in conditions if isinstance(c, exp.EQ) and columns_of(c) & end.names]
            reach = set[str]().union(*map(columns_of, near)) - end.names
            inner = next((r for r in relations if r is not end and reach and reach <= r.names), None)
            if end is largest or inner is None or inner is largest or end.estimate.fraction >= 1.0:
                continue
            if end.estimate.rows <= inner.estimate.rows >= self._size(inner, end, near):
                joined, left = self._join(inner, end, conditions)
                kept = [r for r in relations if r is not end and r is not inner]
                return self._without_branches([*kept, joined], left, largest)
        return relations, conditions

    def _size(self, left: _Relation, right: _Relation, conditions: list[exp.Expr]) -> float:
        equated = _equated_pairs(conditions, left, right)
        return self._estimates.join_estimate(
            "inner" if equated else "cross", left.estimate, right.estimate, equated
        ).rows

    def _join(self, left: _Relation, right: _Relation, conditions: list[exp.Expr]) -> tuple[_Relation, list[exp.Expr]]:
        """Both as one relation, on all the conditions that can be checked then, and the other conditions."""
        on = _checkable(conditions, left, right)
        equated = _equated_pairs(conditions, left, right)
        if right.estimate.rows > left.estimate.rows:
            left, right, equated = right, left, [(b, a) for a, b in equated]
        kind = "inner" if on else "cross"
        operator = JoinExec(left.operator, right.operator, kind, conjunction(on) if on else None)
        estimate = self._estimates.join_estimate(
            "inner" if equated else "cross", left.estimate, right.estimate, equated
        )
        self._estimates.keep(operator, estimate)
        rest = [c for c in conditions if not any(c is used for used in on)]
        return _Relation(operator, estimate, left.names | right.names), rest


def _checkable(conditions: list[exp.Expr], left: _Relation, right: _Relation) -> list[exp.Expr]:
    """The conditions that can be checked once both are there, and could not before."""
    reach = left.names | right.names
    return [
        c
        for c in conditions
        if (used := columns_of(c)) <= reach and ((used & right.names and used & left.names) or not used)
    ]


def _equated_pairs(conditions: list[exp.Expr], left: _Relation, right: _Relation) -> list[tuple[exp.Expr, exp.Expr]]:
    """What the conditions equate of `left` and of `right`."""
    found = []
    for condition in conditions:
        if isinstance(condition, exp.EQ | exp.NullSafeEQ):
            for a, b in ((condition.left, condition.right), (condition.right, condition.left)):
                if columns_of(a) and columns_of(b) and columns_of(a) <= left.names and columns_of(b) <= right.names:
                    found.append((a, b))
                    break
    return found


def _is_one_row(operator: PhysicalOperator) -> bool:
    while isinstance(operator, ProjectExec | RenameExec | CollectExec):
        operator = operator.input
    return isinstance(operator, HashAggregateExec) and not operator.keys and operator.grouping_sets is None
