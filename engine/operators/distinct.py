"""DistinctExec: each row once, or the first of those that are equal in some values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.logical.nodes import SortKey
from engine.operators.sql import order_clause, over, show, sort_text
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["DistinctExec"]


@dataclass(frozen=True)
class DistinctExec(PhysicalOperator):
    """Gives each distinct row once; NULLs are equal here.

    With `on`, gives of the rows that are equal in these expressions the first one in the order of `order`.
    """

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)

    input: PhysicalOperator
    on: tuple[exp.Expr, ...] = ()
    order: tuple[SortKey, ...] = ()

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        select = over(inputs[0])
        on = exp.Tuple(expressions=[sources.expression(e) for e in self.on]) if self.on else None
        select.set("distinct", exp.Distinct(on=on))
        if self.order:
            select.set("order", order_clause(self.order, sources))
        return select

    def describe(self) -> str:
        if not self.on:
            return "DistinctExec"
        order = f" order={sort_text(self.order)}" if self.order else ""
        return f"DistinctExec on=[{', '.join(map(show, self.on))}]{order}"
