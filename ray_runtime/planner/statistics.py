"""Estimates of rows and bytes, from table statistics and rules of thumb.

They choose between plans that give the same rows, so being wrong costs time and never an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from engine.logical.columns import conjuncts, disjuncts
from engine.operators import (
    AggregateMode,
    CollectExec,
    DistinctExec,
    EmptyExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    LimitExec,
    ProjectExec,
    RenameExec,
    SetOpExec,
    TableScanExec,
    TopNExec,
    UnnestExec,
    ValuesExec,
    WindowExec,
)
from engine.physical import PhysicalOperator
from engine.shared_nodes import once
from ray_runtime.planner.join_keys import equalities
from ray_runtime.planner.widths import width

__all__ = ["Estimate", "Estimates", "selectivity"]

_UNKNOWN_ROWS = 1_000_000
_LEAST_KEPT = 0.05  # by a semi join: guesses multiply on their way here, and what counts as small is sent to every task
_TEXT_SEARCHES = frozenset({"prefix", "suffix", "contains", "starts_with", "ends_with", "regexp_matches"})
_KEY = 0.9  # values for a row
_NULLS = 0.05
_LIST_ITEMS = 4.0
_MERGING = frozenset({AggregateMode.FINAL, AggregateMode.MERGE})  # what they read is grouped already


@dataclass(frozen=True)
class Estimate:
    """`rows` expected; `fraction` of its unfiltered size that a relation still has; `widths` in bytes by column.

    `origins` are the scan and the table's column that a column's values come from, where they come as they are.
    """

    rows: float
    fraction: float
    widths: dict[str, float]
    origins: dict[str, tuple[TableScanExec, str]] = field(default_factory=dict)

    @property
    def bytes(self) -> float:
        """The expected size in Arrow memory."""
        return self.rows * sum(self.widths.values())


@dataclass(frozen=True)
class _Count:
    """How many values a table has in a column, and whether nearly each of its rows seems to have another one."""

    values: float
    is_key: bool


def selectivity(predicate: exp.Expr) -> float:
    """The share of rows that a predicate is thought to keep."""
    share = 1.0
    for part in conjuncts(predicate):
        negated = part.this.unnest() if isinstance(part, exp.Not) else part
        if isinstance(negated, exp.Is):  # most values are there
            asks_for_null = negated is part and not isinstance(negated.expression, exp.Not)
            share *= _NULLS if asks_for_null else 1.0 - _NULLS
            continue
        match part:
            case exp.EQ() if part.this == part.expression:  # it asks for a value
                share *= 1.0 - _NULLS
            case exp.EQ():
                share *= 0.05
            case exp.Like() | exp.In() | exp.Between():
                share *= 0.2
            case exp.Anonymous() if str(part.name).lower() in _TEXT_SEARCHES:
                share *= 0.2
            case exp.Or():
                share *= min(1.0, sum(map(selectivity, disjuncts(part))))
            case exp.GT() | exp.LT() | exp.GTE() | exp.LTE():
                share *= 0.4
            case exp.Not() | exp.NEQ():
                share *= 0.9
            case _:
                share *= 0.5
    return share


class Estimates:
    """Estimates for the operators of plans, each made once: a part that several places read is one operator.

    `groups` may know how many groups there are in an operator's rows by some keys, `distinct` how many values there
    are in a table's column.
    """

    def __init__(
        self,
        groups: Callable[[PhysicalOperator, Sequence[exp.Expr]], float | None] | None = None,
        distinct: Callable[[TableScanExec, str], float | None] | None = None,
    ) -> None:
        self._known: dict[int, tuple[PhysicalOperator, Estimate]] = {}
        self._values_in: dict[tuple[int, str], tuple[TableScanExec, float | None]] = {}
        self._groups = groups
        self._distinct = distinct

    def of(self, operator: PhysicalOperator) -> Estimate:
        """What is expected of `operator`'s output."""
        return once(self._known, operator, self._find)

    def _find(self, operator: PhysicalOperator) -> Estimate:
        inputs = [self.of(child) for child in operator.children]
        estimate = replace(_estimate(operator, inputs), origins=_origins(operator, inputs))
        if isinstance(operator, JoinExec) and operator.kind in _MEETING:
            estimate = self.join_estimate(operator.kind, inputs[0], inputs[1], _equated_pairs(operator))
        if isinstance(operator, HashAggregateExec) and operator.mode not in _MERGING:
            estimate = self._count_groups(operator, estimate)
        return estimate

    def _count_groups(self, aggregate: HashAggregateExec, guess: Estimate) -> Estimate:
        if self._groups is None or not aggregate.keys or aggregate.grouping_sets is not None:
            return guess
        groups = self._groups(aggregate.input, [k.expr for k in aggregate.keys])
        return guess if groups is None else replace(guess, rows=max(1.0, groups))

    def join_estimate(
        self, kind: str, left: Estimate, right: Estimate, equated: Sequence[tuple[exp.Expr, exp.Expr]]
    ) -> Estimate:
        """A join of a `kind` that gives columns of both sides, by equalities of `equated` left and right values.

        Of the values of one side all are taken to be among those of the other one that has more; but where each row of
        either table seems to have a value of its own, the smaller table is taken for the one with the key: of a few
        rows a foreign key may look like one. Where it is not known how many values a side has, it is taken to be a
        foreign key that is joined with its table.
        """
        guess = _guess_join(kind, left, right)
        guess = replace(guess, origins={**left.origins, **right.origins})
        if kind == "cross":
            return guess
        values = [v for pair in equated if (v := self._values(left, right, *pair)) is not None]
        if len(values) < len(equated) or not values:
            return guess
        # Of several keys together there are at most as many values as the smaller table has rows, if it has them once.
        sizes = [e.rows / e.fraction if e.fraction else e.rows for e in (left, right)]
        together = values[0] if len(values) == 1 else min(math.prod(values), *sizes)
        rows = left.rows * right.rows / max(1.0, together)
        if kind in ("left", "full"):
            rows = max(rows, left.rows)
        if kind in ("right", "full"):
            rows = max(rows, right.rows)
        return replace(guess, rows=rows)

    def _values(self, left: Estimate, right: Estimate, one: exp.Expr, other: exp.Expr) -> float | None:
        """How many values there are on both sides together."""
        known = [count for side, key in ((left, one), (right, other)) if (count := self._count_of(side, key))]
        if not known:
            return None
        return (min if len(known) > 1 and all(count.is_key for count in known) else max)(
            count.values for count in known
        )

    def _count_of(self, side: Estimate, key: exp.Expr) -> _Count | None:
        while isinstance(key, exp.Cast | exp.Paren):
            key = key.this
        origin = side.origins.get(key.name) if isinstance(key, exp.Column) else None
        if origin is None or self._distinct is None:
            return None
        scan, column = origin
        place = (id(scan), column)
        if place not in self._values_in:
            self._values_in[place] = (scan, self._distinct(scan, column))
        values = self._values_in[place][1]
        return None if values is None else _Count(values, values >= _KEY * (scan.table.rows or math.inf))

    def keep(self, operator: PhysicalOperator, estimate: Estimate) -> None:
        """Take what was known of another operator that gives the same rows."""
        self._known[id(operator)] = (operator, estimate)


def _estimate(operator: PhysicalOperator, inputs: list[Estimate]) -> Estimate:
    match operator:
        case TableScanExec():
            rows = float(operator.table.rows if operator.table.rows is not None else _UNKNOWN_ROWS)
            share = 1.0 if operator.filter is None else selectivity(operator.filter)
            kept = rows * share
            if operator.limit is not None:
                kept = min(kept, operator.limit)
            widths = {a: width(c.type) for a, c in zip(operator.aliases, operator.columns, strict=True)}
            return Estimate(kept, share, widths)
        case ValuesExec():
            return Estimate(len(operator.rows), 1.0, dict.fromkeys(operator.columns, 16.0))
        case FilterExec():
            share = selectivity(operator.predicate)
            return Estimate(inputs[0].rows * share, inputs[0].fraction * share, inputs[0].widths)
        case ProjectExec() | RenameExec() | WindowExec():
            return Estimate(inputs[0].rows, inputs[0].fraction, _widths(operator, inputs[0]))
        case HashAggregateExec():
            grouped = 1.0 if operator.mode in _MERGING else 0.2
            rows = 1.0 if not operator.keys else max(1.0, inputs[0].rows * grouped)
            return Estimate(rows, inputs[0].fraction, _widths(operator, inputs[0]))
        case EmptyExec():
            return Estimate(0.0, 1.0, {c.name: width(c.type) for c in operator.columns})
        case UnnestExec():
            return Estimate(inputs[0].rows * _LIST_ITEMS, inputs[0].fraction, _widths(operator, inputs[0]))
        case DistinctExec():
            return Estimate(max(1.0, inputs[0].rows * 0.2), inputs[0].fraction, inputs[0].widths)
        case LimitExec() | TopNExec():
            rows = inputs[0].rows if operator.count is None else min(inputs[0].rows, operator.count)
            return Estimate(rows, inputs[0].fraction, inputs[0].widths)
        case JoinExec(mark=str(mark)):
            return Estimate(inputs[0].rows, inputs[0].fraction, {**inputs[0].widths, mark: 1.0})
        case JoinExec():
            return _guess_join(operator.kind, inputs[0], inputs[1])
        case SetOpExec():
            rows = inputs[0].rows + inputs[1].rows
            return Estimate(rows, 1.0, dict(zip(operator.columns, inputs[0].widths.values(), strict=False)))
        case CollectExec():
            return inputs[0]
        case _:
            rows = max((e.rows for e in inputs), default=float(_UNKNOWN_ROWS if not operator.children else 1))
            return Estimate(rows, 1.0, dict.fromkeys(operator.schema, 16.0))


_MEETING = frozenset({"inner", "left", "right", "full"})


def _equated_pairs(join: JoinExec) -> list[tuple[exp.Expr, exp.Expr]]:
    return [(left, right) for _, left, right in equalities(join)]


def _origins(operator: PhysicalOperator, inputs: list[Estimate]) -> dict[str, tuple[TableScanExec, str]]:
    """From which column of which scan the values of a column come."""
    below: dict[str, tuple[TableScanExec, str]] = {}
    for one in inputs:
        below |= one.origins
    match operator:
        case TableScanExec():
            return {a: (operator, c.name) for a, c in zip(operator.aliases, operator.columns, strict=True)}
        case ProjectExec(exprs=exprs) | HashAggregateExec(keys=exprs):
            plain = [(e.name, e.expr.name) for e in exprs if isinstance(e.expr, exp.Column)]
            return {new: below[old] for new, old in plain if old in below}
        case RenameExec():
            pairs = zip(operator.columns, operator.input.schema, strict=True)
            return {new: below[old] for new, old in pairs if old in below}
        case SetOpExec():
            return {}
    return {name: below[name] for name in operator.schema if name in below}


def _guess_join(kind: str, left: Estimate, right: Estimate) -> Estimate:
    """Joins are taken to be from a foreign key to its table: the larger side, thinned by the other one's filters."""
    widths = {**left.widths, **right.widths}
    match kind:
        case "cross":
            return Estimate(left.rows * right.rows, left.fraction, widths)
        case "semi":
            kept = max(right.fraction, _LEAST_KEPT)
            return Estimate(left.rows * kept, left.fraction * kept, left.widths)
        case "single":
            return Estimate(left.rows, left.fraction, widths)
        case "anti":
            return Estimate(left.rows * 0.5, left.fraction * 0.5, left.widths)
        case _:
            rows = max(left.rows * right.fraction, right.rows * left.fraction)
            if kind in ("left", "full"):
                rows = max(rows, left.rows)
            if kind in ("right", "full"):
                rows = max(rows, right.rows)
            return Estimate(rows, left.fraction * right.fraction, widths)


def _widths(operator: PhysicalOperator, child: Estimate) -> dict[str, float]:
    if isinstance(operator, RenameExec):
        return dict(zip(operator.columns, child.widths.values(), strict=False))
    return {name: child.widths.get(name, 16.0) for name in operator.schema}
