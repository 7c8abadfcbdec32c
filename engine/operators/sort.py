"""SortExec: all rows in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.logical.nodes import SortKey
from engine.operators.sql import order_clause, over, sort_text
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["SortExec"]


@dataclass(frozen=True)
class SortExec(PhysicalOperator):
    """Gives the input in order of `keys`."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)

    input: PhysicalOperator
    keys: tuple[SortKey, ...]

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        select = over(inputs[0])
        select.set("order", order_clause(self.keys, sources))
        return select

    def describe(self) -> str:
        return f"SortExec {sort_text(self.keys)}"
