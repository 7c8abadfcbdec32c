"""LimitExec: the first rows, in whatever order they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.operators.sql import over
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["LimitExec", "set_limit"]


def set_limit(select: exp.Select, count: int | None, offset: int) -> exp.Select:
    """`select` with LIMIT and OFFSET clauses."""
    if count is not None:
        select.set("limit", exp.Limit(expression=exp.Literal.number(count)))
    if offset:
        select.set("offset", exp.Offset(expression=exp.Literal.number(offset)))
    return select


@dataclass(frozen=True)
class LimitExec(PhysicalOperator):
    """Gives at most `count` rows (None: all) after the first `offset`."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(parallel_safe=False)

    input: PhysicalOperator
    count: int | None
    offset: int = 0

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        return set_limit(over(inputs[0]), self.count, self.offset)

    def describe(self) -> str:
        return f"LimitExec {'all' if self.count is None else self.count}" + (
            f" offset {self.offset}" if self.offset else ""
        )
