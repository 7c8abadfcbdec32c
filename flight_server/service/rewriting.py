"""Statements that change rows, as the SELECTs that compute what is written: their meaning is the kernel's."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import SchemaMismatchError, TableExistsError, UnknownColumnError, nearest
from engine.kernel import quote
from engine.schema import Column, RowType
from engine.sql.statement_parser import numbered, parameter_count
from engine.sql.statements import (
    DEFAULT_VALUE,
    AddColumn,
    AlterTable,
    ChangeType,
    CreateTable,
    Delete,
    DropColumn,
    Insert,
    RenameColumn,
    Update,
)
from engine.storage.protocol import TableName

__all__ = ["HIT", "altered", "defined", "deleted", "insert_columns", "inserted", "updated"]

HIT = "__grism_hit"
"""The column beside an UPDATE's rows that says which were changed."""


def _full(name: TableName) -> str:
    return f"{quote(name.schema)}.{quote(name.table)}"


def _find(columns: RowType, name: str, table: TableName) -> Column:
    for column in columns:
        if column.name.lower() == name.lower():
            return column
    near = nearest(name, [column.name for column in columns])
    hint = f'did you mean "{near}"?' if near else "describe the table to see what there is."
    raise UnknownColumnError(f'Table "{table}" has no column "{name}"; {hint}')


def defined(statement: CreateTable) -> str:
    """No rows of the columns that are defined."""
    items = (f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in statement.columns)
    return f"SELECT {', '.join(items)} LIMIT 0"


def insert_columns(statement: Insert, table: TableName, columns: RowType, given: Sequence[str] | None) -> RowType:
    """The columns that an INSERT gives values for; `given` are the names of its query's columns, where it is one.

    Raises UnknownColumnError, and SchemaMismatchError where there are more or fewer values than columns.
    """
    if statement.by_name and given is not None:
        return tuple(_find(columns, name, table) for name in given)
    named = tuple(_find(columns, name, table) for name in statement.columns) or columns
    if len({column.name for column in named}) < len(named):
        raise SchemaMismatchError(f'A column of table "{table}" is named twice.')
    for count in {len(row) for row in statement.rows} if given is None else {len(given)}:
        if count != len(named):
            raise SchemaMismatchError(f"There are {count} values for {len(named)} columns; give one for each.")
    return named


def inserted(statement: Insert, columns: RowType, named: RowType, copies: int = 1) -> str:
    """All columns of the table for the rows that are inserted: the others are NULL.

    With `copies`, the rows are there that often, and the parameters of each copy follow those of the one before it.
    """
    if statement.query is None and not statement.rows:
        return "SELECT " + ", ".join(f"CAST(NULL AS {c.type}) AS {quote(c.name)}" for c in columns)
    position = {column.name: i for i, column in enumerate(named)}
    items = ", ".join(
        f"CAST({quote(f'c{position[c.name]}') if c.name in position else 'NULL'} AS {c.type}) AS {quote(c.name)}"
        for c in columns
    )
    source = statement.query
    if source is None:
        rows = ", ".join(
            "(" + ", ".join(_value(text, c) for text, c in zip(row, named, strict=True)) + ")" for row in statement.rows
        )
        width = parameter_count(rows)
        source = "VALUES " + ", ".join(numbered(rows, width * copy) for copy in range(copies))
    names = ", ".join(f"c{i}" for i in range(len(named)))
    return f"SELECT {items} FROM ({source}) AS __given({names})"


def _value(text: str, column: Column) -> str:
    """One value in the column's type: rows of VALUES need not agree with each other, only with the table."""
    return f"CAST({'NULL' if text.upper() == DEFAULT_VALUE else f'({text})'} AS {column.type})"


def updated(statement: Update, table: TableName, columns: RowType) -> str:
    """All rows of the table as they are after an UPDATE, and the column `HIT`."""
    values: dict[str, str] = {}
    for name, text in statement.assignments:
        column = _find(columns, name, table)
        if column.name in values:
            raise SchemaMismatchError(f'Column "{column.name}" is set twice.')
        values[column.name] = _value(text, column)
    items = [
        f"CASE WHEN {HIT} THEN {values[c.name]} ELSE {alias}.{quote(c.name)} END AS {quote(c.name)}"
        if c.name in values
        else f"{alias}.{quote(c.name)}"
        for alias in (quote(statement.alias),)
        for c in columns
    ]
    marked = f"SELECT *, {_holds(statement.where)} AS {HIT} FROM {_full(table)} AS {quote(statement.alias)}"
    return f"SELECT {', '.join(items)}, {HIT} FROM ({marked}) AS {quote(statement.alias)}"


def deleted(statement: Delete, table: TableName) -> str:
    """The rows of the table that stay."""
    return f"SELECT * FROM {_full(table)} AS {quote(statement.alias)} WHERE NOT {_holds(statement.where)}"


def _holds(where: str | None) -> str:
    return "true" if where is None else f"coalesce(CAST(({where}) AS BOOLEAN), false)"


def altered(statement: AlterTable, table: TableName, columns: RowType) -> str | None:
    """The table's rows with other columns; None where there is nothing to do.

    Raises UnknownColumnError and TableExistsError for columns that are not there, or there already.
    """
    names = {column.name.lower(): column.name for column in columns}
    items = {column.name: quote(column.name) for column in columns}
    match statement.action:
        case AddColumn(name, kind, value, if_not_exists):
            if name.lower() in names:
                if if_not_exists:
                    return None
                raise TableExistsError(f'Table "{table}" has a column "{names[name.lower()]}" already.')
            items[name] = f"CAST({'NULL' if value is None else f'({value})'} AS {kind}) AS {quote(name)}"
        case DropColumn(name, if_exists):
            if name.lower() not in names and if_exists:
                return None
            del items[_find(columns, name, table).name]
            if not items:
                raise SchemaMismatchError(f'"{name}" is the only column of table "{table}"; drop the table instead.')
        case RenameColumn(name, to):
            found = _find(columns, name, table).name
            if to.lower() in names and to.lower() != found.lower():
                raise TableExistsError(f'Table "{table}" has a column "{names[to.lower()]}" already.')
            items[found] = f"{quote(found)} AS {quote(to)}"
        case ChangeType(name, kind, using):
            found = _find(columns, name, table).name
            items[found] = f"CAST(({using or quote(found)}) AS {kind}) AS {quote(found)}"
    return f"SELECT {', '.join(items.values())} FROM {_full(table)}"
