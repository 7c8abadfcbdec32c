"""HashJoinExec: two inputs side by side where a condition holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.logical.columns import conjunction
from engine.operators.sql import alias, over, show
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
        on = sources.expression(self.condition) if self.condition is not None else None
        if self.kind in ("inner", "cross"):
            return _beside(inputs[0], inputs[1], on)
        select = over(inputs[0], name="l")
        kind = self.kind.upper()
        side = kind if kind in ("LEFT", "RIGHT", "FULL") else None
        select.set("joins", [exp.Join(this=_named(inputs[1], "r"), side=side, kind=None if side else kind, on=on)])
        return select

    def describe(self) -> str:
        on = f" on {show(self.condition)}" if self.condition is not None else ""
        return f"HashJoinExec {self.kind}{on}"


def _beside(left: exp.Select, right: exp.Select, on: exp.Expr | None) -> exp.Select:
    """An inner join, with the one that `left` may be in one FROM and under one WHERE.

    Of conditions there the kernel finds more to do below the joins than of those behind ON, and it makes semi joins of
    subqueries above.
    """
    select = left if _is_inner_join(left) else over(left, name="r0")
    joins = select.args.get("joins") or []
    select.set("joins", [*joins, exp.Join(this=_named(right, f"r{len(joins) + 1}"), kind="CROSS")])
    if on is not None:
        where = select.args.get("where")
        select.set("where", exp.Where(this=on if where is None else conjunction([where.this, on])))
    return select


def _is_inner_join(relation: exp.Select) -> bool:
    """Whether `_beside` made it, so that its tables may stand with others under its WHERE."""
    parts = {part for part, value in relation.args.items() if value}
    joins = relation.args.get("joins") or []
    return (
        parts <= {"expressions", "from_", "joins", "where"}
        and [type(item) for item in relation.expressions] == [exp.Star]
        and bool(joins)
        and all(join.args.get("kind") == "CROSS" for join in joins)
    )


def _named(relation: exp.Select, name: str) -> exp.Subquery:
    return exp.Subquery(this=relation, alias=alias(name))
