"""JoinExec: two inputs side by side where a condition holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from engine.hidden_columns import MARK
from engine.logical.columns import conjunction, conjuncts
from engine.logical.nodes import col
from engine.operators.sql import alias, columns, identifier, over, show
from engine.physical import OperatorCaps, PhysicalOperator, SourceBinder

__all__ = ["ANY_COMPARISONS", "JoinExec"]

ANY_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
"""Comparisons of a mark join that may be NULL: one, or equalities. All its other conditions are never NULL."""
_NEVER_NULL = (exp.NullSafeEQ, exp.NullSafeNEQ, exp.Boolean)


@dataclass(frozen=True)
class JoinExec(PhysicalOperator):
    """Joins two inputs whose column names are disjoint. The right side is the build side.

    `kind` is one of the logical `Join.KINDS`: `semi` and `anti` give the left columns only, `mark` these and the column
    `mark`; `single` fails where a left row meets a second right row.
    """

    capabilities: ClassVar[OperatorCaps] = OperatorCaps(requires_partitioning=True)

    left: PhysicalOperator
    right: PhysicalOperator
    kind: str
    condition: exp.Expr | None = None
    mark: str | None = None

    @property
    def schema(self) -> tuple[str, ...]:
        if self.mark is not None:
            return (*self.left.schema, self.mark)
        return self.left.schema if self.kind in ("semi", "anti") else self.left.schema + self.right.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        on = sources.expression(self.condition) if self.condition is not None else None
        if self.kind in ("inner", "cross"):
            return _beside(inputs[0], inputs[1], on)
        if self.mark is not None:
            return over(inputs[0], exp.Star(), exp.alias_(self._marks(inputs[1], on), identifier(self.mark)), name="l")
        if self.kind == "single":
            return self._single(inputs, on)
        select = over(inputs[0], name="l")
        kind = self.kind.upper()
        side = kind if kind in ("LEFT", "RIGHT", "FULL") else None
        select.set("joins", [exp.Join(this=_subquery(inputs[1], "r"), side=side, kind=None if side else kind, on=on)])
        return select

    def _marks(self, right: exp.Select, on: exp.Expr | None) -> exp.Expr:
        """``EXISTS (...)`` or ``x = ANY (...)``: the condition with any of the right rows, in three-valued logic.

        ::

            a IS NOT DISTINCT FROM k AND x = y      x = ANY (SELECT y FROM right WHERE a IS NOT DISTINCT FROM k)
            x = y AND v = w                         (x, v) IN (SELECT y, w FROM right)
        """
        assert on is not None
        parts = conjuncts(on)
        compared = [part for part in parts if not isinstance(part, _NEVER_NULL)]
        if not compared:
            rows = over(right, exp.Literal.number(1), name="r")
            rows.set("where", exp.Where(this=on))
            return exp.Exists(this=rows)
        assert all(isinstance(part, ANY_COMPARISONS) for part in compared)
        sides = [(part.left.copy(), part.right.copy()) for part in compared if isinstance(part, exp.Binary)]
        inner = over(right, *(theirs for _, theirs in sides), name="r")
        others = [part for part in parts if not any(part is known for known in compared)]
        if others:
            inner.set("where", exp.Where(this=conjunction(others)))
        if len(sides) > 1:
            return exp.In(this=exp.Tuple(expressions=[own for own, _ in sides]), query=exp.Subquery(this=inner))
        return type(compared[0])(this=exp.Paren(this=sides[0][0]), expression=exp.Any(this=inner))

    def _single(self, inputs: tuple[exp.Select, ...], on: exp.Expr | None) -> exp.Select:
        """The right row as one value of a scalar subquery, of which the kernel takes no second row."""
        names = self.right.schema
        packed = exp.Struct(
            expressions=[
                exp.PropertyEQ(this=exp.Literal.string(f"c{i}"), expression=col(name)) for i, name in enumerate(names)
            ]
        )
        rows = over(inputs[1], packed, name="r")
        rows.set("where", exp.Where(this=on))
        row = identifier(f"{MARK}row")
        beside = over(inputs[0], exp.Star(), exp.alias_(exp.Subquery(this=rows), row), name="l")
        items = [
            exp.alias_(
                exp.Anonymous(this="struct_extract", expressions=[exp.column(row.copy()), exp.Literal.string(f"c{i}")]),
                identifier(name),
            )
            for i, name in enumerate(names)
        ]
        return over(beside, *columns(self.left.schema), *items)

    def describe(self) -> str:
        on = f" on {show(self.condition)}" if self.condition is not None else ""
        mark = f" as {self.mark}" if self.mark is not None else ""
        return f"JoinExec {self.kind}{on}{mark}"


def _beside(left: exp.Select, right: exp.Select, on: exp.Expr | None) -> exp.Select:
    """An inner join, with the one that `left` may be in one FROM and under one WHERE.

    Of conditions there the kernel finds more to do below the joins than of those behind ON, and it makes semi joins of
    subqueries above.
    """
    select = left if _is_inner_join(left) else over(left, name="r0")
    joins = select.args.get("joins") or []
    select.set("joins", [*joins, exp.Join(this=_subquery(right, f"r{len(joins) + 1}"), kind="CROSS")])
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


def _subquery(relation: exp.Select, name: str) -> exp.Subquery:
    return exp.Subquery(this=relation, alias=alias(name))
