"""Plans built by hand, over rows that are given in the test."""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import exp

from engine.kernel import Kernel
from engine.logical.nodes import NamedExpr, Scan, SortKey, Values, lit
from engine.schema import Column
from engine.sql.frontend import SqlFrontend
from engine.storage.protocol import Storage, TableHandle, TableName

__all__ = ["e", "handle", "items", "key", "scan", "scan_of", "values"]


def e(text: str) -> exp.Expr:
    """An expression from its text."""
    return sqlglot.parse_one(text, dialect="duckdb")


def items(**exprs: str) -> tuple[NamedExpr, ...]:
    """Named expressions from their texts."""
    return tuple(NamedExpr(name, e(text)) for name, text in exprs.items())


def key(text: str, descending: bool = False, nulls_first: bool = False) -> SortKey:
    """A sort key from its text."""
    return SortKey(e(text), descending, nulls_first)


def values(columns: str, *rows: tuple[Any, ...]) -> Values:
    """Rows of Python values; `columns` are names with blanks between."""
    return Values(tuple(columns.split()), tuple(tuple(lit(v) for v in row) for row in rows))


def handle(name: str = "t", kind: str = "memory") -> TableHandle:
    """A handle that nothing can open, for plans that are looked at only."""
    return TableHandle(TableName("main", name), kind, (name,), "1", None, None)


def scan(columns: str, name: str = "t") -> Scan:
    """A scan that nothing can run, of INTEGER columns."""
    names = tuple(columns.split())
    return Scan(handle(name), tuple(Column(n, "INTEGER") for n in names), names)


def scan_of(storage: Storage, kernel: Kernel, name: str) -> Scan:
    """A scan of all columns of a table in schema main."""
    plan = SqlFrontend(kernel, storage).table_plan(TableName("main", name))
    assert isinstance(plan, Scan)
    return plan
