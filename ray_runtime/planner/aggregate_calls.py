"""What planning needs to know of an aggregate call, and of the aggregates that the kernel has."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.operators import EXPORT_STATE

__all__ = ["EXACT", "EXACT_OVER_EXACT_NUMBERS", "MERGED", "SELF_MERGING", "AggregateCall", "aggregate_call", "constant"]

SELF_MERGING = frozenset({"min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"})
"""Aggregates of one argument that merge their own values."""

MERGED = SELF_MERGING | frozenset(
    {
        "any_value",
        "approx_count_distinct",
        "approx_quantile",
        "arbitrary",
        "arg_max",
        "arg_max_null",
        "arg_max_nulls_last",
        "arg_min",
        "arg_min_null",
        "argmax",
        "argmin",
        "array_agg",
        "avg",
        "corr",
        "count",
        "count_if",
        "count_star",
        "countif",
        "covar_pop",
        "covar_samp",
        "decimal_average",
        "favg",
        "first",
        "fsum",
        "group_concat",
        "kahan_sum",
        "kurtosis",
        "kurtosis_pop",
        "list",
        "listagg",
        "mad",
        "max_by",
        "mean",
        "median",
        "min_by",
        "product",
        "quantile",
        "quantile_cont",
        "quantile_disc",
        "regr_avgx",
        "regr_avgy",
        "regr_count",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "sem",
        "skewness",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "string_agg",
        "sum",
        "sum_no_overflow",
        "sumkahan",
        "var_pop",
        "var_samp",
        "variance",
    }
)
"""Aggregates of which the kernel merges the states of parts to what it computes from all rows at once.

The others have no state that can leave the kernel, or merge to something else: they get their rows as they are.
"""

EXACT = frozenset(
    {"count", "count_star", "count_if", "min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"}
)
"""Aggregates that give the same value in whatever order their rows come."""
EXACT_OVER_EXACT_NUMBERS = frozenset({"sum", "avg"})


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
