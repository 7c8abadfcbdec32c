"""WindowExec: window functions beside the input's columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.logical.nodes import NamedExpr
from engine.operators.sql import columns, over, select_items, show
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["WindowExec"]


@dataclass(frozen=True)
class WindowExec(PhysicalOperator):
    """Gives the input's columns, then one for each window function."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)

    input: PhysicalOperator
    functions: tuple[NamedExpr, ...]

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema + tuple(e.name for e in self.functions)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        return over(inputs[0], *columns(self.input.schema), *select_items(self.functions, sources))

    def describe(self) -> str:
        functions = ", ".join(f"{show(e.expr)} AS {e.name}" for e in self.functions)
        return f"WindowExec {functions}"
