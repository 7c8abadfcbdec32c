"""Statements with effects, each run once: the kernel computes the rows, and the storage takes all of them or none.

Those that change tables which are there are in `table_changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pyarrow as pa

from engine.errors import ConflictError, SchemaMismatchError, UnknownTableError, UnsupportedError
from engine.physical import PhysicalPlan
from engine.rights import Action
from engine.schema import RowType
from engine.sql.instants import one_instant
from engine.statements import rewriting
from engine.statements.bound_inserts import OF_A_VALUE, BoundInserts
from engine.statements.care import Care
from engine.statements.care_descriptions import CareReport, CreateTag, DropTag, Optimize, Restore, Vacuum
from engine.statements.catalog import Target
from engine.statements.context import StatementContext
from engine.statements.definitions import Definitions
from engine.statements.descriptions import (
    AlterTable,
    Checkpoint,
    CreateIndex,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Drop,
    DropIndex,
    Insert,
    Kill,
    Merge,
    Rename,
    SetSetting,
    Statement,
    Transaction,
    Update,
    Use,
)
from engine.statements.indexes import Indexes
from engine.statements.literal_rows import are_literals
from engine.statements.parameter_rows import sum_of_rows
from engine.statements.planning import Parameters, ParameterStream, Planning
from engine.statements.row_changes import RowQueries
from engine.statements.rows import Rows
from engine.statements.session import TEMPORARY, Session
from engine.statements.settings import Settings
from engine.statements.table_changes import TableChanges
from engine.statements.transactions import Transactions
from engine.storage.protocol import TableName, WriteMode

__all__ = ["Changes"]

_ROWS_AT_ONCE = 250  # rows of parameters of an INSERT that make one query
_NO_ROWS: Sequence[Sequence[pa.Scalar]] = ((),)


class Changes:
    """Runs statements that change something."""

    def __init__(self, planning: Planning, settings: Settings, transactions: Transactions) -> None:
        self.heed: Callable[[Target, int], None] | None = None
        self._planning = planning
        self._settings = settings
        self._transactions = transactions
        self._catalog = planning.catalog
        self._definitions = Definitions(planning)
        self._tables = TableChanges(planning, self._definitions)
        self.care = Care(planning.catalog, planning.pins, self._tables.alone)
        self._indexes = Indexes(planning)
        self._bound = BoundInserts(planning)

    def run(
        self,
        context: StatementContext,
        statement: Statement,
        parameters: Parameters | ParameterStream | None = None,
    ) -> int:
        """Run a statement for each row of `parameters`; returns how many rows it changed, 0 where it is about none.

        An INSERT takes a stream of them.
        """
        try:
            self._authorize(context, statement)
        except UnknownTableError:
            if isinstance(statement, Drop | AlterTable | Rename | CreateTag | DropTag) and statement.if_exists:
                return 0
            raise
        if isinstance(parameters, ParameterStream):
            with one_instant():
                return self._insert_all(context, statement, parameters)
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
            case Kill():
                self._catalog.system.kill(context.session.grants, statement)
                return 0
        context.session.note_change()
        with one_instant():
            count = self._change(context, statement, rows)
        if self.heed is not None and isinstance(statement, Insert | Update | Delete | Merge):
            self.heed(self._definitions.existing_target(context, statement.table), count)
        return count

    def report(self, context: StatementContext, statement: CareReport) -> pa.Table:
        """Run a statement that answers with what it did."""
        context.session.note_change()
        return self.care.report(context, statement)

    def _change(self, context: StatementContext, statement: Statement, rows: Parameters) -> int:
        match statement:
            case Insert():
                return self._insert(context, statement, rows)
            case CreateTable():
                return self._definitions.create(context, statement)
            case CreateTableAs():
                return self._definitions.create_as(context, statement, rows)
            case Update():
                return sum_of_rows(rows, partial(self._tables.update, context, statement))
            case Delete():
                return sum_of_rows(rows, partial(self._tables.delete, context, statement))
            case Merge():
                return sum_of_rows(rows, partial(self._tables.merge, context, statement))
            case AlterTable():
                return self._tables.alter(context, statement)
            case CreateView():
                return self._definitions.create_view(context, statement)
            case CreateSchema():
                return self._definitions.create_schema(statement)
            case CreateIndex():
                return self._indexes.create(context, statement)
            case DropIndex():
                return self._indexes.drop(context, statement)
            case Drop():
                return self._definitions.drop(context, statement)
            case Rename():
                return self._definitions.rename(context, statement)
            case CreateTag() | DropTag() | Restore():
                return self.care.run(context, statement)
            case Optimize() | Vacuum():
                self.care.report(context, statement)
                return 0
        raise UnsupportedError("This statement is not handled.")

    def _authorize(self, context: StatementContext, statement: Statement) -> None:
        """Raise where the session lacks the right to what changes more than rows; a table is checked when it is found.

        A schema is the right's where its tables are, whatever their names.
        """
        session, tables = context.session, self._catalog.storage.tables
        match statement:
            case AlterTable(table=path) | Drop(kind="TABLE", name=path) | Rename(kind="TABLE", name=path):
                target = self._catalog.existing_target(session, path)
                if not target.is_temporary:
                    session.grants.check(Action.ADMIN, target.name, tables)
            case CreateView(view=path, temporary=False):
                name = self._catalog.full_name(session, path)
                if name.schema.lower() != TEMPORARY:
                    session.grants.check(Action.ADMIN, name, tables)
            case Drop(kind="VIEW", name=path) | Rename(kind="VIEW", name=path):
                name, _ = self._catalog.views_at(session, path)
                if name.schema.lower() != TEMPORARY:
                    session.grants.check(Action.ADMIN, name, tables)
            case CreateTag() | DropTag() | Restore() | Optimize() | Vacuum():
                self.care.authorize(session, statement)
            case CreateSchema(schema=path) | Drop(kind="SCHEMA", name=path):
                session.grants.check(Action.ADMIN, TableName(path[-1], ""), tables)

    def parameters(self, session: Session, statement: Statement) -> pa.Schema:
        """The parameters that a statement takes, with the types that the kernel gives them."""
        context = StatementContext(session)
        if isinstance(statement, Insert) and are_literals(statement):  # nothing but their number can be wrong
            target = self._definitions.existing_target(context, statement.table)
            rewriting.insert_columns(statement, target.shown, self._tables.columns(context, target)[0], None)
            return pa.schema([])
        query = self._query(context, statement)
        if query is None:
            return pa.schema([])
        return self._planning.parameters(session, query, self._insert_columns(context, statement))

    def _insert_columns(self, context: StatementContext, statement: Statement) -> RowType:
        """The columns that the rows of an INSERT's query go into; none of other statements."""
        if not isinstance(statement, Insert) or statement.query is None:
            return ()
        target = self._definitions.existing_target(context, statement.table)
        given = None
        if statement.by_name:
            given = self._planning.unbound_schema(context.session, f"{statement.ctes} {statement.query}").names
        return rewriting.insert_columns(statement, target.shown, self._tables.columns(context, target)[0], given)

    def _query(self, context: StatementContext, statement: Statement) -> str | None:
        """The SELECT that a statement runs, with its parameters; None where it can have none."""
        match statement:
            case Insert(query=None):
                target = self._definitions.existing_target(context, statement.table)
                columns, defaults = self._tables.columns(context, target)
                named = rewriting.insert_columns(statement, target.shown, columns, None)
                return rewriting.insert_query(statement, columns, named, defaults)
            case Insert(query=text):
                return f"{statement.ctes} {text}"
            case CreateTableAs(query=text):
                return text
            case Update():
                target = self._definitions.existing_target(context, statement.table)
                return rewriting.update_query(statement, target.shown, *self._tables.columns(context, target))
            case Delete():
                return rewriting.delete_query(
                    statement, self._definitions.existing_target(context, statement.table).shown
                )
            case Merge():
                target = self._definitions.existing_target(context, statement.table)
                known = self._tables.columns(context, target)
                return self._tables.resolve_merge(context, statement, target.shown, *known).query()
        return None

    def outline(
        self, session: Session, statement: Statement, row: Sequence[pa.Scalar]
    ) -> tuple[str, Sequence[PhysicalPlan]]:
        """What a statement would write, in a line, and the plans of its rows.

        Raises as `run`, but for what only the rows tell.
        """
        line, found = self._outline(session, statement, row)
        if isinstance(found, RowQueries):
            queries = [query for query in (found.changed, found.added) if query is not None]
            return line, [self._planning.plan(session, query.text, query.row, found.snapshot) for query in queries]
        if found is None or isinstance(found, PhysicalPlan):
            return line, [] if found is None else [found]
        plan, table = self._planning.plan(session, found, row), self._filled_by_fragments(session, statement)
        return line, [plan if table is None else self._planning.write_plan(plan, table) or plan]

    def _filled_by_fragments(self, session: Session, statement: Statement) -> TableName | None:
        """The table that gets the rows of a statement in fragments, if they are many; None where none does."""
        match statement:
            case Insert(table=path):
                target = self._definitions.existing_target(StatementContext(session), path)
                return target.shown if target.storage.takes_fragments(target.name) else None
            case CreateTableAs():
                name = self._definitions.to_create(StatementContext(session), statement)
                return None if name.schema == TEMPORARY or not self._catalog.storage.takes_fragments(name) else name
        return None

    def _outline(
        self, session: Session, statement: Statement, row: Sequence[pa.Scalar]
    ) -> tuple[str, str | RowQueries | PhysicalPlan | None]:
        context = StatementContext(session)
        self._authorize(context, statement)
        match statement:
            case Insert(table=path):
                target = self._definitions.existing_target(context, path)
                return f"Append to {target.shown}", self._insert_text(context, statement, target, row).in_text()
            case Update(table=path) | Delete(table=path) | Merge(table=path):
                target = self._definitions.existing_target(context, path)
                kind = type(statement).__name__.upper()
                if (found := self._tables.row_queries(context, target, statement, row)) is not None:
                    return f"Change rows of {target.shown} by {kind}", found
                return f"Rewrite {target.shown} by {kind}", self._query(context, statement)
            case AlterTable(table=path):
                return self._tables.describe_alter(context, statement, self._definitions.existing_target(context, path))
            case CreateTable() | CreateTableAs():
                name = self._definitions.to_create(context, statement)
                return f"Create table {name}", self._query(context, statement)
            case CreateView(view=path, temporary=temporary):
                kind = "temporary view" if temporary else "view"
                return f"Create {kind} {path[-1] if temporary else self._catalog.full_name(session, path)}", None
            case CreateSchema(schema=path):
                return f"Create schema {path[-1]}", None
            case CreateIndex(name=index):
                table, parts = self._indexes.to_create(session, statement)
                return f"Create index {index} on {table}", parts
            case DropIndex(name=path):
                return f"Drop index {path[-1]} of {self._indexes.to_drop(session, statement)}", None
            case Use() | SetSetting():
                return "Set a setting of the session", None
            case Transaction(kind=kind):
                return kind.capitalize(), None
            case Checkpoint():
                return "Checkpoint", None
            case CreateTag() | DropTag() | Restore() | Optimize() | Vacuum():
                return self.care.outline(session, statement), None
            case Kill(kind=kind):
                return f"Kill {kind.lower()}", None
            case Rename(kind=kind, name=path, to=to):
                return f"Rename {kind.lower()} {self._catalog.full_name(session, path)} to {to[-1]}", None
            case Drop():
                return f"Drop {statement.kind.lower()} {self._definitions.to_drop(context, statement)}", None
        raise UnsupportedError("This statement is not handled.")

    # ---- rows

    def _insert(self, context: StatementContext, statement: Insert, rows: Parameters) -> int:
        target = self._definitions.existing_target(context, statement.table)
        try:
            return self._append(context, statement, rows, target)
        except ConflictError:  # an UPDATE was faster: let no other one come in between
            return self._tables.alone(target, lambda: self._append(context, statement, rows, target))

    def _insert_all(self, context: StatementContext, statement: Statement, stream: ParameterStream) -> int:
        if not isinstance(statement, Insert):
            raise UnsupportedError("Only an INSERT takes its rows of parameters as a stream.")
        context.session.note_change()
        target = self._definitions.existing_target(context, statement.table)

        def append() -> int:
            found = self._insert_text(context, statement, target, None)
            with self._unless_altered(context, target, found.columns):
                return self._bound.append(context, target, found, stream)

        try:
            return append()
        except ConflictError:  # as for a few rows; but what has come in is gone
            if not stream.is_kept:
                raise
            return self._tables.alone(target, append)

    def _append(self, context: StatementContext, statement: Insert, rows: Parameters, target: Target) -> int:
        found = self._insert_text(context, statement, target, rows[0] if rows else ())
        with self._unless_altered(context, target, found.columns):
            try:
                return self._append_few(context, statement, rows, target, found)
            except OF_A_VALUE:
                stream = self._bound.stream_of(rows) if len(rows) > 1 else None
                if stream is None:
                    raise
                return self._bound.append(context, target, found, stream)  # which tells in which row it is

    def _append_few(
        self,
        context: StatementContext,
        statement: Insert,
        rows: Parameters,
        target: Target,
        found: rewriting.InsertText,
    ) -> int:
        if (appended := self._bound.append_few(context, target, found, rows)) is not None:
            return appended
        queries: list[tuple[str, Sequence[pa.Scalar]]] = []
        if statement.rows and not statement.ctes:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                part = rows[start : start + _ROWS_AT_ONCE]
                queries.append((found.in_text(len(part)), [value for row in part for value in row]))
        else:
            queries = [(found.in_text(), row) for row in rows]
        return Rows(self._planning, context, queries).store(target, WriteMode.APPEND)

    @contextmanager
    def _unless_altered(self, context: StatementContext, target: Target, columns: RowType) -> Iterator[None]:
        """Rows made for these columns, which the table has not any more, are a ConflictError, and can be made anew."""
        try:
            yield
        except SchemaMismatchError:
            if self._tables.columns(context, target)[0] == columns:
                raise
            raise ConflictError(f'The columns of table "{target.shown}" were changed meanwhile; try again.') from None

    def _insert_text(
        self, context: StatementContext, statement: Insert, target: Target, row: Sequence[pa.Scalar] | None
    ) -> rewriting.InsertText:
        """The SELECT of what an INSERT appends; the values of `row` are None where they are still to come."""
        columns, defaults = self._tables.columns(context, target)
        given = None
        if statement.query is not None:
            text = f"{statement.ctes} {statement.query}"
            if row is None:
                given = self._planning.unbound_schema(context.session, text).names
            else:
                given = self._planning.logical(context.session, text, row).names
        named = rewriting.insert_columns(statement, target.shown, columns, given)
        return rewriting.InsertText(statement, columns, named, defaults)
