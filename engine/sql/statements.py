"""Statements that change something, or ask about the catalog, as typed descriptions.

What stands in them (queries, expressions, types) is text as it was written: the kernel reads that, as it reads every
SELECT. Parameters are ``$1``, ``$2``, ... in the order of the text.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DEFAULT_VALUE",
    "AddColumn",
    "AlterTable",
    "ChangeType",
    "CreateSchema",
    "CreateTable",
    "CreateTableAs",
    "CreateView",
    "Delete",
    "Describe",
    "Drop",
    "DropColumn",
    "Insert",
    "Path",
    "RenameColumn",
    "Show",
    "Statement",
    "Update",
]

Path = tuple[str, ...]
"""A name as it is written: ``table``, ``schema.table`` or ``catalog.schema.table``."""

DEFAULT_VALUE = "DEFAULT"
"""The text of a value that is left to the column's default."""


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE with columns: (name, type as text)."""

    table: Path
    columns: tuple[tuple[str, str], ...]
    temporary: bool = False
    replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True)
class CreateTableAs:
    """CREATE TABLE ... AS; `columns` name those of the query anew."""

    table: Path
    query: str
    columns: tuple[str, ...] = ()
    with_data: bool = True
    temporary: bool = False
    replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True)
class CreateView:
    """CREATE VIEW."""

    view: Path
    query: str
    columns: tuple[str, ...] = ()
    replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True)
class CreateSchema:
    """CREATE SCHEMA."""

    schema: Path
    if_not_exists: bool = False


@dataclass(frozen=True)
class Drop:
    """DROP: `kind` is TABLE, VIEW or SCHEMA."""

    kind: str
    name: Path
    if_exists: bool = False


@dataclass(frozen=True)
class Insert:
    """INSERT of `rows` (each value's text), of a `query`, or of one row of defaults where there is neither."""

    table: Path
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    query: str | None = None
    by_name: bool = False


@dataclass(frozen=True)
class Update:
    """UPDATE: (column, value as text) for the rows where `where` is true."""

    table: Path
    alias: str
    assignments: tuple[tuple[str, str], ...]
    where: str | None = None


@dataclass(frozen=True)
class Delete:
    """DELETE of the rows where `where` is true; of all rows without one."""

    table: Path
    alias: str
    where: str | None = None


@dataclass(frozen=True)
class AddColumn:
    """ADD COLUMN, with the text of its type and of the value that it gets in the rows that are there."""

    name: str
    type: str
    value: str | None = None
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropColumn:
    """DROP COLUMN."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True)
class RenameColumn:
    """RENAME COLUMN."""

    name: str
    to: str


@dataclass(frozen=True)
class ChangeType:
    """ALTER COLUMN ... TYPE, with the text of an expression for the new values."""

    name: str
    type: str
    using: str | None = None


@dataclass(frozen=True)
class AlterTable:
    """ALTER TABLE."""

    table: Path
    action: AddColumn | DropColumn | RenameColumn | ChangeType
    if_exists: bool = False


@dataclass(frozen=True)
class Show:
    """SHOW: `what` is TABLES, ALL TABLES or SCHEMAS."""

    what: str


@dataclass(frozen=True)
class Describe:
    """DESCRIBE of a query's columns; of a table's, that of all its rows."""

    query: str


Statement = (
    CreateTable
    | CreateTableAs
    | CreateView
    | CreateSchema
    | Drop
    | Insert
    | Update
    | Delete
    | AlterTable
    | Show
    | Describe
)
