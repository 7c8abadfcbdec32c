"""ProjectExec: one output column for each expression."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.logical.nodes import NamedExpr
from engine.operators.sql import identifier, project, select_items, show
from engine.physical import PhysicalOperator, SourceBinder

__all__ = ["ProjectExec"]


@dataclass(frozen=True)
class ProjectExec(PhysicalOperator):
    """Computes `exprs` on every row."""

    input: PhysicalOperator
    exprs: tuple[NamedExpr, ...]

    @property
    def schema(self) -> tuple[str, ...]:
        return tuple(e.name for e in self.exprs)

    def passed_columns(self) -> list[int] | None:
        """The places of the input's columns that go out, where all go as they are; None where some are computed."""
        if not all(isinstance(item.expr, exp.Column) for item in self.exprs):
            return None
        return [self.input.schema.index(item.expr.name) for item in self.exprs]

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        items = select_items(self.exprs, sources) or [exp.alias_(exp.Literal.number(1), identifier("__row"))]
        return project(inputs[0], items)

    def describe(self) -> str:
        items = ", ".join(
            e.name if isinstance(e.expr, exp.Column) and e.expr.name == e.name else f"{show(e.expr)} AS {e.name}"
            for e in self.exprs
        )
        return f"ProjectExec {items}"
