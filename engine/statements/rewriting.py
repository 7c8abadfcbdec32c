"""Statements that change rows, as the SELECTs that compute what is written: their meaning is the kernel's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from engine.errors import SchemaMismatchError, TableExistsError, UnknownColumnError, nearest
from engine.hidden_columns import OWN
from engine.kernel import quote
from engine.schema import Column, RowType
from engine.statements.descriptions import (
    DEFAULT_VALUE,
    AddColumn,
    AlterTable,
    ChangeType,
    ColumnDefinition,
    Delete,
    DropColumn,
    Insert,
    RenameColumn,
    SetDefault,
    SetNotNull,
    Update,
)
from engine.statements.reader import number_parameters, parameter_count, with_parameters
from engine.storage.conform import DEFAULT, NOT_NULL
from engine.storage.lance_blobs import BLOB_MARK
from engine.storage.protocol import DropField, NoteField, RenameField, TableName

__all__ = [
    "HIT",
    "InsertText",
    "alter_query",
    "altered_fields",
    "assigned_values",
    "default_of",
    "defined_fields",
    "delete_query",
    "empty_query",
    "field_change",
    "find_column",
    "full_name",
    "holds",
    "in_from",
    "insert_columns",
    "insert_query",
    "new_values",
    "update_query",
    "value_of",
]

HIT = f"{OWN}hit"
"""The column beside the rows of a changed table that says which were changed; NULL for those that were inserted."""

_MATCH = f"{OWN}match"


def full_name(name: TableName) -> str:
    """The text that means this table, whatever CTEs and aliases are around."""
    return f"{quote(name.schema)}.{quote(name.table)}"


def in_from(table: TableName, alias: str, name: TableName | None = None) -> str:
    """A table that is changed in the FROM clause of a SELECT, there under `name`.

    It has no alias where it is called by its own name: that may be written with its schema.
    """
    relation = full_name(name or table)
    return relation if alias.lower() == table.table.lower() else f"{relation} AS {quote(alias)}"


def find_column(columns: RowType, name: str, table: TableName) -> Column:
    """The column of that name, in any case; UnknownColumnError where there is none."""
    for column in columns:
        if column.name.lower() == name.lower():
            return column
    near = nearest(name, [column.name for column in columns])
    hint = f'did you mean "{near}"?' if near else "describe the table to see what there is."
    raise UnknownColumnError(f'Table "{table}" has no column "{name}"; {hint}')


# ---- columns as they are defined


def empty_query(columns: Sequence[ColumnDefinition]) -> str:
    """No rows of the columns that are defined."""
    items = (f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in columns)
    return f"SELECT {', '.join(items)} LIMIT 0"


def defined_fields(columns: Sequence[ColumnDefinition]) -> dict[str, pa.Field]:
    """What a stored field keeps of a definition, by column name; the type is left open."""
    return {column.name: _field(column) for column in columns}


def default_of(column: ColumnDefinition) -> str:
    """The default as one row, for the binder to judge."""
    return f"SELECT CAST(({column.default}) AS {column.type}) AS {quote(column.name)}"


def _field(column: ColumnDefinition) -> pa.Field:
    field = pa.field(column.name, pa.null())
    if column.default is not None:
        field = _mark(field, DEFAULT, column.default)
    if column.external:
        field = _mark(field, BLOB_MARK, "true")
    return _mark(field, NOT_NULL, "true") if column.not_null else field


def _mark(field: pa.Field, key: bytes, value: str | None) -> pa.Field:
    """`field` with an entry of its metadata, or without that entry where `value` is None."""
    metadata = {k: v for k, v in (field.metadata or {}).items() if k != key}
    return field.with_metadata(metadata if value is None else {**metadata, key: value.encode()})


# ---- rows


def insert_columns(statement: Insert, table: TableName, columns: RowType, given: Sequence[str] | None) -> RowType:
    """The columns that an INSERT gives values for; `given` are the names of its query's columns, where it is one.

    Raises UnknownColumnError, and SchemaMismatchError where there are more or fewer values than columns.
    """
    if statement.by_name and given is not None:
        return tuple(find_column(columns, name, table) for name in given)
    named = tuple(find_column(columns, name, table) for name in statement.columns) or columns
    if len({column.name for column in named}) < len(named):
        raise SchemaMismatchError(f'A column of table "{table}" is named twice.')
    for count in {len(row) for row in statement.rows} if given is None else {len(given)}:
        if count != len(named):
            raise SchemaMismatchError(f"There are {count} values for {len(named)} columns; give one for each.")
    return named


def insert_query(statement: Insert, columns: RowType, named: RowType, defaults: dict[str, str], copies: int = 1) -> str:
    """All columns of the table for the rows that are inserted: the others have their defaults.

    With `copies`, the rows are there that often, and the parameters of each copy follow those of the one before it.
    """
    if statement.query is None and not statement.rows:
        return "SELECT " + ", ".join(f"{value_of(DEFAULT_VALUE, c, defaults)} AS {quote(c.name)}" for c in columns)
    source = statement.query
    if source is None:
        rows = ", ".join(f"({_values(row, named, defaults)})" for row in statement.rows)
        width = parameter_count(rows)
        source = "VALUES " + ", ".join(number_parameters(rows, width * copy) for copy in range(copies))
    return _inserted_from(source, statement, columns, named, defaults)


@dataclass(frozen=True)
class InsertText:
    """The SELECT of what an INSERT appends to a table of `columns` with `defaults`; those `named` are given."""

    statement: Insert
    columns: RowType
    named: RowType
    defaults: dict[str, str]

    def in_text(self, copies: int = 1) -> str:
        """With the parameters of so many rows, one after the other; see `insert_query`."""
        return insert_query(self.statement, self.columns, self.named, self.defaults, copies)

    def over(self, relation: str, parameters: Sequence[str]) -> str:
        """With a row for each of `relation`, over which the `parameters` are written.

        That is so for one row of VALUES and for a SELECT that has nothing but its list.
        """
        statement = self.statement
        listed = statement.query
        if listed is None:
            listed = f"SELECT {_values(statement.rows[0], self.named, self.defaults)}"
        source = with_parameters(f"{listed}\nFROM {relation}", parameters)
        return _inserted_from(source, statement, self.columns, self.named, self.defaults)


def _values(row: Sequence[str], named: RowType, defaults: dict[str, str]) -> str:
    return ", ".join(value_of(text, column, defaults) for text, column in zip(row, named, strict=True))


def _inserted_from(source: str, statement: Insert, columns: RowType, named: RowType, defaults: dict[str, str]) -> str:
    position = {column.name: i for i, column in enumerate(named)}
    items = ", ".join(
        f"{value_of(f'c{position[c.name]}' if c.name in position else DEFAULT_VALUE, c, defaults)} AS {quote(c.name)}"
        for c in columns
    )
    names = ", ".join(f"c{i}" for i in range(len(named)))
    return f"{statement.ctes} SELECT {items} FROM ({source}) AS __given({names})"


def value_of(text: str, column: Column, defaults: dict[str, str]) -> str:
    """One value in the column's type: rows of VALUES need not agree with each other, only with the table."""
    if text.upper() == DEFAULT_VALUE:
        text = defaults.get(column.name, "NULL")
    return f"CAST(({text}) AS {column.type})"


def update_query(statement: Update, table: TableName, columns: RowType, defaults: dict[str, str]) -> str:
    """All rows of the table as they are after an UPDATE, and the column `HIT`."""
    values = assigned_values(statement, table, columns, defaults)
    names = {name: f"{OWN}value{i}" for i, name in enumerate(values)}
    target, condition = in_from(table, statement.alias), holds(statement.where)
    if statement.source is None:
        # All values stand in one, so that the condition does once: it may be another each time.
        packed = "".join(f"{short} := {values[name]}, " for name, short in names.items())
        match = f"CASE WHEN {condition} THEN struct_pack({packed}{HIT} := true) END"
        alias = f"{OWN}rows"
        rows = f"(SELECT *, {match} AS {_MATCH} FROM {target}) AS {alias}"
    else:
        alias = quote(statement.alias)
        # Of several rows of the source that belong to one of the table, some one counts.
        items = "".join(f"{values[name]} AS {short}, " for name, short in names.items())
        match = f"SELECT {items}true AS {HIT} FROM {statement.source} WHERE {condition} LIMIT 1"
        rows = f"{target} LEFT JOIN LATERAL ({match}) AS {_MATCH} ON true"
    hit = f"({_MATCH}.{HIT} IS NOT NULL)"
    items = ", ".join(
        f"CASE WHEN {hit} THEN {_MATCH}.{names[c.name]} ELSE {alias}.{quote(c.name)} END AS {quote(c.name)}"
        if c.name in values
        else f"{alias}.{quote(c.name)}"
        for c in columns
    )
    return f"{statement.ctes} SELECT {items}, {hit} AS {HIT} FROM {rows}"


def assigned_values(statement: Update, table: TableName, columns: RowType, defaults: dict[str, str]) -> dict[str, str]:
    """The values that an UPDATE sets, in the types of their columns, by column name."""
    values: dict[str, str] = {}
    for name, text in statement.assignments:
        column = find_column(columns, name, table)
        if column.name in values:
            raise SchemaMismatchError(f'Column "{column.name}" is set twice.')
        values[column.name] = value_of(text, column, defaults)
    return values


def delete_query(statement: Delete, table: TableName) -> str:
    """The rows of the table that stay."""
    gone = holds(statement.where)
    if statement.source is not None:
        gone = f"EXISTS (SELECT 1 FROM {statement.source} WHERE {gone})"
    return f"{statement.ctes} SELECT * FROM {in_from(table, statement.alias)} WHERE NOT {gone}"


def holds(where: str | None) -> str:
    """A condition that is false where the one given is NULL."""
    return "true" if where is None else f"coalesce(CAST(({where}) AS BOOLEAN), false)"


# ---- columns that change


def alter_query(statement: AlterTable, table: TableName, columns: RowType) -> str | None:
    """The table's rows with other columns; None where there is nothing to do.

    Raises UnknownColumnError and TableExistsError for columns that are not there, or there already.
    """
    names = {column.name.lower(): column.name for column in columns}
    items = {column.name: quote(column.name) for column in columns}
    match statement.action:
        case AddColumn(column, if_not_exists):
            if column.name.lower() in names:
                if if_not_exists:
                    return None
                raise TableExistsError(f'Table "{table}" has a column "{names[column.name.lower()]}" already.')
            items[column.name] = f"CAST(({column.default or 'NULL'}) AS {column.type}) AS {quote(column.name)}"
        case DropColumn(name, if_exists):
            if name.lower() not in names and if_exists:
                return None
            del items[find_column(columns, name, table).name]
            if not items:
                raise SchemaMismatchError(f'"{name}" is the only column of table "{table}"; drop the table instead.')
        case RenameColumn(name, to):
            found = find_column(columns, name, table).name
            if to.lower() in names and to.lower() != found.lower():
                raise TableExistsError(f'Table "{table}" has a column "{names[to.lower()]}" already.')
            items[found] = f"{quote(found)} AS {quote(to)}"
        case ChangeType(name, kind, using):
            found = find_column(columns, name, table).name
            items[found] = f"CAST(({using or quote(found)}) AS {kind}) AS {quote(found)}"
        case SetDefault(name) | SetNotNull(name):
            find_column(columns, name, table)
    return f"SELECT {', '.join(items.values())} FROM {full_name(table)}"


def new_values(column: ColumnDefinition, table: TableName) -> str:
    """The values of a new column for the rows of a table."""
    return f"SELECT CAST(({column.default or 'NULL'}) AS {column.type}) AS {quote(column.name)} FROM {full_name(table)}"


def fields_beside(names: Sequence[str], beside: Sequence[bool]) -> dict[str, pa.Field]:
    """The fields of the columns of a new table whose values are to lie beside its rows, by name."""
    mark = {BLOB_MARK: b"true"}
    return {
        name: pa.field(name, pa.large_binary(), metadata=mark)
        for name, is_so in zip(names, beside, strict=True)
        if is_so
    }


def field_change(statement: AlterTable, stored: pa.Schema) -> DropField | RenameField | NoteField | None:
    """What a storage changes of one field, where that is all that the statement does."""
    match statement.action:
        case DropColumn(name):
            return DropField(_own(stored, name))
        case RenameColumn(name, to):
            return RenameField(_own(stored, name), to)
        case SetDefault(name):
            own = _own(stored, name)
            return NoteField(own, altered_fields(statement, stored)[own].metadata or {})
        case SetNotNull(name, not_null):
            own = _own(stored, name)
            return NoteField(own, altered_fields(statement, stored)[own].metadata or {}, not not_null)
    return None


def _own(stored: pa.Schema, name: str) -> str:
    """The name as it is stored."""
    return next(str(known) for known in stored.names if known.lower() == name.lower())


def altered_fields(statement: AlterTable, stored: pa.Schema) -> dict[str, pa.Field]:
    """What the fields of a changed table keep of those that are stored, by the new column names."""
    fields = {field.name: field for field in stored}

    def own(name: str) -> str:
        return _own(stored, name)

    match statement.action:
        case AddColumn(column):
            fields[column.name] = _field(column)
        case RenameColumn(name, to):
            fields[to] = fields.pop(own(name))
        case ChangeType(name):
            fields[own(name)] = _mark(fields[own(name)], BLOB_MARK, None)
        case SetDefault(name, value):
            fields[own(name)] = _mark(fields[own(name)], DEFAULT, value)
        case SetNotNull(name, not_null):
            field = _mark(fields[own(name)], NOT_NULL, "true" if not_null else None)
            fields[own(name)] = field.with_nullable(True)
    return fields
