"""Statements with effects, each run once: the kernel computes the rows, and the storage takes all of them or none.

UPDATE, DELETE, MERGE and ALTER write their table anew from one SELECT over the version that they read. Where somebody
else was faster, they begin again on the newer version.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.errors import ConflictError, UnknownTableError, UnsupportedError
from engine.logical.nodes import LogicalPlan
from engine.schema import RowType
from engine.sql.statements import (
    AddColumn,
    AlterTable,
    ColumnDefinition,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Drop,
    Insert,
    Merge,
    SetDefault,
    Statement,
    Update,
)
from engine.storage.protocol import ArrowSource, TableHandle, TableName, WriteMode
from flight_server.auth.rights import Action
from flight_server.service import rewriting
from flight_server.service.catalog import Target
from flight_server.service.definitions import Definitions, changeable
from flight_server.service.merging import Merging
from flight_server.service.request import Request
from flight_server.service.rows import Rows

if TYPE_CHECKING:
    from flight_server.service.statements import Parameters, Statements

__all__ = ["Updates"]

_ATTEMPTS = 10
_ROWS_AT_ONCE = 250  # rows of parameters of an INSERT that make one query
_LOCKS = 64
_NO_ROWS: Sequence[Sequence[pa.Scalar]] = ((),)


class Updates:
    """Runs statements that change something."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._catalog = statements.catalog
        self._definitions = Definitions(statements)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def run(self, request: Request, statement: Statement, parameters: Parameters | None = None) -> int:
        """Run a statement for each row of `parameters`; returns how many rows it changed, 0 where it is about none."""
        try:
            self._authorize(request, statement)
        except UnknownTableError:
            if isinstance(statement, Drop | AlterTable) and statement.if_exists:
                return 0
            raise
        rows = _NO_ROWS if parameters is None else parameters
        match statement:
            case Insert():
                return self._insert(request, statement, rows)
            case CreateTable():
                return self._definitions.create(request, statement)
            case CreateTableAs():
                return self._definitions.create_as(request, statement, rows)
            case Update():
                return sum(self._update(request, statement, row) for row in rows)
            case Delete():
                return sum(self._delete(request, statement, row) for row in rows)
            case Merge():
                return sum(self._merge(request, statement, row) for row in rows)
            case AlterTable():
                return self._alter(request, statement)
            case CreateView():
                return self._definitions.create_view(request, statement)
            case CreateSchema():
                return self._definitions.create_schema(statement)
            case Drop():
                return self._definitions.drop(request, statement)
        raise UnsupportedError("This statement is not handled.")

    def _authorize(self, request: Request, statement: Statement) -> None:
        """Raise where the session lacks the right to what changes more than rows; a table is checked when it is found.

        A schema is the right's where its tables are, whatever their names.
        """
        session, tables = request.session, self._catalog.storage.tables
        match statement:
            case AlterTable(table=path) | Drop(kind="TABLE", name=path):
                target = self._catalog.existing(session, path)
                if not target.is_temporary:
                    session.grants.check(Action.ADMIN, target.name, tables())
            case CreateView(view=path) | Drop(kind="VIEW", name=path):
                session.grants.check(Action.ADMIN, self._catalog.full_name(session, path), tables())
            case CreateSchema(schema=path) | Drop(kind="SCHEMA", name=path):
                session.grants.check(Action.ADMIN, TableName(path[-1], ""), tables())

    def parameters(self, request: Request, statement: Statement) -> pa.Schema:
        """The parameters that a statement takes, with the types that the kernel gives them."""
        query = self._query(request, statement)
        if query is None:
            return pa.schema([])
        session = request.session
        return self._statements.frontend.parameters(
            query, snapshot=self._catalog.snapshot(session), names=self._catalog.names(session)
        )

    def _query(self, request: Request, statement: Statement) -> str | None:
        """The SELECT that a statement runs, with its parameters; None where it can have none."""
        match statement:
            case Insert(query=None):
                target = self._definitions.existing(request, statement.table)
                columns, defaults = self._columns(request, target)
                named = rewriting.insert_columns(statement, target.shown, columns, None)
                return rewriting.inserted(statement, columns, named, defaults)
            case Insert(query=text):
                return f"{statement.ctes} {text}"
            case CreateTableAs(query=text):
                return text
            case Update():
                target = self._definitions.existing(request, statement.table)
                return rewriting.updated(statement, target.shown, *self._columns(request, target))
            case Delete():
                return rewriting.deleted(statement, self._definitions.existing(request, statement.table).shown)
            case Merge():
                target = self._definitions.existing(request, statement.table)
                return self._merging(request, statement, target.shown, *self._columns(request, target)).query()
        return None

    # ---- rows

    def _insert(self, request: Request, statement: Insert, rows: Parameters) -> int:
        target = self._definitions.existing(request, statement.table)
        try:
            return self._append(request, statement, rows, target)
        except ConflictError:  # an UPDATE was faster: let no other one come in between
            return self._alone(target, lambda: self._append(request, statement, rows, target))

    def _append(self, request: Request, statement: Insert, rows: Parameters, target: Target) -> int:
        columns, defaults = self._columns(request, target)
        given = None
        if statement.query is not None:
            given = self._plan(request, f"{statement.ctes} {statement.query}", rows[0] if rows else ()).names
        named = rewriting.insert_columns(statement, target.shown, columns, given)
        queries: list[tuple[str, Sequence[pa.Scalar]]] = []
        if statement.rows and not statement.ctes:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                part = rows[start : start + _ROWS_AT_ONCE]
                flat = [value for row in part for value in row]
                queries.append((rewriting.inserted(statement, columns, named, defaults, len(part)), flat))
        else:
            text = rewriting.inserted(statement, columns, named, defaults)
            queries = [(text, row) for row in rows]
        data = Rows(self._statements, request, queries)
        return data.into(lambda reader: target.storage.write(target.name, reader, WriteMode.APPEND))

    def _update(self, request: Request, statement: Update, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            self._check_scope(request, rewriting.updated_scope(statement, handle.name), row)
            text = rewriting.updated(statement, handle.name, self._types(handle), rewriting.defaults_of(stored))
            return self._kept(request, text, row, stored, marked=True)

        return self._rewrite(request, statement.table, rows, lambda _, data: data.hits)

    def _delete(self, request: Request, statement: Delete, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            self._check_scope(request, rewriting.updated_scope(statement, handle.name), row)
            return self._kept(request, rewriting.deleted(statement, handle.name), row, stored)

        return self._rewrite(request, statement.table, rows, lambda handle, data: (handle.rows or 0) - data.rows)

    def _merge(self, request: Request, statement: Merge, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            merging = self._merging(request, statement, handle.name, self._types(handle), rewriting.defaults_of(stored))
            self._check_scope(request, merging.scope(), row)
            return self._kept(request, merging.query(), row, stored, marked=True)

        def count(handle: TableHandle, data: Rows) -> int:
            deleted = (handle.rows or 0) - (data.rows - data.added)
            return data.hits + data.added + deleted

        return self._rewrite(request, statement.table, rows, count)

    def _merging(
        self, request: Request, statement: Merge, name: TableName, columns: RowType, defaults: dict[str, str]
    ) -> Merging:
        session = request.session
        source = self._statements.frontend.result_schema(
            f"{statement.ctes} SELECT * FROM {statement.source}",
            snapshot=self._catalog.snapshot(session),
            names=self._catalog.names(session),
        )
        return Merging(statement, name, columns, defaults, source.names)

    def _check_scope(self, request: Request, text: str | None, row: Sequence[pa.Scalar]) -> None:
        """Let the binder judge the names in `text`, which has some of the parameters of a statement, or all."""
        if text is not None:
            numbers = "".join(f", ${number}" for number in range(1, len(row) + 1))
            self._plan(request, f"SELECT 1{numbers} FROM ({text}) WHERE false", row)

    def _alter(self, request: Request, statement: AlterTable) -> int:
        def rows(handle: TableHandle, stored: pa.Schema) -> Rows | None:
            columns = self._types(handle)
            text = rewriting.altered(statement, handle.name, columns)
            if text is None:
                return None
            self._check_new_default(request, statement, handle.name, columns)
            data = Rows(self._statements, request, [(text, ())])
            data.keep(rewriting.altered_fields(statement, stored))
            return data

        try:
            return self._rewrite(request, statement.table, rows, lambda *_: 0)
        except UnknownTableError:
            target = self._definitions.existing(request, statement.table)
            if statement.if_exists and not self._definitions.is_there(target):
                return 0
            raise

    def _check_new_default(self, request: Request, statement: AlterTable, table: TableName, columns: RowType) -> None:
        match statement.action:
            case AddColumn(column):
                self._definitions.check_default(request, column)
            case SetDefault(name, value):
                found = rewriting.find_column(columns, name, table)
                self._definitions.check_default(request, ColumnDefinition(found.name, found.type, value))

    def _rewrite(
        self,
        request: Request,
        path: Sequence[str],
        rows: Callable[[TableHandle, pa.Schema], Rows | None],
        count: Callable[[TableHandle, Rows], int],
    ) -> int:
        """Write a table anew with what `rows` makes of its newest version and its stored schema."""
        target = self._definitions.existing(request, path)
        storage = changeable(target.storage)

        def write() -> int:
            handle = self._pin(request, target)
            data = rows(handle, self._stored(target, handle))
            if data is None:
                return 0
            data.into(lambda reader: storage.rewrite(_own_name(handle, target), reader))
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
        self, request: Request, text: str, row: Sequence[pa.Scalar], stored: pa.Schema, marked: bool = False
    ) -> Rows:
        """The rows of a table that keeps its columns."""
        data = Rows(self._statements, request, [(text, row)], marked)
        data.keep({field.name: field for field in stored})
        return data

    def _plan(self, request: Request, text: str, row: Sequence[pa.Scalar]) -> LogicalPlan:
        session = request.session
        return self._statements.frontend.plan(
            text, snapshot=self._catalog.snapshot(session), parameters=row or None, names=self._catalog.names(session)
        )

    def _pin(self, request: Request, target: Target) -> TableHandle:
        return self._catalog.snapshot(request.session).table(target.shown)

    def _types(self, handle: TableHandle) -> RowType:
        return self._statements.frontend.table_columns(handle)

    def _columns(self, request: Request, target: Target) -> tuple[RowType, dict[str, str]]:
        """The columns of a table, and their defaults."""
        handle = self._pin(request, target)
        return self._types(handle), rewriting.defaults_of(self._stored(target, handle))

    @staticmethod
    def _stored(target: Target, handle: TableHandle) -> pa.Schema:
        """The schema as it is stored; empty where a storage does not tell."""
        source = target.storage.probe(handle)
        return source.data.schema if isinstance(source, ArrowSource) else pa.schema([])


def _own_name(handle: TableHandle, target: Target) -> TableHandle:
    """The handle under the name that the table has in its storage."""
    return replace(handle, name=target.name)
