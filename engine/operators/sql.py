"""Small helpers with which operators say what they are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from engine.hidden_columns import MARK
from engine.logical.nodes import NamedExpr, SortKey, col
from engine.physical import SourceBinder

__all__ = ["alias", "columns", "identifier", "order_clause", "over", "project", "select_items", "show", "sort_text"]


def identifier(name: str) -> exp.Identifier:
    """A quoted identifier."""
    return exp.to_identifier(name, quoted=True)


def alias(name: str = "t", columns: Iterable[str] = ()) -> exp.TableAlias:
    """``AS name (columns)`` for what stands in a FROM.

    The kernel takes a column's name for a table's where one is in scope, and then for its row; so aliases begin with a
    character that names do not have.
    """
    return exp.TableAlias(this=identifier(f"{MARK}{name}"), columns=[identifier(column) for column in columns])


def over(relation: exp.Select | exp.SetOperation, *items: exp.Expr, name: str = "t") -> exp.Select:
    """``SELECT items FROM (relation)``; all columns without items."""
    source = exp.Subquery(this=relation, alias=alias(name))
    return exp.Select(expressions=list(items) or [exp.Star()], from_=exp.From(this=source))


def project(relation: exp.Select, items: list[exp.Expr]) -> exp.Select:
    """``SELECT items FROM (relation)``, without a level of its own where `relation` only joins and filters.

    Constants need no level above what only names columns, either. Of correlated subqueries the kernel makes better
    joins where what is correlated does not lie deep in them.
    """
    keeps = _is_all_columns(relation.expressions) or (
        not any(item.find(exp.Column, exp.Query) for item in items) and all(map(_is_column, relation.expressions))
    )
    if not keeps or any(value for part, value in relation.args.items() if part not in _PLAIN):
        return over(relation, *items)
    relation.set("expressions", items)
    return relation


_PLAIN = ("expressions", "from_", "joins", "where")


def _is_all_columns(items: list[exp.Expr]) -> bool:
    return len(items) == 1 and isinstance(items[0], exp.Star) and not any(items[0].args.values())


def _is_column(item: exp.Expr) -> bool:
    return isinstance(item, exp.Alias) and isinstance(item.this, exp.Column)


def columns(names: Iterable[str]) -> list[exp.Expr]:
    """Columns by name."""
    return [col(name) for name in names]


def select_items(exprs: Iterable[NamedExpr], sources: SourceBinder) -> list[exp.Expr]:
    """Select items ``expr AS name``."""
    return [exp.alias_(sources.expression(e.expr), identifier(e.name), copy=False) for e in exprs]


def order_clause(keys: Iterable[SortKey], sources: SourceBinder) -> exp.Order:
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
    """`expr` as EXPLAIN shows it."""
    return expr.sql("duckdb")
