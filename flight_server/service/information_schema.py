"""`information_schema`: its tables as views over constants, made of the catalog each time that one is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

import pyarrow as pa

from engine.kernel import quote
from engine.schema import RowType
from engine.sql.literals import literal
from engine.sql.views import View
from engine.storage.protocol import CATALOG, TableName

__all__ = ["INFORMATION_SCHEMA", "information_view"]

INFORMATION_SCHEMA = "information_schema"

Row = tuple[str | int | None, ...]

_SCHEMATA = (("catalog_name", "VARCHAR"), ("schema_name", "VARCHAR"), ("schema_owner", "VARCHAR"))
_TABLES = (
    ("table_catalog", "VARCHAR"),
    ("table_schema", "VARCHAR"),
    ("table_name", "VARCHAR"),
    ("table_type", "VARCHAR"),
    ("is_insertable_into", "VARCHAR"),
)
_COLUMNS = (
    ("table_catalog", "VARCHAR"),
    ("table_schema", "VARCHAR"),
    ("table_name", "VARCHAR"),
    ("column_name", "VARCHAR"),
    ("ordinal_position", "INTEGER"),
    ("column_default", "VARCHAR"),
    ("is_nullable", "VARCHAR"),
    ("data_type", "VARCHAR"),
)


def information_view(
    name: TableName,
    schemas: Callable[[], Iterable[str]],
    tables: Callable[[], Iterable[tuple[TableName, str]]],
    read_only: Callable[[], Set[TableName]],
    columns: Callable[[TableName], RowType],
) -> View | None:
    """A table of `information_schema`, or None where there is none of that name.

    Only what the table needs is asked for: `schemas`, `tables` with their types and the `read_only` ones of
    them, or the `columns` of each.
    """
    match name.table.lower():
        case "schemata":
            return _view(name, _SCHEMATA, [(CATALOG, schema, None) for schema in schemas()])
        case "tables":
            fixed = read_only()
            return _view(name, _TABLES, [_table_row(table, kind, table not in fixed) for table, kind in tables()])
        case "columns":
            rows: list[Row] = [
                (CATALOG, table.schema, table.table, column.name, position, None, "YES", column.type)
                for table, _ in tables()
                for position, column in enumerate(columns(table), start=1)
            ]
            return _view(name, _COLUMNS, rows)
    return None


def _table_row(table: TableName, kind: str, writable: bool) -> Row:
    shown = "BASE TABLE" if kind == "TABLE" else kind
    return CATALOG, table.schema, table.table, shown, "YES" if writable and kind != "VIEW" else "NO"


def _view(name: TableName, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> View:
    items = ", ".join(f"CAST({quote(column)} AS {kind}) AS {quote(column)}" for column, kind in columns)
    names = ", ".join(quote(column) for column, _ in columns)
    values = ", ".join("(" + ", ".join(_text(value) for value in row) + ")" for row in rows)
    if not rows:
        values = "(" + ", ".join("NULL" for _ in columns) + ")"
    end = "" if rows else " LIMIT 0"
    return View(name, f"SELECT {items} FROM (VALUES {values}) AS known({names}){end}")


def _text(value: str | int | None) -> str:
    return "NULL" if value is None else literal(pa.scalar(value))
