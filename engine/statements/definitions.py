"""Statements that make and drop tables, views and schemas."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from engine.errors import (
    ForbiddenError,
    InvalidValueError,
    PlanningError,
    TableExistsError,
    UnknownTableError,
    UnsupportedError,
)
from engine.kernel import quote
from engine.logical.beside import columns_beside
from engine.rights import Action
from engine.sql import syntax
from engine.sql.views import Names, View, Views
from engine.statements import rewriting
from engine.statements.catalog import Target
from engine.statements.context import StatementContext
from engine.statements.descriptions import (
    ColumnDefinition,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Drop,
    Path,
    Rename,
)
from engine.statements.information_schema import INFORMATION_SCHEMA
from engine.statements.planning import Parameters, Planning
from engine.statements.rows import Rows
from engine.statements.session import TEMPORARY
from engine.statements.system_tables import SYSTEM
from engine.statements.temporary import TemporaryTables
from engine.storage.names import unknown_schema, unknown_table
from engine.storage.protocol import DEFAULT_SCHEMA, TableName, WriteMode

__all__ = ["Definitions"]

_RESERVED_SCHEMAS = (TEMPORARY, INFORMATION_SCHEMA, SYSTEM)


@dataclass(frozen=True)
class _ViewsWithOneMore:
    """The views as they would be with `view` among them: so one is found out that reads itself by way of others."""

    view: View
    others: Views | None

    def find(self, name: TableName) -> View | None:
        """The view of that name, in any case, or None."""
        if name.key == self.view.name.key:
            return self.view
        return None if self.others is None else self.others.find(name)


class Definitions:
    """Makes and drops tables, views and schemas."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning
        self._catalog = planning.catalog

    def create(self, context: StatementContext, statement: CreateTable) -> int:
        """Make an empty table; 0."""
        target = self._catalog.new(context.session, statement.table, statement.temporary)
        if not self._is_wanted(target, statement.replace, statement.if_not_exists):
            return 0
        for column in statement.columns:
            self.check_default(context, column)
        data = Rows(self._planning, context, [(rewriting.empty_query(statement.columns), ())])
        data.keep(rewriting.defined_fields(statement.columns))
        self._write_new(target, data, statement.replace, statement.if_not_exists)
        return 0

    def create_as(self, context: StatementContext, statement: CreateTableAs, rows: Parameters) -> int:
        """Make a table of a query's rows; returns how many."""
        target = self._catalog.new(context.session, statement.table, statement.temporary)
        if not self._is_wanted(target, statement.replace, statement.if_not_exists):
            return 0
        text = statement.query
        if statement.columns:
            text = f"SELECT * FROM ({text}) AS __given({', '.join(map(quote, statement.columns))})"
        if not statement.with_data:
            text = f"SELECT * FROM ({text}) LIMIT 0"
        data = Rows(self._planning, context, [(text, row) for row in rows])
        if not target.is_temporary:
            logical = self._planning.logical(context.session, text, rows[0], data.snapshot)
            data.keep(rewriting.fields_beside(logical.names, columns_beside(logical)))
        return self._write_new(target, data, statement.replace, statement.if_not_exists)

    def to_create(self, context: StatementContext, statement: CreateTable | CreateTableAs) -> TableName:
        """The name of the table that a statement would make; raises where it may not, or where the table is there."""
        name = self._catalog.full_name(context.session, statement.table)
        if statement.temporary or name.schema.lower() == TEMPORARY:
            return TableName(TEMPORARY, name.table)
        self._is_wanted(
            self._catalog.new(context.session, statement.table, False), statement.replace, statement.if_not_exists
        )
        return name

    def to_drop(self, context: StatementContext, statement: Drop) -> TableName | str:
        """The name of what a statement would drop; UnknownTableError where it is not there, and has to be."""
        if statement.kind == "SCHEMA":
            name, known = statement.name[-1], self._catalog.storage.schemas()
            if not statement.if_exists and name.lower() not in {schema.lower() for schema in known}:
                raise unknown_schema(name, known)
            return name
        if statement.kind == "VIEW":
            view, views = self._catalog.views_at(context.session, statement.name)
            if not statement.if_exists and not views.has(view):
                raise unknown_table(view, [known.name for known in views.all()])
            return view
        target = self.existing_target(context, statement.name)
        if not statement.if_exists:
            target.storage.snapshot().table(target.name)
        return target.shown

    def check_default(self, context: StatementContext, column: ColumnDefinition) -> None:
        """Raise where a column's default is no value of its type that can be told without reading tables."""
        if column.default is None:
            return
        text = rewriting.default_of(column)
        if syntax.table_references(syntax.Tree(self._planning.frontend.parse(text))):
            raise UnsupportedError(f'The default of column "{column.name}" reads tables; give a plain expression.')
        try:
            self._planning.columns(context.session, text)
        except InvalidValueError:
            raise UnsupportedError(f'The default of column "{column.name}" has parameters; write the value.') from None

    def create_view(self, context: StatementContext, statement: CreateView) -> int:
        """Keep a view, which has to be a query that can be planned; 0."""
        if statement.temporary or self._catalog.full_name(context.session, statement.view).schema.lower() == TEMPORARY:
            return self._create_temporary_view(context, statement)
        name, views = self._catalog.full_name(context.session, statement.view), self._catalog.stored_views
        if name.schema.lower() not in {schema.lower() for schema in self._catalog.storage.schemas()}:
            raise UnknownTableError(f'There is no schema "{name.schema}" for a view; create it first.')
        if statement.if_not_exists and views.has(name):
            return 0
        view = View(name, statement.query, statement.columns, context.session.schema)
        self._check_view(context, view)
        with self._catalog.storage.vacant(name):
            try:
                views.create(view, statement.replace)
            except TableExistsError:
                if not statement.if_not_exists:
                    raise
        return 0

    def _create_temporary_view(self, context: StatementContext, statement: CreateView) -> int:
        """Keep a view for as long as the session lasts; it may read temporary tables; 0."""
        session = context.session
        name, views = self._catalog.new(session, statement.view, True).shown, session.make_temporary().views
        if statement.if_not_exists and views.has(name):
            return 0
        self._require_no_temporary_table(session.make_temporary(), name)
        view = View(name, statement.query, statement.columns, session.schema, (TEMPORARY,))
        self._check_view(context, view)
        views.create(view, statement.replace)
        return 0

    @staticmethod
    def _require_no_temporary_table(temporary: TemporaryTables, name: TableName) -> None:
        if name.table.lower() in {known.table.lower() for known in temporary.tables()}:
            raise TableExistsError(f'"{name}" is a temporary table; drop it or take another name.')

    def _check_view(self, context: StatementContext, view: View) -> None:
        """Raise where a view cannot be planned by who makes it: with the tables and views that they may read."""
        session = context.session
        # A view that is not temporary reads no temporary tables, which end before it does.
        names = Names(
            view.schemas, _ViewsWithOneMore(view, self._catalog.names(session).views), session.grants.identity.name
        )
        plan = self._planning.frontend.plan(view.query, snapshot=self._catalog.snapshot(session), names=names)
        if len(view.columns) > len(plan.names):
            raise PlanningError(f"{len(view.columns)} columns are named, and the query has {len(plan.names)}.")

    def create_schema(self, statement: CreateSchema) -> int:
        """Make a schema; 0."""
        name = statement.schema[-1]
        if name.lower() in _RESERVED_SCHEMAS:
            raise UnsupportedError(f'The schema "{name}" has a meaning of its own; take another name.')
        try:
            self._catalog.storage.create_schema(name)
        except TableExistsError:
            if not statement.if_not_exists:
                raise
        return 0

    def drop(self, context: StatementContext, statement: Drop) -> int:
        """Drop a table, a view or a schema; 0."""
        try:
            if statement.kind == "SCHEMA":
                self._drop_schema(context, statement.name[-1], statement.cascade)
            elif statement.kind == "VIEW":
                self._drop_view(context, statement)
            else:
                target = self.existing_target(context, statement.name)
                target.storage.drop(target.name)
        except UnknownTableError:
            if not statement.if_exists:
                if statement.kind == "VIEW":
                    self._require_no_table(context, statement.name)
                raise
        return 0

    def _drop_schema(self, context: StatementContext, name: str, cascade: bool) -> None:
        """Drop a schema, in one step with what is in it where that goes too."""
        storage, views = self._catalog.storage, self._catalog.stored_views
        along: list[TableName] = []
        if cascade and name.lower() != DEFAULT_SCHEMA:  # which stays, and so does what is in it
            tables = storage.tables(name)
            along = [*tables, *views.names_in(name)]
            if not all(context.session.grants.may(Action.ADMIN, each) for each in along):
                raise ForbiddenError(f'The schema "{name}" has tables or views that you may not drop; it stays.')
            fixed = storage.read_only()
            if any(table in fixed for table in tables):
                raise UnsupportedError(f'The schema "{name}" has tables of Parquet files, which are read-only.')
        storage.drop_schema(name, along)

    def _drop_view(self, context: StatementContext, statement: Drop) -> None:
        name, views = self._catalog.views_at(context.session, statement.name)
        views.drop(name)

    def _require_no_table(self, context: StatementContext, path: Path) -> None:
        """Tell who names a table where a view is to be that it is one, by UnknownTableError."""
        name = self._catalog.readable_name(context.session, path)
        if name.key in {table.key for table in self._catalog.tables(context.session)}:
            raise UnknownTableError(f'There is no view "{name}", it is a table: DROP TABLE and ALTER TABLE change it.')

    def rename(self, context: StatementContext, statement: Rename) -> int:
        """Give a table or a view another name; 0."""
        session = context.session
        try:
            if statement.kind == "VIEW":
                name, views = self._catalog.views_at(session, statement.name)
                to = self._new_name(context, name, statement.to)
                if name.schema == TEMPORARY:
                    self._require_no_temporary_table(session.make_temporary(), to)
                with nullcontext() if name.schema == TEMPORARY else self._catalog.storage.vacant(to):
                    views.rename(name, to)
            else:
                target = self.existing_target(context, statement.name)
                target.storage.rename(target.name, self._new_name(context, target.shown, statement.to).table)
        except UnknownTableError:
            if not statement.if_exists:
                if statement.kind == "VIEW":
                    self._require_no_table(context, statement.name)
                raise
        return 0

    def _new_name(self, context: StatementContext, name: TableName, to: Path) -> TableName:
        """The name that a table or view is to have; raises where it is one of another schema, or may not be made."""
        path = to if len(to) > 1 else (name.schema, *to)
        other = self._catalog.full_name(context.session, path)
        if other.schema.lower() != name.schema.lower():
            raise UnsupportedError(f'"{name}" stays in its schema; CREATE TABLE ... AS makes another one elsewhere.')
        return self._catalog.new(context.session, path, False).shown

    def existing_target(self, context: StatementContext, path: Sequence[str]) -> Target:
        """The table that a statement changes; TableExistsError where it is a view."""
        target = self._catalog.existing_target(context.session, path)
        self._catalog.require_no_view(target)
        return target

    @staticmethod
    def is_there(target: Target) -> bool:
        """Whether there is such a table."""
        try:
            target.storage.snapshot().table(target.name)
        except UnknownTableError:
            return False
        return True

    def _is_wanted(self, target: Target, replace: bool, if_not_exists: bool) -> bool:
        """Whether a table is to be made; raises TableExistsError where it must not be."""
        self._catalog.require_no_view(target)
        if replace or not self.is_there(target):
            return True
        if if_not_exists:
            return False
        raise TableExistsError(f'Table "{target.shown}" is there already; drop it, or say OR REPLACE or IF NOT EXISTS.')

    @staticmethod
    def _write_new(target: Target, data: Rows, replace: bool, if_not_exists: bool) -> int:
        try:
            mode = WriteMode.REPLACE if replace else WriteMode.CREATE
            return data.store(target, mode)
        except TableExistsError:
            if if_not_exists:
                return 0
            raise
