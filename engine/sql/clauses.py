"""Clauses: what SELECT and set operations have in common, and the joins of FROM."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.logical.nodes import Limit, LogicalPlan, SortKey
from engine.sql.names import NotTakenApart

__all__ = ["Built", "flatten_joins", "limited", "order_keys", "sort_key"]


@dataclass(frozen=True)
class Built:
    """A plan and what its columns are called in the text; `outputs` pairs text names with plan names, in order."""

    plan: LogicalPlan
    outputs: tuple[tuple[str, str], ...]


def order_keys(node: exp.Expr) -> list[exp.Ordered]:
    """The keys of the node's ORDER BY."""
    clause = node.args.get("order")
    if clause is None:
        return []
    keys = list(clause.expressions)
    if clause.args.get("siblings") or any(not isinstance(k, exp.Ordered) or k.args.get("with_fill") for k in keys):
        raise NotTakenApart("ORDER BY with options")
    return keys


def sort_key(ordered: exp.Ordered, expr: exp.Expr) -> SortKey:
    """The key over the plan's columns, with the direction that `ordered` has."""
    return SortKey(expr, bool(ordered.args.get("desc")), bool(ordered.args.get("nulls_first")))


def limited(plan: LogicalPlan, node: exp.Expr) -> LogicalPlan:
    """`plan` below the LIMIT and OFFSET that the node has."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if limit is None and offset is None:
        return plan
    if limit is not None and not isinstance(limit, exp.Limit):
        raise NotTakenApart("FETCH")
    if limit is not None and (limit.args.get("limit_options") or limit.expressions):
        raise NotTakenApart("LIMIT with options")
    count = None if limit is None else _constant_count(limit.expression)
    skip = 0 if offset is None else _constant_count(offset.expression)
    return Limit(plan, count, skip or 0)


def _constant_count(expr: exp.Expr) -> int | None:
    """A row count written as a constant; NULL is no limit."""
    while isinstance(expr, exp.Paren | exp.Cast):
        expr = expr.this
    if isinstance(expr, exp.Null):
        return None
    if isinstance(expr, exp.Literal) and expr.name.isdigit():
        return int(expr.name)
    raise NotTakenApart("a row count that is no constant")


def flatten_joins(query: exp.Expr) -> None:
    """Take the brackets from around the first joins of each FROM, in the tree itself; they group what is so anyway.

    Without them a condition may name its columns without their tables.
    """
    for select in query.find_all(exp.Select):
        clause = select.args.get("from_")
        while clause is not None and _is_bracket(clause.this):
            inner, outer = clause.this.this, clause.this
            joins = [
                *(inner.args.get("joins") or []),
                *(outer.args.get("joins") or []),
                *(select.args.get("joins") or []),
            ]
            inner.set("joins", None)
            clause.set("this", inner)
            select.set("joins", joins)


def _is_bracket(node: exp.Expr) -> bool:
    """Whether `node` only holds a table, or brackets again, with joins."""
    holds = {name for name, value in node.args.items() if value}
    return (
        isinstance(node, exp.Subquery)
        and isinstance(node.this, exp.Table | exp.Subquery)
        and holds <= {"this", "joins"}
    )
