"""ValuesExec: rows of constants."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.operators.sql import alias, identifier
from engine.physical import PhysicalOperator, SourceBinder

__all__ = ["ValuesExec"]


@dataclass(frozen=True)
class ValuesExec(PhysicalOperator):
    """Gives `rows`; without columns, one row of none."""

    columns: tuple[str, ...]
    rows: tuple[tuple[exp.Expr, ...], ...]

    @property
    def schema(self) -> tuple[str, ...]:
        return self.columns

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del inputs
        if not self.columns:
            return exp.Select(expressions=[exp.alias_(exp.Literal.number(1), identifier("__row"))])
        rows = [exp.Tuple(expressions=[sources.expression(v) for v in row]) for row in self.rows]
        return exp.Select(
            expressions=[exp.Star()], from_=exp.From(this=exp.Values(expressions=rows, alias=alias("t", self.columns)))
        )

    def describe(self) -> str:
        return f"ValuesExec {len(self.rows)} rows"
