"""SqlExec: a SELECT that the planner does not take apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlglot import exp

from engine.operators.sql import identifier
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["SqlExec"]


@dataclass(frozen=True)
class SqlExec(PhysicalOperator):
    """Runs `query`, kernel SQL that reads its inputs under the identifiers in `inputs`, and names its columns."""

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(streaming=False, blocking=True, parallel_safe=False)

    query: str
    columns: tuple[str, ...]
    inputs: tuple[tuple[str, PhysicalOperator], ...] = ()

    @property
    def schema(self) -> tuple[str, ...]:
        return self.columns

    @property
    def children(self) -> tuple[PhysicalOperator, ...]:
        return tuple(operator for _, operator in self.inputs)

    def with_children(self, children: tuple[PhysicalOperator, ...]) -> SqlExec:
        return replace(self, inputs=tuple((n, c) for (n, _), c in zip(self.inputs, children, strict=True)))

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        for (name, _), relation in zip(self.inputs, inputs, strict=True):
            sources.shared(name, relation, len(re.findall(rf"\b{re.escape(name)}\b", self.query)))
        table = sources.raw(self.query)
        table.set("alias", exp.TableAlias(this=identifier("t"), columns=[identifier(c) for c in self.columns]))
        return exp.Select(expressions=[exp.Star()], from_=exp.From(this=table))

    def describe(self) -> str:
        return f"SqlExec {self.query}"
