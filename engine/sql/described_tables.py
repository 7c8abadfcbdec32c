"""DESCRIBE within a query, of a table: it tells what the statement DESCRIBE tells.

The kernel binds tables that have the columns only, without NOT NULL and DEFAULT. So the rows are put in the place of
the DESCRIBE, before and after::

    SELECT * FROM (DESCRIBE t)
    SELECT * FROM (SELECT * FROM (VALUES ('a', 'INTEGER', 'NO', NULL, '3', NULL)) AS t(column_name, column_type, ...))

A DESCRIBE of a query or a view is left to the kernel: their columns have neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from engine.literals import literal
from engine.sql import syntax
from engine.sql.shown_columns import ShownColumn

__all__ = ["DESCRIBED", "describe_tables", "description"]

DESCRIBED = ("column_name", "column_type", "null", "key", "default", "extra")
"""The columns of DESCRIBE, all of them text."""


def description(column: ShownColumn) -> tuple[str | None, ...]:
    """What DESCRIBE tells of a column."""
    return column.name, column.type, "YES" if column.nullable else "NO", None, column.default, None


def describe_tables(
    tree: syntax.Tree, columns: Callable[[syntax.Node], Sequence[ShownColumn]], parse: Callable[[str], Any]
) -> None:
    """Put the rows in the place of each DESCRIBE of a table, of which `columns` tells by the node that names it."""
    places = list(_describe_nodes(tree))
    for place, table in places:
        rows = ", ".join(f"({', '.join(map(_text, description(column)))})" for column in columns(table))
        names = ", ".join(f'"{name}"' for name in DESCRIBED)
        made = parse(f"SELECT * FROM (SELECT * FROM (VALUES {rows}) AS described({names}))")["node"]["from_table"]
        alias = place.get("alias")
        place.clear()
        place.update(made, alias=alias)
    if places:
        tree.invalidate()


def _describe_nodes(tree: syntax.Tree) -> Iterator[tuple[syntax.Node, syntax.Node]]:
    """Each DESCRIBE of a table with the node that names the table."""
    tables = {id(node) for node in syntax.table_references(tree)}
    for place, _ in tree.relations("SHOW_REF"):
        table = (place.get("query") or {}).get("from_table") or {}
        # The parser makes `SELECT * FROM t` of the name, at no place in the text, which nobody could write.
        if place.get("show_type") == "DESCRIBE" and id(table) in tables and not _is_written(place["query"]):
            yield place, table


def _is_written(query: syntax.Node) -> bool:
    """Whether a query stands in the text."""
    return any(item.get("query_location") != _NOWHERE for item in query.get("select_list") or ())


_NOWHERE = 2**64 - 1


def _text(value: str | None) -> str:
    return f"CAST({'NULL' if value is None else literal(pa.scalar(value))} AS VARCHAR)"
