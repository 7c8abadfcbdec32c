"""A semi or anti join asks its right side directly, without a copy of its left side's keys in between.

The kernel's binder makes of a correlated EXISTS a join of the subquery with the distinct outer values, which are then
compared with the outer rows::

    SELECT * FROM t WHERE EXISTS (FROM u WHERE u.a < t.a)

    shared t semi (u join distinct t.a on u.a < t.a) on t.a IS NOT DISTINCT FROM t.a
    t semi u on u.a < t.a

Of both the rows are those of t for which some row of u meets the condition.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlglot import exp

from engine.logical.columns import columns_of, conjunction, conjuncts, substitute
from engine.logical.nodes import (
    Aggregate,
    Collect,
    Filter,
    Join,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    col,
    transform_up,
)
from engine.shared_nodes import once

__all__ = ["direct_semi_joins"]


def direct_semi_joins(plan: LogicalPlan) -> LogicalPlan:
    """The plan with such joins made direct, and with shared parts that one place reads standing there."""

    def rule(node: LogicalPlan) -> LogicalPlan:
        if isinstance(node, Join) and node.kind in ("semi", "anti"):
            return _direct(node) or node
        return node

    changed = transform_up(plan, rule)
    return plan if changed is plan else _inline_shared(changed)


@dataclass(frozen=True)
class _RightSide:
    """The right side of a semi join: relations that are joined by `conditions`, and what its columns are made of."""

    relations: list[LogicalPlan]
    conditions: list[exp.Expr]
    columns: dict[str, exp.Expr]


def _direct(join: Join) -> Join | None:
    """The join without the keys' copy; None where its right side is made of other things."""
    left = join.left
    if not isinstance(left, Rename) or not isinstance(left.input, Collect) or join.condition is None:
        return None
    inside = _taken_apart(join.right)
    if inside is None:
        return None
    outer = dict(zip(left.columns, left.input.names, strict=True))
    for copy in inside.relations:
        keys = _keys_of(copy, left.input)
        others = [relation for relation in inside.relations if relation is not copy]
        if keys is None or not others:
            continue
        own = _left_columns(join.condition, inside.columns, keys, outer)
        if own is None:
            continue
        made = {name: col(column) for name, column in own.items()}
        parts = [substitute(part, made) for part in inside.conditions]
        names = set(left.columns)
        across = [part for part in parts if columns_of(part) & names]
        below = [part for part in parts if not columns_of(part) & names]
        right = others[0]
        for relation in others[1:]:
            right = Join(right, relation, "cross")
        if below:
            right = Filter(right, conjunction(below))
        return Join(left, right, join.kind, conjunction(across or [exp.true()]))
    return None


def _taken_apart(node: LogicalPlan) -> _RightSide | None:
    """The inner joins, filters and plain projections from `node` down; None where something else has to be computed."""
    match node:
        case Filter():
            below = _taken_apart(node.input)
            if below is None:
                return None
            parts = [substitute(part, below.columns) for part in conjuncts(node.predicate)]
            return _RightSide(below.relations, below.conditions + parts, below.columns)
        case Project():
            below = _taken_apart(node.input)
            if below is None:
                return None
            return _RightSide(
                below.relations, below.conditions, {e.name: substitute(e.expr, below.columns) for e in node.exprs}
            )
        case Join(kind="inner") | Join(kind="cross"):
            left, right = _taken_apart(node.left), _taken_apart(node.right)
            if left is None or right is None:
                return None
            columns = {**left.columns, **right.columns}
            parts = [] if node.condition is None else [substitute(p, columns) for p in conjuncts(node.condition)]
            return _RightSide(left.relations + right.relations, left.conditions + right.conditions + parts, columns)
    return _RightSide([node], [], {name: col(name) for name in node.names})


def _keys_of(node: LogicalPlan, shared: Collect) -> dict[str, str] | None:
    """Where `node` gives each combination of some columns of `shared` once: its columns, and those they are."""
    if not isinstance(node, Aggregate) or node.aggregates or node.grouping_sets is not None or not node.keys:
        return None
    source = node.input
    if not isinstance(source, Rename) or source.input is not shared:
        return None
    origin = dict(zip(source.columns, shared.names, strict=True))
    keys = {key.name: origin[key.expr.name] for key in node.keys if isinstance(key.expr, exp.Column)}
    return keys if len(keys) == len(node.keys) else None


def _left_columns(
    condition: exp.Expr, columns: dict[str, exp.Expr], keys: dict[str, str], outer: dict[str, str]
) -> dict[str, str] | None:
    """The left side's column for each of the `keys`, where the condition is that they are all the same, and no more."""
    found: dict[str, str] = {}
    for part in conjuncts(condition):
        if not isinstance(part, exp.NullSafeEQ | exp.EQ):
            return None
        left, right = part.left, part.right
        if not isinstance(left, exp.Column) or not isinstance(right, exp.Column):
            return None
        inside = columns.get(right.name)
        if not isinstance(inside, exp.Column) or keys.get(inside.name) != outer.get(left.name):
            return None
        if isinstance(part, exp.EQ):
            return None  # it leaves NULL out, which the other form would have to
        found[inside.name] = left.name
    return found if found.keys() == keys.keys() else None


def _inline_shared(plan: LogicalPlan) -> LogicalPlan:
    """The plan without the shared parts that one place reads."""
    readers: Counter[int] = Counter()
    seen: set[int] = set()

    def count(node: LogicalPlan) -> None:
        for child in node.children:
            if isinstance(child, Collect):
                readers[id(child)] += 1
            if id(child) not in seen:
                seen.add(id(child))
                count(child)

    count(plan)
    done: dict[int, tuple[LogicalPlan, LogicalPlan]] = {}

    def visit(node: LogicalPlan) -> LogicalPlan:
        return once(done, node, rewrite)

    def rewrite(node: LogicalPlan) -> LogicalPlan:
        if isinstance(node, Rename) and isinstance(node.input, Collect) and readers[id(node.input)] == 1:
            pairs = zip(node.columns, node.input.names, strict=True)
            return Project(visit(node.input.input), tuple(NamedExpr(new, col(old)) for new, old in pairs))
        return node.with_children(tuple(visit(child) for child in node.children))

    return visit(plan)
