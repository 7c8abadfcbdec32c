"""SetOpExec, and with it INTERSECT and EXCEPT: set operations by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.operators.sql import alias
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["SetOpExec"]

_OPERATIONS: dict[str, type[exp.SetOperation]] = {
    "union": exp.Union,
    "intersect": exp.Intersect,
    "except": exp.Except,
}


@dataclass(frozen=True)
class SetOpExec(PhysicalOperator):
    """Combines two inputs by position and names the result `columns`; `all` keeps duplicates."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)

    left: PhysicalOperator
    right: PhysicalOperator
    kind: str
    all: bool
    columns: tuple[str, ...]

    @property
    def schema(self) -> tuple[str, ...]:
        return self.columns

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        combined = _OPERATIONS[self.kind](
            this=exp.Subquery(this=inputs[0]), expression=exp.Subquery(this=inputs[1]), distinct=not self.all
        )
        return exp.Select(
            expressions=[exp.Star()], from_=exp.From(this=exp.Subquery(this=combined, alias=alias("t", self.columns)))
        )

    def describe(self) -> str:
        return f"SetOpExec {self.kind}{' all' if self.all else ''}"
