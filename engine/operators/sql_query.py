"""SqlExec: a SELECT that the planner does not take apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlglot import exp

from engine.operators.sql import alias, identifier
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["SqlExec"]

_RECURSIVE = "WITH RECURSIVE"  # as the kernel writes a text down


@dataclass(frozen=True)
class SqlExec(PhysicalOperator):
    """Runs `query`, kernel SQL that reads its inputs under the identifiers in `inputs`, and names its columns.

    `reason` is why it is not taken apart, where it could have been.
    """

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(parallel_safe=False)

    query: str
    columns: tuple[str, ...]
    inputs: tuple[tuple[str, PhysicalOperator], ...] = ()
    reason: str = ""

    @property
    def schema(self) -> tuple[str, ...]:
        return self.columns

    @property
    def children(self) -> tuple[PhysicalOperator, ...]:
        return tuple(operator for _, operator in self.inputs)

    def with_children(self, children: tuple[PhysicalOperator, ...]) -> SqlExec:
        return replace(self, inputs=tuple((n, c) for (n, _), c in zip(self.inputs, children, strict=True)))

    @property
    def reads_again(self) -> bool:
        """Whether the kernel may have to read an input more than once, or to choose which of several it reads first."""
        return (
            len(self.inputs) > 1 or any(self._readers(name) > 1 for name, _ in self.inputs) or _RECURSIVE in self.query
        )

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        table = sources.raw(self.query)
        table.set("alias", alias("t", self.columns))
        select = exp.Select(expressions=[exp.Star()], from_=exp.From(this=table))
        if self.inputs:
            # Beside the query, not at the statement's top: another query may have inputs of the same names.
            ctes = [self._input(name, relation) for (name, _), relation in zip(self.inputs, inputs, strict=True)]
            select.set("with_", exp.With(expressions=ctes))
        return select

    def _input(self, name: str, relation: exp.Select) -> exp.CTE:
        # Its sources may be streams, which can be read once.
        alias = exp.TableAlias(this=identifier(name))
        return exp.CTE(this=relation, alias=alias, materialized=True if self._readers(name) > 1 else None)

    def _readers(self, name: str) -> int:
        return len(re.findall(rf"\b{re.escape(name)}\b", self.query))

    def describe(self) -> str:
        because = f"({self.reason}) " if self.reason else ""
        return f"SqlExec {because}{self.query}"
