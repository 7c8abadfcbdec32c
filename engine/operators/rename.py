"""RenameExec: the same columns under other names."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.logical.nodes import col
from engine.operators.sql import identifier, over
from engine.physical import PhysicalOperator, SourceBinder

__all__ = ["RenameExec"]


@dataclass(frozen=True)
class RenameExec(PhysicalOperator):
    """Names the input's columns `columns`, position by position; at the root of a plan a name may repeat."""

    input: PhysicalOperator
    columns: tuple[str, ...]

    @property
    def schema(self) -> tuple[str, ...]:
        return self.columns

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        pairs = zip(self.input.schema, self.columns, strict=True)
        return over(inputs[0], *[exp.alias_(col(old), identifier(new), copy=False) for old, new in pairs])

    def describe(self) -> str:
        return f"RenameExec {', '.join(self.columns)}"
