"""EmptyExec: typed columns and no rows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.operators.sql import identifier
from engine.physical import PhysicalOperator, SourceBinder
from engine.schema import RowType

__all__ = ["EmptyExec", "typed_null"]


def typed_null(type_text: str) -> exp.Expr:
    """``CAST(NULL AS type)`` for any kernel type text."""
    return exp.Cast(this=exp.Null(), to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=type_text))


@dataclass(frozen=True)
class EmptyExec(PhysicalOperator):
    """Gives no rows of `columns`."""

    columns: RowType

    @property
    def schema(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del inputs, sources
        items: list[exp.Expr] = [
            exp.alias_(typed_null(c.type), identifier(c.name), copy=False) for c in self.columns
        ] or [exp.alias_(exp.Literal.number(1), identifier("__row"))]
        return exp.Select(expressions=items, where=exp.Where(this=exp.false()))

    def describe(self) -> str:
        return f"EmptyExec [{', '.join(self.schema)}]"
