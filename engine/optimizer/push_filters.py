"""Predicates move towards the tables, and into their scans.

Equality between the two sides of a cross join makes it an inner join. What an OR over both sides of an inner join needs
of one of them is asked there, too. A predicate moves only where the rows and their values stay the same: not below
LIMIT, not into the side of an outer join that may be padded with NULLs.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from engine.logical.columns import columns_of, conjunction, conjuncts, is_volatile, substitute
from engine.logical.nodes import (
    Aggregate,
    Distinct,
    Filter,
    Join,
    LogicalPlan,
    Project,
    Rename,
    Scan,
    SetOp,
    Sort,
    Unnest,
    col,
)
from engine.optimizer.disjunctions import factor_out, implied_condition
from engine.shared_nodes import once

__all__ = ["push_filters"]

_LEFT_ALONE = frozenset({"inner", "cross", "left", "semi", "anti", "mark", "single"})
_RIGHT_ALONE = frozenset({"inner", "cross", "right"})


def push_filters(plan: LogicalPlan) -> LogicalPlan:
    """The plan with each predicate as low as it may stand."""
    return _Pusher().visit(plan)


class _Pusher:
    """`_done` keeps the result for shared nodes, so that they stay shared."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[LogicalPlan, LogicalPlan]] = {}

    def visit(self, node: LogicalPlan) -> LogicalPlan:
        return once(self._done, node, self._visit)

    def _visit(self, node: LogicalPlan) -> LogicalPlan:
        if isinstance(node, Filter):
            return self.push(node.input, conjuncts(node.predicate))
        if isinstance(node, Join):
            return self.push(node, [])
        return node.with_children(tuple(map(self.visit, node.children)))

    def push(self, node: LogicalPlan, parts: list[exp.Expr]) -> LogicalPlan:
        """`parts` applied to `node` as low as possible; `node` itself is not visited yet."""
        match node:
            case Filter():
                return self.push(node.input, _without_repeats([*conjuncts(node.predicate), *parts]))
            case Project():
                return self._below_project(node, parts)
            case Rename() if len(set(node.columns)) == len(node.columns):
                mapping = {new: col(old) for new, old in zip(node.columns, node.input.names, strict=True)}
                return self._below(node, parts, dict(mapping))
            case Sort():
                return self._below(node, parts, {})
            case Unnest():
                return self._below_unnest(node, parts)
            case Distinct() if not node.on:
                # random() draws once for each row that is left, not for each duplicate.
                volatile = [p for p in parts if is_volatile(p)]
                return _add_filter(self._below(node, [p for p in parts if not is_volatile(p)], {}), volatile)
            case Join():
                return self._below_join(node, parts)
            case Aggregate() if node.grouping_sets is None and node.keys:
                return self._below_aggregate(node, parts)
            case SetOp():
                return self._below_set_operation(node, parts)
            case Scan():
                return _into_scan(node, parts)
            case _:
                return _add_filter(self.visit(node), parts)

    def _below(self, node: LogicalPlan, parts: list[exp.Expr], mapping: dict[str, exp.Expr]) -> LogicalPlan:
        (child,) = node.children
        return node.with_children((self.push(child, [substitute(p, mapping) if mapping else p for p in parts]),))

    def _below_project(self, node: Project, parts: list[exp.Expr]) -> LogicalPlan:
        mapping = {e.name: e.expr for e in node.exprs}
        low: list[exp.Expr] = []
        high: list[exp.Expr] = []
        for part in parts:
            used = [mapping[name] for name in columns_of(part) if name in mapping]
            if any(is_volatile(e) for e in used):
                high.append(part)
            else:
                low.append(substitute(part, mapping))
        return _add_filter(replace(node, input=self.push(node.input, low)), high)

    def _below_join(self, node: Join, parts: list[exp.Expr]) -> LogicalPlan:
        left_names, right_names = set(node.left.names), set(node.right.names)
        to_left: list[exp.Expr] = []
        to_right: list[exp.Expr] = []
        on: list[exp.Expr] = []
        above: list[exp.Expr] = []
        for part in _factor_all(parts):
            used = columns_of(part)
            if is_volatile(part):
                above.append(part)
            elif used and used <= left_names and node.kind in _LEFT_ALONE:
                to_left.append(part)
            elif used and used <= right_names and node.kind in _RIGHT_ALONE:
                to_right.append(part)
            elif node.kind in ("inner", "cross") and used & left_names and used & right_names:
                on.append(part)
            else:
                above.append(part)
        condition = [] if node.condition is None else conjuncts(node.condition)
        for part in _factor_all(condition):
            used = columns_of(part)
            only_left, only_right = not used & right_names, not used & left_names
            if is_volatile(part) or not used & (left_names | right_names):
                on.append(part)
            elif only_left and node.kind in ("inner", "right", "semi"):
                to_left.append(part)
            elif only_right and node.kind in ("inner", "left", "semi", "anti"):
                to_right.append(part)
            else:
                on.append(part)
        if node.kind in ("inner", "cross"):
            to_left += [asked for part in on if (asked := implied_condition(part, left_names)) is not None]
            to_right += [asked for part in on if (asked := implied_condition(part, right_names)) is not None]
        left, right = self.push(node.left, to_left), self.push(node.right, to_right)
        kind = node.kind
        if kind in ("inner", "cross"):
            kind = "inner" if on else "cross"
        elif not on:
            on = [exp.true()]
        made = Join(left, right, kind, conjunction(on) if on else None, node.mark)
        return _add_filter(made, above)

    def _below_aggregate(self, node: Aggregate, parts: list[exp.Expr]) -> LogicalPlan:
        keys = {k.name: k.expr for k in node.keys}
        outputs = set(node.names)
        low: list[exp.Expr] = []
        high: list[exp.Expr] = []
        for part in parts:
            used = columns_of(part) & outputs
            movable = used and used <= set(keys) and not is_volatile(part)
            (low if movable else high).append(part)
        pushed = self.push(node.input, [substitute(p, keys) for p in low])
        return _add_filter(replace(node, input=pushed), high)

    def _below_unnest(self, node: Unnest, parts: list[exp.Expr]) -> LogicalPlan:
        names = set(node.input.names)
        low = [part for part in parts if columns_of(part) <= names and not is_volatile(part)]
        high = [part for part in parts if not any(part is moved for moved in low)]
        return _add_filter(replace(node, input=self.push(node.input, low)), high)

    def _below_set_operation(self, node: SetOp, parts: list[exp.Expr]) -> LogicalPlan:
        # The sides of a set operation are cast to common types above; a predicate may only move where no cast stands
        # between, which is not known here.
        return _add_filter(node.with_children(tuple(self.visit(c) for c in node.children)), parts)


def _into_scan(node: Scan, parts: list[exp.Expr]) -> LogicalPlan:
    own = set(node.names)
    if node.limit is not None:
        return _add_filter(node, parts)
    low: list[exp.Expr] = []
    high: list[exp.Expr] = []
    for part in parts:
        movable = not is_volatile(part) and columns_of(part) <= own
        (low if movable else high).append(part)
    if low:
        existing = [] if node.filter is None else conjuncts(node.filter)
        node = replace(node, filter=conjunction(_without_repeats([*existing, *low])))
    return _add_filter(node, high)


def _factor_all(parts: list[exp.Expr]) -> list[exp.Expr]:
    return [factor for part in parts for factor in factor_out(part)]


def _without_repeats(parts: list[exp.Expr]) -> list[exp.Expr]:
    """The predicates, each once: what was asked below a join before is asked there again."""
    kept: list[exp.Expr] = []
    for part in parts:
        if part not in kept or is_volatile(part):
            kept.append(part)
    return kept


def _add_filter(node: LogicalPlan, parts: list[exp.Expr]) -> LogicalPlan:
    return Filter(node, conjunction(parts)) if parts else node
