"""Small helpers with which operators say what they are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from engine.logical.nodes import NamedExpr, SortKey, Subplan, col
from engine.physical import SourceBinder

__all__ = ["columns", "identifier", "named", "ordered", "over", "projected", "show", "sort_text"]


def identifier(name: str) -> exp.Identifier:
    """A quoted identifier."""
    return exp.to_identifier(name, quoted=True)


def over(relation: exp.Select | exp.SetOperation, *items: exp.Expr, alias: str = "t") -> exp.Select:
    """``SELECT items FROM (relation) AS alias``; all columns without items."""
    source = exp.Subquery(this=relation, alias=exp.TableAlias(this=identifier(alias)))
    return exp.Select(expressions=list(items) or [exp.Star()], from_=exp.From(this=source))


def projected(relation: exp.Select, items: list[exp.Expr]) -> exp.Select:
    """``SELECT items FROM (relation)``, without a level of its own where `relation` only joins, filters and renames.

    Of correlated subqueries the kernel makes better joins where what is correlated does not lie deep in them.
    """
    below = _plain_columns(relation)
    if below is None or any(item.find(exp.Query) for item in items):
        return over(relation, *items)
    relation.set("expressions", [_substituted(item, below) for item in items])
    return relation


def _plain_columns(relation: exp.Select) -> dict[str, exp.Expr] | None:
    """What `relation` names otherwise than its source, if it does no more than that and filtering; else None."""
    if any(value for part, value in relation.args.items() if part not in ("expressions", "from_", "joins", "where")):
        return None
    items = relation.expressions
    if len(items) == 1 and isinstance(items[0], exp.Star) and not any(items[0].args.values()):
        return {}
    renames = all(isinstance(item, exp.Alias) and isinstance(item.this, exp.Column) for item in items)
    if renames and not relation.args.get("joins"):
        return {item.alias: item.this for item in items}
    return None


def _substituted(item: exp.Expr, columns: dict[str, exp.Expr]) -> exp.Expr:
    def found(node: exp.Expr) -> exp.Expr:
        return columns[node.name].copy() if isinstance(node, exp.Column) and node.name in columns else node

    return item.transform(found, copy=False)


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
