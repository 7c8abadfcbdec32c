"""Statements with effects, each run once: the kernel computes the rows, and the storage takes all of them or none.

UPDATE, DELETE, MERGE and ALTER write their table anew from one SELECT over the version that they read. Where somebody
else was faster, they begin again on the newer version.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pyarrow as pa

from engine.errors import ConflictError, UnknownTableError, UnsupportedError
from engine.rights import Action
from engine.schema import RowType
from engine.sql.shown_columns import defaults_of, stored_schema
from engine.statements import rewriting
from engine.statements.catalog import Target
from engine.statements.context import StatementContext
from engine.statements.definitions import Definitions
from engine.statements.descriptions import (
    AddColumn,
    AlterTable,
    Checkpoint,
    ColumnDefinition,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Drop,
    Insert,
    Merge,
    Rename,
    SetDefault,
    SetSetting,
    Statement,
    Transaction,
    Update,
    Use,
)
from engine.statements.merging import Merging
from engine.statements.planning import Parameters, Planning
from engine.statements.rows import Rows
from engine.statements.session import TEMPORARY, Session
from engine.statements.settings import Settings
from engine.statements.transactions import Transactions
from engine.storage.protocol import TableHandle, TableName, WriteMode

__all__ = ["Changes"]

_ATTEMPTS = 10
_ROWS_AT_ONCE = 250  # rows of parameters of an INSERT that make one query
_LOCKS = 64
_NO_ROWS: Sequence[Sequence[pa.Scalar]] = ((),)


class Changes:
    """Runs statements that change something."""

    def __init__(self, planning: Planning, settings: Settings, transactions: Transactions) -> None:
        self._planning = planning
        self._settings = settings
        self._transactions = transactions
        self._catalog = planning.catalog
        self._definitions = Definitions(planning)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def run(self, context: StatementContext, statement: Statement, parameters: Parameters | None = None) -> int:
        """Run a statement for each row of `parameters`; returns how many rows it changed, 0 where it is about none."""
        try:
            self._authorize(context, statement)
        except UnknownTableError:
            if isinstance(statement, Drop | AlterTable | Rename) and statement.if_exists:
                return 0
            raise
        rows = _NO_ROWS if parameters is None else parameters
        match statement:
            case Use(path=path):
                return self._settings.use(context.session, path)
            case SetSetting(name=name, value=value):
                return self._settings.set(context.session, name, value)
            case Transaction():
                return self._transactions.run(context.session, statement)
            case Checkpoint():
                return 0
        context.session.note_change()
        return self._change(context, statement, rows)

    def _change(self, context: StatementContext, statement: Statement, rows: Parameters) -> int:
        match statement:
            case Insert():
                return self._insert(context, statement, rows)
            case CreateTable():
                return self._definitions.create(context, statement)
            case CreateTableAs():
                return self._definitions.create_as(context, statement, rows)
            case Update():
                return sum(self._update(context, statement, row) for row in rows)
            case Delete():
                return sum(self._delete(context, statement, row) for row in rows)
            case Merge():
                return sum(self._merge(context, statement, row) for row in rows)
            case AlterTable():
                return self._alter(context, statement)
            case CreateView():
                return self._definitions.create_view(context, statement)
            case CreateSchema():
                return self._definitions.create_schema(statement)
            case Drop():
                return self._definitions.drop(context, statement)
            case Rename():
                return self._definitions.rename(context, statement)
        raise UnsupportedError("This statement is not handled.")

    def _authorize(self, context: StatementContext, statement: Statement) -> None:
        """Raise where the session lacks the right to what changes more than rows; a table is checked when it is found.

        A schema is the right's where its tables are, whatever their names.
        """
        session, tables = context.session, self._catalog.storage.tables
        match statement:
            case AlterTable(table=path) | Drop(kind="TABLE", name=path) | Rename(kind="TABLE", name=path):
                target = self._catalog.existing(session, path)
                if not target.is_temporary:
                    session.grants.check(Action.ADMIN, target.name, tables())
            case CreateView(view=path, temporary=False):
                name = self._catalog.full_name(session, path)
                if name.schema.lower() != TEMPORARY:
                    session.grants.check(Action.ADMIN, name, tables())
            case Drop(kind="VIEW", name=path) | Rename(kind="VIEW", name=path):
                name, _ = self._catalog.views_at(session, path)
                if name.schema.lower() != TEMPORARY:
                    session.grants.check(Action.ADMIN, name, tables())
            case CreateSchema(schema=path) | Drop(kind="SCHEMA", name=path):
                session.grants.check(Action.ADMIN, TableName(path[-1], ""), tables())

    def parameters(self, session: Session, statement: Statement) -> pa.Schema:
        """The parameters that a statement takes, with the types that the kernel gives them."""
        context = StatementContext(session)
        query = self._query(context, statement)
        if query is None:
            return pa.schema([])
        return self._planning.parameters(session, query, self._filled(context, statement))

    def _filled(self, context: StatementContext, statement: Statement) -> RowType:
        """The columns that the rows of an INSERT's query go into; none of other statements."""
        if not isinstance(statement, Insert) or statement.query is None:
            return ()
        target = self._definitions.existing(context, statement.table)
        given = None
        if statement.by_name:
            given = self._planning.unbound_schema(context.session, f"{statement.ctes} {statement.query}").names
        return rewriting.insert_columns(statement, target.shown, self._columns(context, target)[0], given)

    def _query(self, context: StatementContext, statement: Statement) -> str | None:
        """The SELECT that a statement runs, with its parameters; None where it can have none."""
        match statement:
            case Insert(query=None):
                target = self._definitions.existing(context, statement.table)
                columns, defaults = self._columns(context, target)
                named = rewriting.insert_columns(statement, target.shown, columns, None)
                return rewriting.inserted(statement, columns, named, defaults)
            case Insert(query=text):
                return f"{statement.ctes} {text}"
            case CreateTableAs(query=text):
                return text
            case Update():
                target = self._definitions.existing(context, statement.table)
                return rewriting.updated(statement, target.shown, *self._columns(context, target))
            case Delete():
                return rewriting.deleted(statement, self._definitions.existing(context, statement.table).shown)
            case Merge():
                target = self._definitions.existing(context, statement.table)
                return self._merging(context, statement, target.shown, *self._columns(context, target)).query()
        return None

    def outline(self, session: Session, statement: Statement, row: Sequence[pa.Scalar]) -> tuple[str, str | None]:
        """What a statement would write, in a line, and the SELECT of the rows; None where it computes none.

        Raises as `run`, but for what only the rows tell.
        """
        context = StatementContext(session)
        self._authorize(context, statement)
        match statement:
            case Insert(table=path):
                target = self._definitions.existing(context, path)
                return f"Append to {target.shown}", self._inserted(context, statement, target, row)[0]
            case Update(table=path) | Delete(table=path) | Merge(table=path):
                name = self._definitions.existing(context, path).shown
                return f"Rewrite {name} by {type(statement).__name__.upper()}", self._query(context, statement)
            case AlterTable(table=path):
                target = self._definitions.existing(context, path)
                columns = self._types(self._pin(context, target))
                return f"Rewrite {target.shown} by ALTER", rewriting.altered(statement, target.shown, columns)
            case CreateTable() | CreateTableAs():
                name = self._definitions.to_create(context, statement)
                return f"Create table {name}", self._query(context, statement)
            case CreateView(view=path, temporary=temporary):
                kind = "temporary view" if temporary else "view"
                return f"Create {kind} {path[-1] if temporary else self._catalog.full_name(session, path)}", None
            case CreateSchema(schema=path):
                return f"Create schema {path[-1]}", None
            case Use() | SetSetting():
                return "Set a setting of the session", None
            case Transaction(kind=kind):
                return kind.capitalize(), None
            case Checkpoint():
                return "Checkpoint", None
            case Rename(kind=kind, name=path, to=to):
                return f"Rename {kind.lower()} {self._catalog.full_name(session, path)} to {to[-1]}", None
            case Drop():
                return f"Drop {statement.kind.lower()} {self._definitions.to_drop(context, statement)}", None
        raise UnsupportedError("This statement is not handled.")

    # ---- rows

    def _insert(self, context: StatementContext, statement: Insert, rows: Parameters) -> int:
        target = self._definitions.existing(context, statement.table)
        try:
            return self._append(context, statement, rows, target)
        except ConflictError:  # an UPDATE was faster: let no other one come in between
            return self._alone(target, lambda: self._append(context, statement, rows, target))

    def _append(self, context: StatementContext, statement: Insert, rows: Parameters, target: Target) -> int:
        text, copies = self._inserted(context, statement, target, rows[0] if rows else ())
        queries: list[tuple[str, Sequence[pa.Scalar]]] = []
        if statement.rows and not statement.ctes:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                part = rows[start : start + _ROWS_AT_ONCE]
                queries.append((copies(len(part)), [value for row in part for value in row]))
        else:
            queries = [(text, row) for row in rows]
        data = Rows(self._planning, context, queries)
        return data.into(
            lambda reader: target.storage.write(target.name, reader, WriteMode.APPEND, is_valid=data.is_valid)
        )

    def _inserted(
        self, context: StatementContext, statement: Insert, target: Target, row: Sequence[pa.Scalar]
    ) -> tuple[str, Callable[[int], str]]:
        """The SELECT of what an INSERT appends, and what makes it of so many rows of parameters."""
        columns, defaults = self._columns(context, target)
        given = None
        if statement.query is not None:
            given = self._planning.logical(context.session, f"{statement.ctes} {statement.query}", row).names
        named = rewriting.insert_columns(statement, target.shown, columns, given)

        def copies(count: int) -> str:
            return rewriting.inserted(statement, columns, named, defaults, count)

        return copies(1), copies

    def _update(self, context: StatementContext, statement: Update, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            self._check_scope(context, rewriting.updated_scope(statement, handle.name), row)
            text = rewriting.updated(statement, handle.name, self._types(handle), defaults_of(stored))
            return self._kept(context, text, row, stored, marked=True)

        return self._rewrite(context, statement.table, rows, lambda _, data: data.hits)

    def _delete(self, context: StatementContext, statement: Delete, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            self._check_scope(context, rewriting.updated_scope(statement, handle.name), row)
            return self._kept(context, rewriting.deleted(statement, handle.name), row, stored)

        return self._rewrite(context, statement.table, rows, lambda handle, data: (handle.rows or 0) - data.rows)

    def _merge(self, context: StatementContext, statement: Merge, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            merging = self._merging(context, statement, handle.name, self._types(handle), defaults_of(stored))
            self._check_scope(context, merging.scope(), row)
            return self._kept(context, merging.query(), row, stored, marked=True)

        def count(handle: TableHandle, data: Rows) -> int:
            deleted = (handle.rows or 0) - (data.rows - data.added)
            return data.hits + data.added + deleted

        return self._rewrite(context, statement.table, rows, count)

    def _merging(
        self, context: StatementContext, statement: Merge, name: TableName, columns: RowType, defaults: dict[str, str]
    ) -> Merging:
        session = context.session
        source = self._planning.frontend.result_schema(
            f"{statement.ctes} SELECT * FROM {statement.source}",
            snapshot=self._catalog.snapshot(session),
            names=self._catalog.names(session),
        )
        return Merging(statement, name, columns, defaults, source.names)

    def _check_scope(self, context: StatementContext, text: str | None, row: Sequence[pa.Scalar]) -> None:
        """Let the binder judge the names in `text`, which has some of the parameters of a statement, or all."""
        if text is not None:
            numbers = "".join(f", ${number}" for number in range(1, len(row) + 1))
            self._planning.logical(context.session, f"SELECT 1{numbers} FROM ({text}) WHERE false", row)

    def _alter(self, context: StatementContext, statement: AlterTable) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows | None:
            columns = self._types(handle)
            text = rewriting.altered(statement, handle.name, columns)
            if text is None:
                return None
            self._check_new_default(context, statement, handle.name, columns)
            data = Rows(self._planning, context, [(text, ())])
            data.keep(rewriting.altered_fields(statement, stored))
            return data

        try:
            return self._rewrite(context, statement.table, rows, lambda *_: 0)
        except UnknownTableError:
            target = self._definitions.existing(context, statement.table)
            if statement.if_exists and not self._definitions.is_there(target):
                return 0
            raise

    def _check_new_default(
        self, context: StatementContext, statement: AlterTable, table: TableName, columns: RowType
    ) -> None:
        match statement.action:
            case AddColumn(column):
                self._definitions.check_default(context, column)
            case SetDefault(name, value):
                found = rewriting.find_column(columns, name, table)
                self._definitions.check_default(context, ColumnDefinition(found.name, found.type, value))

    def _rewrite(
        self,
        context: StatementContext,
        path: Sequence[str],
        rows: Callable[[TableHandle, pa.Schema], Rows | None],
        count: Callable[[TableHandle, Rows], int],
    ) -> int:
        """Write a table anew with what `rows` makes of its newest version and its stored schema."""
        target = self._definitions.existing(context, path)

        def write() -> int:
            handle = self._pin(context, target)
            data = rows(handle, self._stored(target, handle))
            if data is None:
                return 0
            data.into(lambda reader: target.storage.rewrite(_own_name(handle, target), reader, is_valid=data.is_valid))
            return count(handle, data)

        return self._alone(target, write)

    def _alone(self, target: Target, write: Callable[[], int]) -> int:
        """`write()` while no other statement of this server rewrites the table; again where one from outside did."""
        with self._locks[hash(target.shown.key) % _LOCKS]:
            for _ in range(_ATTEMPTS - 1):
                with suppress(ConflictError):
                    return write()
            return write()

    # ---- parts

    def _kept(
        self, context: StatementContext, text: str, row: Sequence[pa.Scalar], stored: pa.Schema, marked: bool = False
    ) -> Rows:
        """The rows of a table that keeps its columns."""
        data = Rows(self._planning, context, [(text, row)], marked)
        data.keep({field.name: field for field in stored})
        return data

    def _pin(self, context: StatementContext, target: Target) -> TableHandle:
        return self._catalog.snapshot(context.session).table(target.shown)

    def _types(self, handle: TableHandle) -> RowType:
        return self._planning.frontend.table_columns(handle)

    def _columns(self, context: StatementContext, target: Target) -> tuple[RowType, dict[str, str]]:
        """The columns of a table, and their defaults."""
        handle = self._pin(context, target)
        return self._types(handle), defaults_of(self._stored(target, handle))

    @staticmethod
    def _stored(target: Target, handle: TableHandle) -> pa.Schema:
        """The schema as it is stored; empty where a storage does not tell."""
        return stored_schema(target.storage, handle)


def _own_name(handle: TableHandle, target: Target) -> TableHandle:
    """The handle under the name that the table has in its storage."""
    return replace(handle, name=target.name)
