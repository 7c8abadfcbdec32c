"""HashJoinExec: two inputs side by side where a condition holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.operators.sql import identifier, over, show
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["HashJoinExec"]


@dataclass(frozen=True)
class HashJoinExec(PhysicalOperator):
    """Joins two inputs whose column names are disjoint. The right side is the build side.

    `kind` is one of the logical `Join.KINDS`; `semi` and `anti` give the left columns only.
    """

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)

    left: PhysicalOperator
    right: PhysicalOperator
    kind: str
    condition: exp.Expr | None = None

    @property
    def schema(self) -> tuple[str, ...]:
        return self.left.schema if self.kind in ("semi", "anti") else self.left.schema + self.right.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        select = over(inputs[0], alias="l")
        right = exp.Subquery(this=inputs[1], alias=exp.TableAlias(this=identifier("r")))
        on = sources.expression(self.condition) if self.condition is not None else None
        if self.kind == "inner" and on is not None:
            # Of a condition behind WHERE the kernel finds more to do below the join than of one behind ON.
            select.set("joins", [exp.Join(this=right, kind="CROSS")])
            select.set("where", exp.Where(this=on))
            return select
        kind = self.kind.upper()
        side = kind if kind in ("LEFT", "RIGHT", "FULL") else None
        join = exp.Join(this=right, side=side, kind=None if side else kind, on=on)
        select.set("joins", [join])
        return select

    def describe(self) -> str:
        on = f" on {show(self.condition)}" if self.condition is not None else ""
        return f"HashJoinExec {self.kind}{on}"
