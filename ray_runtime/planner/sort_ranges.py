"""How a full sort is spread: one comparable key for each row, and bounds sampled from the data.

The kernel's `create_sort_key` turns an ordering with its directions and NULL rules into bytes that compare like it, so
that ties and NULLs need no cases of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

from engine.logical.nodes import NamedExpr, SortKey, col
from engine.operators import HashAggregateExec, ProjectExec, SortExec, TopNExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.column_types import ColumnTypes

__all__ = ["may_part_ties", "range_bounds", "sort_key"]

_EQUAL_IN_MANY_FORMS = re.compile(r"\b(INTERVAL|VARIANT)\b")
_KEY = "__sort_key"
_SAMPLE_ROWS = 4096


def sort_key(keys: Sequence[SortKey]) -> exp.Expr:
    """The bytes by which a row is sorted."""
    arguments: list[exp.Expr] = []
    for key in keys:
        nulls = "FIRST" if key.nulls_first else "LAST"
        arguments += [key.expr.copy(), exp.Literal.string(f"{'DESC' if key.descending else 'ASC'} NULLS {nulls}")]
    # Keys of a few numbers would be numbers, of a type that depends on theirs; with a text they are always bytes.
    arguments += [exp.Literal.string(""), exp.Literal.string("ASC NULLS LAST")]
    return exp.Anonymous(this="create_sort_key", expressions=arguments)


def may_part_ties(sort: SortExec, types: ColumnTypes) -> bool:
    """Whether rows that tie may have different sort keys, so that the keys behind do not decide.

    A month is as long as 30 days, and the VARIANTs 1 and 1.0 are equal; the bytes of each pair differ.
    """
    kinds = types.expressions(sort.input, [key.expr for key in sort.keys])
    return any(not kind or _EQUAL_IN_MANY_FORMS.search(kind) for kind in kinds)


def range_bounds(
    source: PhysicalOperator,
    keys: Sequence[SortKey],
    n: int,
    gather: Callable[[PhysicalOperator], PhysicalOperator],
) -> PhysicalOperator:
    """One row with one column: the list of the n - 1 sort keys that cut a sample of `source` into equal parts.

    Without rows the bounds are NULLs, which no key reaches. Each task samples by a hash of its own keys, so that the
    same rows give the same bounds when it runs again.
    """
    keyed = ProjectExec(source, (NamedExpr(_KEY, sort_key(keys)),))
    by_hash = SortKey(exp.Anonymous(this="hash", expressions=[col(_KEY)]))
    sample = gather(TopNExec(keyed, (by_hash,), _SAMPLE_ROWS))
    listed = HashAggregateExec(sample, (), (NamedExpr(_KEY, exp.Var(this=f'list("{_KEY}" ORDER BY "{_KEY}")')),))
    places = ", ".join(f'"{_KEY}"[1 + CAST(floor(len("{_KEY}") * {i} / {n}) AS BIGINT)]' for i in range(1, n))
    bounds = f"[{places}]"
    return ProjectExec(listed, (NamedExpr("bounds", exp.Var(this=bounds)),))
