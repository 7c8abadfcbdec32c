"""The conditions of a bound plan's joins, and joins that mark rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from engine.logical.columns import conjuncts
from engine.logical.nodes import Join, LogicalPlan, NamedExpr, Project, col
from engine.sql.plan_reader.expressions import Expressions
from engine.sql.plan_reader.not_read import NotRead
from engine.sql.plan_reader.scalars import COMPARISONS, operand

__all__ = ["comparison", "is_whole", "require_markable", "without_mark"]

Json = dict[str, Any]

_NEVER_NULL = (exp.NullSafeEQ, exp.NullSafeNEQ)


def is_whole(condition: Json) -> bool:
    """Whether a condition of a join is one expression over both sides, not a comparison of theirs."""
    return condition.keys() == {"left", "comparison"} and condition["comparison"] == "INVALID"


def comparison(condition: Json, lefts: Expressions, rights: Expressions) -> exp.Expr:
    """The comparison of the two sides' values that a condition is. Raises NotRead for another."""
    if condition.keys() != {"left", "right", "comparison"} or condition["comparison"] not in COMPARISONS:
        raise NotRead("a join by something else than a comparison")
    left, right = lefts.scalar(condition["left"]), rights.scalar(condition["right"])
    return COMPARISONS[condition["comparison"]](this=operand(left), expression=operand(right))


def require_markable(parts: Sequence[exp.Expr]) -> None:
    """A mark may come from one comparison that may be NULL, or from equalities, as those of rows in IN."""
    compared = [part for part in parts if not isinstance(part, _NEVER_NULL)]
    if len(compared) > 1 and not all(isinstance(part, exp.EQ) for part in compared):
        raise NotRead("a mark join by several comparisons")


def without_mark(join: Join, parts: list[exp.Expr]) -> tuple[LogicalPlan, list[exp.Expr]]:
    """A semi or anti join in the place of a mark join whose rows are kept by their mark::

    filter m (mark join m on c)          semi join on c, with m as TRUE
    filter NOT m (mark join m on c)      anti join on c, with m as FALSE, where c is never NULL
    """
    assert join.condition is not None
    assert join.mark is not None
    never_null = all(isinstance(part, _NEVER_NULL) for part in conjuncts(join.condition))
    for part in parts:
        negated = isinstance(part, exp.Not)
        bare = part.this if negated else part
        while isinstance(bare, exp.Paren):
            bare = bare.this
        if not isinstance(bare, exp.Column) or bare.name != join.mark or (negated and not never_null):
            continue
        kept = Join(join.left, join.right, "anti" if negated else "semi", join.condition)
        items = [NamedExpr(name, col(name)) for name in join.left.names]
        items.append(NamedExpr(join.mark, exp.false() if negated else exp.true()))
        return Project(kept, tuple(items)), [p for p in parts if p is not part]
    return join, parts
