"""DistinctExec: each row once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.operators.sql import over
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["DistinctExec"]


@dataclass(frozen=True)
class DistinctExec(PhysicalOperator):
    """Gives each distinct row once; NULLs are equal here."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(streaming=False, blocking=True, requires_partitioning=True)

    input: PhysicalOperator

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        select = over(inputs[0])
        select.set("distinct", exp.Distinct())
        return select
