"""FilterExec: the rows for which a predicate is true."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.operators.sql import over, show
from engine.physical import PhysicalOperator, SourceBinder

__all__ = ["FilterExec"]


@dataclass(frozen=True)
class FilterExec(PhysicalOperator):
    """Keeps the rows for which `predicate` is true; false and NULL drop a row."""

    input: PhysicalOperator
    predicate: exp.Expr

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        select = over(inputs[0])
        select.set("where", exp.Where(this=sources.expression(self.predicate)))
        return select

    def describe(self) -> str:
        return f"FilterExec {show(self.predicate)}"
