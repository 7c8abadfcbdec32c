"""What planning needs to know of an aggregate call; of the functions themselves, see `aggregates`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.operators import EXPORT_STATE

__all__ = ["AggregateCall", "aggregate_call", "constant"]


@dataclass(frozen=True)
class AggregateCall:
    """The function's name in lower case, its arguments without DISTINCT and ORDER BY, and whether it has these.

    `plain` says that it has nothing but arguments and, around it, a FILTER.
    """

    name: str
    arguments: tuple[exp.Expr, ...]
    distinct: bool = False
    plain: bool = True


def aggregate_call(expr: exp.Expr) -> AggregateCall:
    """The aggregate in `expr`, which may stand in a FILTER or in the export of its state."""
    call, clauses = expr, False
    while True:
        if isinstance(call, exp.Filter):
            call = call.this
        elif isinstance(call, exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls):
            call, clauses = call.this, True
        elif isinstance(call, exp.Anonymous) and call.name == EXPORT_STATE:
            call = call.expressions[0]
        else:
            break
    if not isinstance(call, exp.Func):
        return AggregateCall("", (), plain=False)
    given = call.expressions if isinstance(call, exp.Anonymous) else call.iter_expressions()
    arguments = [a for a in given if not isinstance(a, exp.Star)]
    name = call.name if isinstance(call, exp.Anonymous) else call.sql("duckdb").partition("(")[0].strip()
    distinct = any(isinstance(a, exp.Distinct) for a in arguments)
    bare = tuple(a.expressions[0] if isinstance(a, exp.Distinct) and len(a.expressions) == 1 else a for a in arguments)
    plain = not clauses and not any(isinstance(a, exp.Distinct | exp.Order) for a in arguments)
    return AggregateCall(name.lower(), bare, distinct, plain)


def constant(expr: exp.Expr) -> str | None:
    """The text of a constant that is written down as such; None for all else, NULL among it."""
    values = (exp.Literal, exp.Boolean, exp.Neg, exp.Paren, exp.Array, exp.Cast, exp.DataType, exp.DataTypeParam)
    if not all(isinstance(node, values) or _makes_a_list(node) for node in expr.walk()):
        return None
    return expr.sql("duckdb")


def _makes_a_list(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and str(node.name).lower() in ("list_value", "list_pack")
