"""Where the condition of a join could be checked further down in one of its inputs.

A row that fails an equality with the other side is of no use above, so it may go as soon as its values are known: below
inner joins, below a grouping by these values, below projections that only give them another name or compute them.
Below filters and joins it meets values that these would have dropped, and below groupings all that count as one group's
value, as 0.0 and -0.0 do: only comparisons of columns go there, which fail on no value and treat equal ones alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from engine.logical.columns import columns_of, is_volatile, substitute
from engine.logical.nodes import col
from engine.operators import (
    DistinctExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    ProjectExec,
    RenameExec,
    UnnestExec,
)
from engine.physical import PhysicalOperator
from ray_runtime.planner.join_keys import COMPARISONS

__all__ = ["Descent", "descend", "past_joins"]

_SIDES = {
    "inner": (0, 1),
    "cross": (0, 1),
    "left": (0,),
    "single": (0,),
    "semi": (0,),
    "anti": (0,),
    "mark": (0,),
    "right": (1,),
}
"""The inputs of a join of which each row either is in the result, with whatever it meets, or is not."""


@dataclass(frozen=True)
class Descent:
    """`target` is where `conditions` can be checked, in the terms of its columns.

    `passed` are the joins, groupings and DISTINCTs above it, outermost first; `rebuild` gives the whole input over
    something else with the target's columns.
    """

    target: PhysicalOperator
    conditions: tuple[exp.Expr, ...]
    passed: tuple[PhysicalOperator, ...]
    rebuild: Callable[[PhysicalOperator], PhysicalOperator]


def descend(
    side: PhysicalOperator,
    conditions: Sequence[exp.Expr],
    other: PhysicalOperator,
    *,
    whole: bool,
    stop: Callable[[PhysicalOperator], bool] = lambda _: False,
) -> Iterator[Descent]:
    """The places in `side` where `conditions`, over its columns and those of `other`, mean the same, from the top down.

    Comparisons of columns are taken to be of types that compare without a cast that might fail.
    With `whole` all conditions stay together; else some may be left behind where the others go on. The descent ends
    at an operator of which `stop` is true.
    """
    here: Descent | None = Descent(side, tuple(conditions), (), lambda operator: operator)
    while here is not None:
        yield here
        here = None if stop(here.target) else _step(here, frozenset(other.schema), whole)


def past_joins(descents: Iterator[Descent]) -> Descent:
    """Of these the first one that has passed as much as the last: going on below filters and projections is no gain."""
    best = next(descents)
    for descent in descents:
        if len(descent.passed) > len(best.passed):
            best = descent
    return best


def _step(here: Descent, others: frozenset[str], whole: bool) -> Descent | None:
    node = here.target
    for index, child in enumerate(node.children):
        if others & set(child.schema):
            continue
        moved = [_below(node, index, condition, others) for condition in here.conditions]
        kept = tuple(condition for condition in moved if condition is not None)
        if kept and (len(kept) == len(moved) or not whole):
            passes = isinstance(node, JoinExec | HashAggregateExec | DistinctExec)
            return Descent(
                child, kept, (*here.passed, node) if passes else here.passed, _inside(here.rebuild, node, index)
            )
    return None


def _inside(
    outer: Callable[[PhysicalOperator], PhysicalOperator], node: PhysicalOperator, index: int
) -> Callable[[PhysicalOperator], PhysicalOperator]:
    def rebuild(operator: PhysicalOperator) -> PhysicalOperator:
        children = list(node.children)
        children[index] = operator
        return outer(node.with_children(tuple(children)))

    return rebuild


def _below(node: PhysicalOperator, index: int, condition: exp.Expr, others: frozenset[str]) -> exp.Expr | None:
    """`condition` over the input number `index` of `node`, or None where it has to stay above."""
    names = columns_of(condition) - others
    if not isinstance(node, ProjectExec | RenameExec) and not _compares_columns(condition):
        return None
    match node:
        case FilterExec() | DistinctExec(on=()):
            return condition
        case UnnestExec():
            return condition if names <= set(node.input.schema) else None
        case ProjectExec():
            return _substitute_moving(condition, names, {e.name: e.expr for e in node.exprs})
        case RenameExec():
            pairs = zip(node.columns, node.input.schema, strict=True)
            return substitute(condition, {new: col(old) for new, old in pairs if new in names})
        case HashAggregateExec(grouping_sets=None) if node.keys:  # without keys no rows make a group, too
            return _substitute_moving(condition, names, {k.name: k.expr for k in node.keys})
        case JoinExec():
            stays = index in _SIDES.get(node.kind, ()) and names <= set(node.children[index].schema)
            return condition if stays else None
    return None


def _substitute_moving(condition: exp.Expr, names: set[str], exprs: dict[str, exp.Expr]) -> exp.Expr | None:
    used = {name: exprs[name] for name in names if name in exprs}
    if len(used) < len(names) or not all(map(_moves, used.values())):
        return None
    return substitute(condition, used)


def _moves(expr: exp.Expr) -> bool:
    """Whether `expr` can stand in a condition in place of its column. A constant might be given another type there."""
    return bool(columns_of(expr)) and not is_volatile(expr)


def _compares_columns(condition: exp.Expr) -> bool:
    if isinstance(condition, COMPARISONS):
        return isinstance(condition.left, exp.Column) and isinstance(condition.right, exp.Column)
    return isinstance(condition, exp.Boolean)
