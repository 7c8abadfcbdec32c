"""Which columns of a plan may come out differently when a task runs again.

A sum of doubles depends on the order in which its rows arrive, `first` on the row that arrives first, row numbers among
ties on both. Rows must not be put into partitions by such values: a task that runs again after a loss would send a row
elsewhere than before, and whoever read the former output and whoever reads the new one would have it twice, or not at
all.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from engine.logical.columns import columns_of, is_volatile
from engine.logical.nodes import NamedExpr
from engine.operators import (
    AggregateMode,
    CollectExec,
    DistinctExec,
    EmptyExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    ProjectExec,
    RenameExec,
    SetOpExec,
    SortExec,
    TableScanExec,
    UnnestExec,
    ValuesExec,
    WindowExec,
)
from engine.physical import PhysicalOperator
from engine.shared_nodes import once
from ray_runtime.operators import ExchangeExec
from ray_runtime.planner.aggregate_calls import aggregate_call
from ray_runtime.planner.aggregates import aggregate
from ray_runtime.planner.column_types import ColumnTypes

__all__ = ["VaryingColumns"]

_INEXACT_NUMBERS = frozenset({"FLOAT", "DOUBLE", ""})


class VaryingColumns:
    """Finds them by the plan, with or without Exchanges."""

    def __init__(self, types: ColumnTypes) -> None:
        self._columns = types
        self._known: dict[int, tuple[PhysicalOperator, frozenset[str] | None]] = {}

    def of(self, node: PhysicalOperator) -> frozenset[str] | None:
        """The names of these columns; None where there may be other rows altogether."""
        return once(self._known, node, self._find)

    def _find(self, node: PhysicalOperator) -> frozenset[str] | None:
        below = frozenset[str]()
        for child in node.children:
            found = self.of(child)
            if found is None:
                return None
            below |= found
        match node:
            case TableScanExec():
                whole = node.limit is None and (node.filter is None or _steady(node.filter, below))
                return below if whole else None
            case EmptyExec() | SortExec() | CollectExec() | ExchangeExec():
                return below
            case ValuesExec():
                return below if all(_steady(e, below) for row in node.rows for e in row) else None
            case FilterExec():
                return below if _steady(node.predicate, below) else None
            case JoinExec():
                # A single join fails, or not, as its rows do; a mark follows from the condition.
                steady = node.condition is None or _steady(node.condition, below)
                return below & set(node.schema) if steady else None
            case ProjectExec():
                return _unsteady(node.exprs, below)
            case RenameExec():
                return _rename(node.input.schema, node.columns, below)
            case WindowExec():
                return below | {f.name for f in node.functions}
            case HashAggregateExec():
                return self._aggregate(node, below)
            case UnnestExec():
                steady = all(_steady(e.expr, below) for e in node.lists)
                return below if steady else None
            case DistinctExec(on=()):
                return None if below else below
            case DistinctExec():
                return _kept_by_distinct(node, below)
            case SetOpExec(kind="union", all=True):
                sides = (node.left.schema, node.right.schema)
                return frozenset[str]().union(*(_rename(side, node.columns, below) for side in sides))
            case SetOpExec():
                return None if below else below
        return None

    def _aggregate(self, node: HashAggregateExec, below: frozenset[str]) -> frozenset[str] | None:
        if not all(_steady(k.expr, below) for k in node.keys):
            return None
        if node.mode in (AggregateMode.FINAL, AggregateMode.MERGE):
            # What merges a state stands as text, under the state's own name.
            return below & {a.name for a in node.aggregates}
        return frozenset(a.name for a in node.aggregates) - self._exact(node, below)

    def _exact(self, node: HashAggregateExec, below: frozenset[str]) -> frozenset[str]:
        """The names of the aggregates that give the same value in whatever order their rows come."""
        calls = {a.name: aggregate_call(a.expr) for a in node.aggregates if _steady(a.expr, below)}
        exact = {name for name, call in calls.items() if aggregate(call.name).steady == "always"}
        sums = {name: call for name, call in calls.items() if aggregate(call.name).steady == "exact"}
        arguments = [(name, argument) for name, call in sums.items() for argument in call.arguments]
        if not arguments:
            return frozenset(exact)
        types = self._columns.expressions(node.input, [argument for _, argument in arguments])
        inexact = {name for (name, _), kind in zip(arguments, types, strict=True) if kind in _INEXACT_NUMBERS}
        return frozenset(exact | (sums.keys() - inexact))


def _steady(expr: exp.Expr, varying: frozenset[str]) -> bool:
    return not (is_volatile(expr) or columns_of(expr) & varying)


def _unsteady(exprs: Iterable[NamedExpr], varying: frozenset[str]) -> frozenset[str]:
    return frozenset(e.name for e in exprs if not _steady(e.expr, varying))


def _kept_by_distinct(node: DistinctExec, below: frozenset[str]) -> frozenset[str] | None:
    """Of the rows that tie, the one that comes first is kept: only the columns by which they are equal are sure."""
    if not all(_steady(e, below) for e in node.on):
        return None
    return frozenset(node.schema) - {e.name for e in node.on if isinstance(e, exp.Column)}


def _rename(old: tuple[str, ...], new: tuple[str, ...], varying: frozenset[str]) -> frozenset[str]:
    return frozenset(name for former, name in zip(old, new, strict=True) if former in varying)
