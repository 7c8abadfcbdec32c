"""Statements that change something, or ask about the catalog, as typed descriptions.

What stands in them (queries, expressions, types) is text as it was written: the kernel reads that, as it reads every
SELECT. Parameters are ``$1``, ``$2``, ... in the order of the text. The `ctes` of a statement that changes rows are the
queries of WITH before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.statements.care_descriptions import CareStatement, Path

__all__ = [
    "DEFAULT_VALUE",
    "AddColumn",
    "AlterTable",
    "ChangeType",
    "Checkpoint",
    "ColumnDefinition",
    "CreateIndex",
    "CreateSchema",
    "CreateTable",
    "CreateTableAs",
    "CreateView",
    "Delete",
    "Describe",
    "Drop",
    "DropColumn",
    "DropIndex",
    "Insert",
    "Kill",
    "Merge",
    "MergeClause",
    "MergeDelete",
    "MergeInsert",
    "MergeUpdate",
    "Path",
    "Rename",
    "RenameColumn",
    "SetDefault",
    "SetNotNull",
    "SetSetting",
    "Show",
    "ShowSettings",
    "Statement",
    "Transaction",
    "Update",
    "Use",
]

DEFAULT_VALUE = "DEFAULT"
"""The text of a value that is left to the column's default."""


@dataclass(frozen=True)
class ColumnDefinition:
    """A column as it is defined: the texts of its type and of the value that it gets where none is given.

    The values of an `external` one lie beside the rows.
    """

    name: str
    type: str
    default: str | None = None
    not_null: bool = False
    external: bool = False


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE with columns."""

    table: Path
    columns: tuple[ColumnDefinition, ...]
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
    temporary: bool = False


@dataclass(frozen=True)
class CreateSchema:
    """CREATE SCHEMA."""

    schema: Path
    if_not_exists: bool = False


@dataclass(frozen=True)
class Drop:
    """DROP: `kind` is TABLE, VIEW or SCHEMA; `cascade` takes what is in a schema with it."""

    kind: str
    name: Path
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True)
class Insert:
    """INSERT of `rows` (each value's text), of a `query`, or of one row of defaults where there is neither."""

    table: Path
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    query: str | None = None
    by_name: bool = False
    ctes: str = ""


@dataclass(frozen=True)
class Update:
    """UPDATE: (column, value as text) for the rows where `where` is true, with a row of `source` where there is one."""

    table: Path
    alias: str
    assignments: tuple[tuple[str, str], ...]
    where: str | None = None
    source: str | None = None
    ctes: str = ""


@dataclass(frozen=True)
class Delete:
    """DELETE of the rows where `where` is true, with a row of `source` where there is one; of all without either."""

    table: Path
    alias: str
    where: str | None = None
    source: str | None = None
    ctes: str = ""


@dataclass(frozen=True)
class MergeUpdate:
    """THEN UPDATE: (column, value as text); without any, all columns of the source's row."""

    assignments: tuple[tuple[str, str], ...] = ()
    by_name: bool = False


@dataclass(frozen=True)
class MergeInsert:
    """THEN INSERT of `values`; without any, of the source's row, or of a row of defaults."""

    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    by_name: bool = False
    default_values: bool = False


@dataclass(frozen=True)
class MergeDelete:
    """THEN DELETE."""


@dataclass(frozen=True)
class MergeClause:
    """WHEN: `rows` are those in ``both``, those of the ``target`` alone or those of the ``source`` alone.

    The first clause for a row whose `condition` is true is the one that acts; without an `action` it does nothing.
    """

    rows: str
    condition: str | None = None
    action: MergeUpdate | MergeInsert | MergeDelete | None = None


@dataclass(frozen=True)
class Merge:
    """MERGE of the rows of `source` (a relation with its alias), which belong to those of the table by `condition`."""

    table: Path
    alias: str
    source: str
    source_alias: str
    condition: str
    clauses: tuple[MergeClause, ...]
    ctes: str = ""


@dataclass(frozen=True)
class AddColumn:
    """ADD COLUMN; the rows that are there get its default."""

    column: ColumnDefinition
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
class SetDefault:
    """ALTER COLUMN ... SET DEFAULT, with the text of the value; DROP DEFAULT without one."""

    name: str
    value: str | None = None


@dataclass(frozen=True)
class SetNotNull:
    """ALTER COLUMN ... SET NOT NULL, or DROP NOT NULL."""

    name: str
    not_null: bool


@dataclass(frozen=True)
class AlterTable:
    """ALTER TABLE."""

    table: Path
    action: AddColumn | DropColumn | RenameColumn | ChangeType | SetDefault | SetNotNull
    if_exists: bool = False


@dataclass(frozen=True)
class Rename:
    """ALTER TABLE or VIEW, which is the `kind`, RENAME TO; `to` may have the schema that it is in."""

    kind: str
    name: Path
    to: Path
    if_exists: bool = False


@dataclass(frozen=True)
class CreateIndex:
    """CREATE INDEX: of a `kind`, on columns of a table, with the texts of its options by name."""

    name: str
    table: Path
    kind: str
    columns: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropIndex:
    """DROP INDEX: of the table that it is on, or of whichever table of its schema has one of the name."""

    name: Path
    table: Path = ()
    if_exists: bool = False


@dataclass(frozen=True)
class Use:
    """USE of a schema, or of a catalog's default schema."""

    path: Path


@dataclass(frozen=True)
class SetSetting:
    """SET of a session's setting to a value, as text; RESET, or DEFAULT as the value, without one."""

    name: str
    value: str | None = None


@dataclass(frozen=True)
class Transaction:
    """A statement of a transaction: `kind` is BEGIN, COMMIT or ROLLBACK."""

    kind: str


@dataclass(frozen=True)
class Checkpoint:
    """CHECKPOINT: what was written is to be on disk, as it is with every statement."""


@dataclass(frozen=True)
class Kill:
    """KILL: the query or session with this `id` ends; `kind` is QUERY or SESSION."""

    kind: str
    id: str


@dataclass(frozen=True)
class Show:
    """SHOW: `what` is TABLES, VIEWS, ALL TABLES, SCHEMAS or DATABASES; the first two may be those `within` a schema.

    INDEXES are those of a table, which is `within`.
    """

    what: str
    within: Path = ()


@dataclass(frozen=True)
class ShowSettings:
    """SHOW of all settings of the session; of the one with a `name`, where there is no `table` of that name."""

    name: str | None = None
    table: Describe | None = None


@dataclass(frozen=True)
class Describe:
    """DESCRIBE of a query's columns; of a `table`'s, that of all its rows."""

    query: str
    table: Path = ()


Statement = (
    CareStatement
    | CreateTable
    | CreateTableAs
    | CreateView
    | CreateSchema
    | CreateIndex
    | DropIndex
    | Drop
    | Insert
    | Update
    | Delete
    | Merge
    | AlterTable
    | Rename
    | Use
    | SetSetting
    | Transaction
    | Checkpoint
    | Kill
    | Show
    | ShowSettings
    | Describe
)
