"""A mark join on ``x = y`` is hashed where its right side is too large to be sent to every task.

::

    mark join on x = y                mark join on x IS NOT DISTINCT FROM y, both hashed; beside it, sent to every task,
                                      whether the right side has rows, and a NULL among them: these decide the others
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from engine.logical.columns import columns_of, conjuncts, is_volatile
from engine.logical.nodes import NamedExpr, col
from engine.operators import AggregateMode, CollectExec, HashAggregateExec, JoinExec, ProjectExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.join_keys import JoinKeys
from ray_runtime.planner.names import Names
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.statistics import Estimates
from ray_runtime.planner.tree import rewrite_up

__all__ = ["hash_marks"]

_NESTED = re.compile(r"\[|\b(STRUCT|MAP|UNION|VARIANT|JSON|INTERVAL)\b")
"""Types of values that may have NULLs inside, or are equal in many forms."""


def hash_marks(
    root: PhysicalOperator, types: ColumnTypes, options: DistributedOptions, estimates: Estimates
) -> PhysicalOperator:
    """The same plan with mark joins that can be hashed in place of those whose right side would be sent everywhere."""
    names = Names(root)
    keys = JoinKeys(types)

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if not isinstance(node, JoinExec) or node.kind != "mark" or node.condition is None:
            return node
        if estimates.of(node.right).bytes <= options.broadcast_bytes or keys.pairs(node):
            return node
        compared = _one_equality(node)
        if compared is None or not keys.of_one_type(node, compared, lambda kind: _NESTED.search(kind) is None):
            return node
        return _hash_mark(node, compared, names.fresh)

    return rewrite_up(root, rule)


def _one_equality(join: JoinExec) -> tuple[exp.Expr, exp.Expr] | None:
    """What the condition equates, of the left and of the right side, where it does nothing else."""
    assert join.condition is not None
    parts = conjuncts(join.condition)
    if len(parts) != 1 or not isinstance(parts[0], exp.EQ) or is_volatile(parts[0]):
        return None
    left, right = set(join.left.schema), set(join.right.schema)
    for one, other in ((parts[0].left, parts[0].right), (parts[0].right, parts[0].left)):
        if columns_of(one) and columns_of(other) and columns_of(one) <= left and columns_of(other) <= right:
            return one, other
    return None


def _hash_mark(join: JoinExec, compared: tuple[exp.Expr, exp.Expr], fresh: Callable[[str], str]) -> PhysicalOperator:
    assert join.mark is not None
    key, other = compared
    found, any_null = fresh("found"), fresh("any_null")
    shared = join.right if isinstance(join.right, CollectExec) else CollectExec(join.right, fresh("marked"))
    nulls = exp.Is(this=exp.Paren(this=other.copy()), expression=exp.Null())
    part = HashAggregateExec(shared, (), (NamedExpr(any_null, _any(nulls)),), mode=AggregateMode.PARTIAL)
    # Of no rows at all it is NULL.
    fact = HashAggregateExec(part, (), (NamedExpr(any_null, _any(col(any_null))),), mode=AggregateMode.FINAL)
    same = exp.NullSafeEQ(this=exp.Paren(this=key.copy()), expression=exp.Paren(this=other.copy()))
    matched = JoinExec(join.left, shared, "mark", same, found)
    mark = exp.Case(
        ifs=[
            exp.If(this=exp.Is(this=col(any_null), expression=exp.Null()), true=exp.false()),
            exp.If(this=exp.Is(this=exp.Paren(this=key.copy()), expression=exp.Null()), true=exp.Null()),
            exp.If(this=col(found), true=exp.true()),
            exp.If(this=col(any_null), true=exp.Null()),
        ],
        default=exp.false(),
    )
    columns = tuple(NamedExpr(name, col(name)) for name in join.left.schema)
    return ProjectExec(JoinExec(matched, fact, "cross"), (*columns, NamedExpr(join.mark, mark)))


def _any(condition: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="bool_or", expressions=[condition])
