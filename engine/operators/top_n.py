"""TopNExec: the first rows of an ordering, without sorting the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.logical.nodes import SortKey
from engine.operators.limit import set_limit
from engine.operators.sql import order_clause, over, sort_text
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["TopNExec"]


@dataclass(frozen=True)
class TopNExec(PhysicalOperator):
    """Gives at most `count` rows in order of `keys`, after the first `offset` of that order."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(parallel_safe=False)

    input: PhysicalOperator
    keys: tuple[SortKey, ...]
    count: int
    offset: int = 0

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        select = over(inputs[0])
        select.set("order", order_clause(self.keys, sources))
        return set_limit(select, self.count, self.offset)

    def describe(self) -> str:
        offset = f" offset {self.offset}" if self.offset else ""
        return f"TopNExec {self.count}{offset} by {sort_text(self.keys)}"
