"""Small helpers with which operators say what they are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from engine.logical.nodes import NamedExpr, SortKey, Subplan, col
from engine.physical import SourceBinder

__all__ = ["columns", "identifier", "named", "ordered", "over", "show", "sort_text"]


def identifier(name: str) -> exp.Identifier:
    """A quoted identifier."""
    return exp.to_identifier(name, quoted=True)


def over(relation: exp.Select | exp.SetOperation, *items: exp.Expr, alias: str = "t") -> exp.Select:
    """``SELECT items FROM (relation) AS alias``; all columns without items."""
    source = exp.Subquery(this=relation, alias=exp.TableAlias(this=identifier(alias)))
    return exp.Select(expressions=list(items) or [exp.Star()], from_=exp.From(this=source))


def columns(names: Iterable[str]) -> list[exp.Expr]:
    """Columns by name."""
    return [col(name) for name in names]


def named(exprs: Iterable[NamedExpr], sources: SourceBinder) -> list[exp.Expr]:
    """Select items ``expr AS name``."""
    return [exp.alias_(sources.expression(e.expr), identifier(e.name), copy=False) for e in exprs]


def ordered(keys: Iterable[SortKey], sources: SourceBinder) -> exp.Order:
    """An ORDER BY clause that leaves nothing to defaults."""
    return exp.Order(
        expressions=[
            exp.Ordered(this=sources.expression(k.expr), desc=k.descending, nulls_first=k.nulls_first) for k in keys
        ]
    )


def sort_text(keys: Iterable[SortKey]) -> str:
    """The keys as EXPLAIN shows them."""
    return ", ".join(
        f"{show(k.expr)} {'DESC' if k.descending else 'ASC'} NULLS {'FIRST' if k.nulls_first else 'LAST'}" for k in keys
    )


def show(expr: exp.Expr) -> str:
    """`expr` as EXPLAIN shows it; a subquery's plan is shown apart."""
    shown = expr.copy()
    for found in list(shown.find_all(Subplan)):
        if found is shown:
            return "(subquery)"
        found.replace(exp.Var(this="(subquery)"))
    return shown.sql("duckdb")
