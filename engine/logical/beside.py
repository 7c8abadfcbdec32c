"""Which columns of a result are those of tables whose values lie beside the rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.logical.nodes import (
    Aggregate,
    Collect,
    Distinct,
    Filter,
    Join,
    Limit,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    Scan,
    SetOp,
    Sort,
    Unnest,
    Window,
    in_operators,
)

__all__ = ["columns_beside"]


def columns_beside(plan: LogicalPlan) -> tuple[bool, ...]:
    """For each column of the plan whether it passes such a column as it is; a union, where both of its sides do."""
    match plan := in_operators(plan):
        case Scan():
            return tuple(column.name in plan.table.beside for column in plan.columns)
        case Filter() | Sort() | Limit() | Distinct() | Collect() | Rename():
            return columns_beside(plan.input)
        case Project():
            return _items_beside(plan.exprs, plan.input)
        case Aggregate():
            return _items_beside(plan.keys, plan.input) + (False,) * len(plan.aggregates)
        case Window() | Unnest():
            own = columns_beside(plan.input)
            return own + (False,) * (len(plan.names) - len(own))
        case Join():
            left = columns_beside(plan.left)
            return left + (columns_beside(plan.right) if plan.mark is None else (False,))[: len(plan.names) - len(left)]
        case SetOp():
            left, right = columns_beside(plan.left), columns_beside(plan.right)
            return tuple(one and other for one, other in zip(left, right, strict=True))
    return (False,) * len(plan.names)


def _items_beside(items: Sequence[NamedExpr], below: LogicalPlan) -> tuple[bool, ...]:
    own = dict(zip(below.names, columns_beside(below), strict=True))
    return tuple(isinstance(item.expr, exp.Column) and own[item.expr.name] for item in items)
