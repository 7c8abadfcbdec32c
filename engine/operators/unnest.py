"""UnnestExec: a row for each item of lists, beside the input's columns."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.logical.nodes import NamedExpr
from engine.operators.sql import columns, identifier, over, show
from engine.physical import PhysicalOperator, SourceBinder

__all__ = ["UnnestExec"]


@dataclass(frozen=True)
class UnnestExec(PhysicalOperator):
    """Gives the input's columns, then the items of `lists` side by side, the shorter ones filled up with NULL."""

    input: PhysicalOperator
    lists: tuple[NamedExpr, ...]

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema + tuple(e.name for e in self.lists)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        items = [
            exp.alias_(
                exp.Anonymous(this="unnest", expressions=[sources.expression(e.expr)]), identifier(e.name), copy=False
            )
            for e in self.lists
        ]
        return over(inputs[0], *columns(self.input.schema), *items)

    def describe(self) -> str:
        return f"UnnestExec {', '.join(f'{show(e.expr)} AS {e.name}' for e in self.lists)}"
