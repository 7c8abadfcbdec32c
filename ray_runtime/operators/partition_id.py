"""PartitionIdExec: says for each row to which partition of the stage's output it belongs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sqlglot import exp

from engine.operators.sql import columns, identifier, over
from engine.physical import Hash, PartitioningSpec, PhysicalOperator, Range, RoundRobin, SourceBinder

__all__ = ["PartitionIdExec"]

_PARTITION = "__partition"


@dataclass(frozen=True)
class PartitionIdExec(PhysicalOperator):
    """Gives the input's columns and, as the last one, the row's partition, a number from 0 to n - 1.

    For a Range, `bounds` gives one row with a list of sort keys; a row's partition is how many of them it reaches.
    """

    input: PhysicalOperator
    partitioning: PartitioningSpec
    bounds: PhysicalOperator | None = None

    @property
    def schema(self) -> tuple[str, ...]:
        return (*self.input.schema, _PARTITION)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        number = exp.Cast(this=self._number(inputs, sources), to=exp.DataType.build("USMALLINT", dialect="duckdb"))
        named = exp.alias_(number, identifier(_PARTITION), copy=False)
        return over(inputs[0], *columns(self.input.schema), named)

    def _number(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Expr:
        match self.partitioning:
            case Hash(keys=keys, n=n):
                arguments = [sources.expression(key) for key in keys]
                return exp.Mod(this=exp.Anonymous(this="hash", expressions=arguments), expression=exp.Literal.number(n))
            case RoundRobin(n=n):
                numbered = exp.Window(this=exp.RowNumber())
                return exp.Mod(this=numbered, expression=exp.Literal.number(n))
            case Range(keys=keys):
                (key,) = keys
                if not isinstance(key, exp.Expr):
                    raise TypeError("a range is over one sort key")
                held = exp.Subquery(this=inputs[1])
                bound = self._unused_name()
                reached = exp.Var(this=f"lambda {bound}: {bound} <= {sources.expression(key).sql('duckdb')}")
                kept = exp.Anonymous(this="list_filter", expressions=[held, reached])
                return exp.Anonymous(this="len", expressions=[kept])
        raise TypeError(f"{self.partitioning!r} has one partition only")

    def _unused_name(self) -> str:
        """A name that hides none of the input's columns."""
        taken = {name.lower() for name in self.input.schema}
        return next(name for i in itertools.count() if (name := f"b{i}") not in taken)
