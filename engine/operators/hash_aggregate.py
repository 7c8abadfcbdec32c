"""HashAggregateExec: one row for each group, in one phase or in two.

The two phases use the kernel's exported aggregate states. `partial` gives, for each aggregate, its state as a plain
Arrow value; `final` merges states of other processes with the kernel's own formula. `single` does both at once. `merge`
makes fewer states of many.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from sqlglot import exp

from engine.logical.nodes import NamedExpr
from engine.operators.sql import identifier, over, select_items, show
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["EXPORT_STATE", "AggregateMode", "HashAggregateExec"]

EXPORT_STATE = "export_state"
"""Around an aggregate call in a partial phase: its state is wanted, which the kernel writes behind the call."""


class AggregateMode(Enum):
    """Which phase of an aggregate an operator does."""

    SINGLE = "single"
    PARTIAL = "partial"
    MERGE = "merge"
    FINAL = "final"


@dataclass(frozen=True)
class HashAggregateExec(PhysicalOperator):
    """Groups by `keys` and computes `aggregates`; keys come first in the output.

    In every mode `keys` and `aggregates` are expressions over the input as it is. With `grouping_sets`, the keys are
    plain columns and each set lists positions in them. Without keys there is one row, whatever comes in.
    """

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)

    input: PhysicalOperator
    keys: tuple[NamedExpr, ...]
    aggregates: tuple[NamedExpr, ...]
    grouping_sets: tuple[tuple[int, ...], ...] | None = None
    mode: AggregateMode = AggregateMode.SINGLE

    @property
    def schema(self) -> tuple[str, ...]:
        return tuple(e.name for e in self.keys + self.aggregates)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        items = [*select_items(self.keys, sources), *(_aggregate(e, sources) for e in self.aggregates)]
        select = over(inputs[0], *(items or [exp.alias_(exp.Literal.number(1), identifier("__row"))]))
        if self.grouping_sets is not None:
            sets = [
                exp.Tuple(expressions=[sources.expression(self.keys[i].expr) for i in members])
                for members in self.grouping_sets
            ]
            select.set("group", exp.Group(grouping_sets=[exp.GroupingSets(expressions=sets)]))
        elif self.keys:
            positions = [exp.Literal.number(i + 1) for i in range(len(self.keys))]
            select.set("group", exp.Group(expressions=positions))
        elif not self.aggregates:
            select.set("limit", exp.Limit(expression=exp.Literal.number(1)))
        return select

    def describe(self) -> str:
        keys = ", ".join(e.name for e in self.keys)
        aggregates = ", ".join(f"{show(e.expr)} AS {e.name}" for e in self.aggregates)
        sets = f" sets={self.grouping_sets}" if self.grouping_sets is not None else ""
        return f"HashAggregateExec {self.mode.value} keys=[{keys}] [{aggregates}]{sets}"


def _aggregate(aggregate: NamedExpr, sources: SourceBinder) -> exp.Expr:
    call = sources.expression(aggregate.expr)
    if isinstance(call, exp.Anonymous) and call.name == EXPORT_STATE:
        call = exp.Var(this=call.expressions[0].sql("duckdb") + " EXPORT_STATE")
    return exp.alias_(call, identifier(aggregate.name), copy=False)
