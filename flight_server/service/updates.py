"""Statements with effects, each run once: the kernel computes the rows, and the storage takes all of them or none.

UPDATE, DELETE and ALTER write their table anew from one SELECT over the version that they read. Where somebody else
was faster, they begin again on the newer version.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pyarrow as pa

from engine.errors import ConflictError, PlanningError, TableExistsError, UnknownTableError, UnsupportedError
from engine.kernel import quote
from engine.schema import RowType
from engine.sql.statements import (
    AlterTable,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Drop,
    Insert,
    Statement,
    Update,
)
from engine.sql.views import Names, View
from engine.storage.names import unknown_table
from engine.storage.protocol import ArrowSource, Storage, TableHandle, TableName, WriteMode
from flight_server.auth.rights import Action
from flight_server.service import rewriting
from flight_server.service.catalog import Target
from flight_server.service.request import Request

if TYPE_CHECKING:
    from flight_server.service.statements import Parameters, Statements

__all__ = ["Updates"]

_ATTEMPTS = 10
_ROWS_AT_ONCE = 250  # rows of parameters of an INSERT that make one query
_LOCKS = 64
_NO_ROWS: Sequence[Sequence[pa.Scalar]] = ((),)


@runtime_checkable
class _Changeable(Protocol):
    """A storage whose tables and schemas can be changed."""

    def rewrite(self, table: TableHandle, data: pa.RecordBatchReader) -> int: ...

    def create_schema(self, name: str) -> None: ...

    def drop_schema(self, name: str) -> None: ...


class Updates:
    """Runs statements that change something."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._catalog = statements.catalog
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def run(self, request: Request, statement: Statement, parameters: Parameters | None = None) -> int:
        """Run a statement for each row of `parameters`; returns how many rows it changed, 0 where it is about none."""
        self._authorize(request, statement)
        rows = _NO_ROWS if parameters is None else parameters
        match statement:
            case Insert():
                return self._insert(request, statement, rows)
            case CreateTable():
                return self._create(request, statement)
            case CreateTableAs():
                return self._create_as(request, statement, rows)
            case Update():
                return sum(self._update(request, statement, row) for row in rows)
            case Delete():
                return sum(self._delete(request, statement, row) for row in rows)
            case AlterTable():
                return self._alter(request, statement)
            case CreateView():
                return self._create_view(request, statement)
            case CreateSchema():
                return self._create_schema(statement)
            case Drop():
                return self._drop(request, statement)
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
        session = request.session
        snapshot, names = self._catalog.snapshot(session), self._catalog.names(session)
        match statement:
            case Insert():
                columns = self._columns(self._pin(request, self._existing(request, statement.table)))
                query = statement.query
                if query is None:
                    shown = self._existing(request, statement.table).shown
                    named = rewriting.insert_columns(statement, shown, columns, None)
                    query = rewriting.inserted(statement, columns, named)
            case CreateTableAs(query=text):
                query = text
            case Update():
                handle = self._pin(request, self._existing(request, statement.table))
                query = rewriting.updated(statement, handle.name, self._columns(handle))
            case Delete():
                query = rewriting.deleted(statement, self._existing(request, statement.table).shown)
            case _:
                return pa.schema([])
        return self._statements.frontend.parameters(query, snapshot=snapshot, names=names)

    # ---- rows

    def _insert(self, request: Request, statement: Insert, rows: Parameters) -> int:
        target = self._existing(request, statement.table)
        columns = self._columns(self._pin(request, target))
        given = None
        if statement.query is not None:
            session, first = request.session, rows[0] if rows else ()
            given = self._statements.frontend.plan(
                statement.query,
                snapshot=self._catalog.snapshot(session),
                parameters=first or None,
                names=self._catalog.names(session),
            ).names
        named = rewriting.insert_columns(statement, target.shown, columns, given)
        queries: list[tuple[str, Sequence[pa.Scalar]]] = []
        if statement.rows:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                part = rows[start : start + _ROWS_AT_ONCE]
                flat = [value for row in part for value in row]
                queries.append((rewriting.inserted(statement, columns, named, len(part)), flat))
        else:
            text = rewriting.inserted(statement, columns, named)
            queries = [(text, row) for row in rows]
        data = self._data(request, queries)
        return target.storage.write(target.name, data.reader(), WriteMode.APPEND)

    def _update(self, request: Request, statement: Update, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle) -> _Rows:
            text = rewriting.updated(statement, handle.name, self._columns(handle))
            return self._data(request, [(text, row)], marked=True)

        return self._rewrite(request, statement.table, rows, lambda _, data: data.hits)

    def _delete(self, request: Request, statement: Delete, row: Sequence[pa.Scalar]) -> int:
        def rows(handle: TableHandle) -> _Rows:
            return self._data(request, [(rewriting.deleted(statement, handle.name), row)])

        return self._rewrite(request, statement.table, rows, lambda handle, data: (handle.rows or 0) - data.rows)

    def _alter(self, request: Request, statement: AlterTable) -> int:
        def rows(handle: TableHandle) -> _Rows | None:
            text = rewriting.altered(statement, handle.name, self._columns(handle))
            return None if text is None else self._data(request, [(text, ())])

        try:
            return self._rewrite(request, statement.table, rows, lambda *_: 0)
        except UnknownTableError:
            if statement.if_exists and not self._is_there(self._existing(request, statement.table)):
                return 0
            raise

    def _rewrite(
        self,
        request: Request,
        path: Sequence[str],
        rows: Callable[[TableHandle], _Rows | None],
        count: Callable[[TableHandle, _Rows], int],
    ) -> int:
        """Write a table anew with what `rows` makes of its newest version."""
        target = self._existing(request, path)
        storage = _changeable(target.storage)
        with self._locks[hash(target.shown.key) % _LOCKS]:
            for attempt in range(1, _ATTEMPTS + 1):
                handle = self._pin(request, target)
                data = rows(handle)
                if data is None:
                    return 0
                source = target.storage.probe(handle)
                if isinstance(source, ArrowSource):
                    data.keep_types(source.data.schema)
                try:
                    storage.rewrite(_own_name(handle, target), data.reader())
                except ConflictError:
                    if attempt == _ATTEMPTS:
                        raise
                    continue
                return count(handle, data)
        raise AssertionError("unreachable")

    # ---- tables, views, schemas

    def _create(self, request: Request, statement: CreateTable) -> int:
        target = self._catalog.new(request.session, statement.table, statement.temporary)
        if not self._is_wanted(target, statement.replace, statement.if_not_exists):
            return 0
        data = self._data(request, [(rewriting.defined(statement), ())])
        self._write_new(target, data, statement.replace, statement.if_not_exists)
        return 0

    def _create_as(self, request: Request, statement: CreateTableAs, rows: Parameters) -> int:
        target = self._catalog.new(request.session, statement.table, statement.temporary)
        if not self._is_wanted(target, statement.replace, statement.if_not_exists):
            return 0
        text = statement.query
        if statement.columns:
            text = f"SELECT * FROM ({text}) AS __given({', '.join(map(quote, statement.columns))})"
        if not statement.with_data:
            text = f"SELECT * FROM ({text}) LIMIT 0"
        data = self._data(request, [(text, row) for row in rows])
        return self._write_new(target, data, statement.replace, statement.if_not_exists)

    def _is_wanted(self, target: Target, replace: bool, if_not_exists: bool) -> bool:
        """Whether a table is to be made; raises TableExistsError where it must not be."""
        self._catalog.require_no_view(target)
        if replace or not self._is_there(target):
            return True
        if if_not_exists:
            return False
        raise TableExistsError(f'Table "{target.shown}" is there already; drop it, or say OR REPLACE or IF NOT EXISTS.')

    def _write_new(self, target: Target, data: _Rows, replace: bool, if_not_exists: bool) -> int:
        try:
            mode = WriteMode.REPLACE if replace else WriteMode.CREATE
            return target.storage.write(target.name, data.reader(), mode)
        except TableExistsError:
            if if_not_exists:
                return 0
            raise

    def _create_view(self, request: Request, statement: CreateView) -> int:
        name, views = self._catalog.full_name(request.session, statement.view), self._catalog.stored_views
        if views is None:
            raise UnsupportedError("The server's tables are not in a folder; it keeps no views.")
        if name.schema.lower() not in {schema.lower() for schema in self._catalog.storage.schemas()}:
            raise UnknownTableError(f'There is no schema "{name.schema}" for a view; create it first.')
        if self._is_there(Target(self._catalog.storage, name, name)):
            raise TableExistsError(f'Table "{name}" is there already; take another name for the view.')
        if statement.if_not_exists and views.find(name) is not None:
            return 0
        view = View(name, statement.query, statement.columns, request.session.schema)
        # Temporary tables end before the view does.
        plan = self._statements.frontend.plan(
            view.query, snapshot=self._catalog.snapshot(request.session), names=Names((view.home,), views)
        )
        if len(view.columns) > len(plan.names):
            raise PlanningError(f"{len(view.columns)} columns are named, and the query has {len(plan.names)}.")
        views.create(view, statement.replace)
        return 0

    def _create_schema(self, statement: CreateSchema) -> int:
        try:
            _changeable(self._catalog.storage).create_schema(statement.schema[-1])
        except TableExistsError:
            if not statement.if_not_exists:
                raise
        return 0

    def _drop(self, request: Request, statement: Drop) -> int:
        try:
            if statement.kind == "SCHEMA":
                _changeable(self._catalog.storage).drop_schema(statement.name[-1])
            elif statement.kind == "VIEW":
                self._drop_view(request, statement)
            else:
                target = self._existing(request, statement.name)
                target.storage.drop(target.name)
        except UnknownTableError:
            if not statement.if_exists:
                raise
        return 0

    def _drop_view(self, request: Request, statement: Drop) -> None:
        name, views = self._catalog.full_name(request.session, statement.name), self._catalog.stored_views
        if views is None:
            raise unknown_table(name, ())
        views.drop(name)

    # ---- parts

    def _existing(self, request: Request, path: Sequence[str]) -> Target:
        """The table that a statement changes; TableExistsError where it is a view."""
        target = self._catalog.existing(request.session, path)
        self._catalog.require_no_view(target)
        return target

    def _pin(self, request: Request, target: Target) -> TableHandle:
        return self._catalog.snapshot(request.session).table(target.shown)

    def _columns(self, handle: TableHandle) -> RowType:
        return self._statements.frontend.table_columns(handle)

    @staticmethod
    def _is_there(target: Target) -> bool:
        try:
            target.storage.snapshot().table(target.name)
        except UnknownTableError:
            return False
        return True

    def _data(
        self, request: Request, queries: Sequence[tuple[str, Sequence[pa.Scalar]]], marked: bool = False
    ) -> _Rows:
        return _Rows(self._statements, request, queries, marked)


@dataclass
class _Rows:
    """The rows that some queries with their parameters give, to be read once. Each query starts when the last one ends.

    Where they are `marked`, the last column says which rows count as `hits`, and does not go out.
    """

    statements: Statements
    request: Request
    queries: Sequence[tuple[str, Sequence[pa.Scalar]]]
    marked: bool = False
    rows: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        self._snapshot = self.statements.catalog.snapshot(self.request.session)
        if not self.queries:
            raise PlanningError("No row of parameters was bound; bind at least one.")
        text, row = self.queries[0]
        self._first = self.statements.plan_row(self.request, text, row, self._snapshot)
        fields = list(self._first.schema)[: -1 if self.marked else None]
        # A column of nothing but NULLs is one of integers, as in the kernel's own tables.
        self._schema = pa.schema([f.with_type(pa.int32()) if pa.types.is_null(f.type) else f for f in fields])

    def keep_types(self, schema: pa.Schema) -> None:
        """Give columns of the same name the types that they have in `schema`, where these mean the same values."""
        kept = {field.name: field for field in schema}
        self._schema = pa.schema([_same_values(field, kept.get(field.name, field)) for field in self._schema])

    def reader(self) -> pa.RecordBatchReader:
        """The stream; it fails where the call is cancelled, before its end."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for position, (text, row) in enumerate(self.queries):
            plan = self._first
            if position:
                plan = self.statements.plan_row(self.request, text, row, self._snapshot)
            with self.statements.execute(self.request, plan) as result:
                for batch in result:
                    yield self._counted(batch)
        self.request.call.poll()
        self.request.call.cancellation.check()

    def _counted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.rows += batch.num_rows
        columns = list(batch.columns)
        if self.marked:
            self.hits += columns.pop().true_count
        cast = [column.cast(field.type) for column, field in zip(columns, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(cast, schema=self._schema)


def _same_values(field: pa.Field, stored: pa.Field) -> pa.Field:
    """`stored`, where the kernel gives its values in another form only; else `field`."""
    t = pa.types
    pairs = ((t.is_large_string, t.is_string), (t.is_large_binary, t.is_binary), (t.is_fixed_size_binary, t.is_binary))
    same = any(of(stored.type) and given(field.type) for of, given in pairs)
    return stored if same or stored.type.equals(field.type) else field


def _changeable(storage: Storage) -> _Changeable:
    if not isinstance(storage, _Changeable):
        raise UnsupportedError("The tables of this server are not kept in a folder; they cannot be changed by SQL.")
    return storage


def _own_name(handle: TableHandle, target: Target) -> TableHandle:
    """The handle under the name that the table has in its storage."""
    return replace(handle, name=target.name)
