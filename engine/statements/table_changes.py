"""Statements that change a table: UPDATE, DELETE, MERGE and ALTER.

They change single rows or columns where the storage can, and write their table anew from one SELECT over the version
that they read where it cannot. Where somebody else was faster, they begin again on the newer version.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pyarrow as pa

from engine.errors import ConflictError, SchemaMismatchError, UnknownTableError
from engine.kernel import quote
from engine.on_error import OnError
from engine.schema import RowType
from engine.sql.shown_columns import defaults_of, stored_schema
from engine.statements import rewriting, row_changes, scopes
from engine.statements.catalog import Target
from engine.statements.context import StatementContext
from engine.statements.definitions import Definitions
from engine.statements.descriptions import (
    AddColumn,
    AlterTable,
    ChangeType,
    ColumnDefinition,
    Delete,
    Merge,
    SetDefault,
    Update,
)
from engine.statements.merge_sources import keep_source
from engine.statements.merging import Merging
from engine.statements.planning import Planning
from engine.statements.row_changes import (
    AddressedSnapshot,
    RowQueries,
    RowQuery,
    RowStatement,
    may_name_hidden,
    own_values,
    sees_all_columns,
)
from engine.statements.rows import Rows
from engine.storage.protocol import AddField, ReplaceField, Snapshot, TableHandle, TableName

__all__ = ["TableChanges"]

_ATTEMPTS = 10
_FREE_ATTEMPTS = 3
_LOCKS = 64


class TableChanges:
    """Runs the statements that change a table's rows or columns. One at a time changes a table."""

    def __init__(self, planning: Planning, definitions: Definitions) -> None:
        self._planning = planning
        self._catalog = planning.catalog
        self._definitions = definitions
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def update(self, context: StatementContext, statement: Update, row: Sequence[pa.Scalar]) -> int:
        """An UPDATE with a row of parameters; returns how many rows it changed."""

        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            columns = self._types(handle)
            text = rewriting.update_query(statement, handle.name, columns, defaults_of(stored))
            return self._kept_rows(context, text, row, stored, marked=True)

        return self._rewrite(
            context,
            statement.table,
            rows,
            lambda _, data: data.hits,
            lambda target: self._by_rows(context, target, statement, row),
        )

    def delete(self, context: StatementContext, statement: Delete, row: Sequence[pa.Scalar]) -> int:
        """A DELETE with a row of parameters; returns how many rows it removed."""

        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            return self._kept_rows(context, rewriting.delete_query(statement, handle.name), row, stored)

        def count(handle: TableHandle, data: Rows) -> int:
            return (handle.rows or 0) - data.rows

        return self._rewrite(
            context, statement.table, rows, count, lambda target: self._by_rows(context, target, statement, row)
        )

    def merge(self, context: StatementContext, statement: Merge, row: Sequence[pa.Scalar]) -> int:
        """A MERGE with a row of parameters; returns how many rows it changed, removed and added."""

        def rows(handle: TableHandle, stored: pa.Schema) -> Rows:
            merging = self.resolve_merge(context, statement, handle.name, self._types(handle), defaults_of(stored))
            self._check_scope(context, merging.scope(), row)
            snapshot = self._catalog.snapshot(context.session)
            kept, snapshot = keep_source(self._planning, context, statement, handle.name, row, snapshot)
            if kept is statement:
                return self._kept_rows(context, merging.query(), row, stored, marked=True)
            query = own_values(self._planning.frontend.kernel.parse, merging.over(kept).query(), row)
            return self._kept_rows(context, query.text, query.row, stored, marked=True, snapshot=snapshot)

        def count(handle: TableHandle, data: Rows) -> int:
            deleted = (handle.rows or 0) - (data.rows - data.added)
            return data.hits + data.added + deleted

        return self._rewrite(
            context, statement.table, rows, count, lambda target: self._by_rows(context, target, statement, row)
        )

    def resolve_merge(
        self, context: StatementContext, statement: Merge, name: TableName, columns: RowType, defaults: dict[str, str]
    ) -> Merging:
        """What a MERGE means for the columns of its table."""
        session = context.session
        source = self._planning.frontend.result_schema(
            f"{statement.ctes} SELECT * FROM {statement.source}",
            snapshot=self._catalog.snapshot(session),
            names=self._catalog.names(session),
        )
        return Merging(statement, name, columns, defaults, source.names)

    def _check_names(
        self, context: StatementContext, statement: Update | Delete, table: TableName, row: Sequence[pa.Scalar]
    ) -> None:
        """Let the binder judge what the SELECT which runs would take for something else; see `scopes`."""
        has_calls = any("(" in text for text in scopes.assigned_texts(statement))
        if has_calls or statement.source is not None or may_name_hidden(statement):
            self._check_scope(context, scopes.updated_scope(statement, table), row)

    def _check_scope(self, context: StatementContext, text: str, row: Sequence[pa.Scalar]) -> None:
        """Let the binder judge the names in `text`, which has some of the parameters of a statement, or all."""
        numbers = "".join(f", ${number}" for number in range(1, len(row) + 1))
        with OnError(scopes.in_its_terms):
            self._planning.require_names(context.session, f"SELECT 1{numbers} FROM ({text}) WHERE false", row)

    def alter(self, context: StatementContext, statement: AlterTable) -> int:
        """An ALTER TABLE; returns 0."""

        def rows(handle: TableHandle, stored: pa.Schema) -> Rows | None:
            columns = self._types(handle)
            text = rewriting.alter_query(statement, handle.name, columns)
            if text is None:
                return None
            self._check_new_default(context, statement, handle.name, columns)
            data = Rows(self._planning, context, [(text, ())])
            data.keep(rewriting.altered_fields(statement, stored))
            return data

        def change(target: Target) -> int | None:
            return self._alter_field(context, statement, target)

        try:
            return self._rewrite(context, statement.table, rows, lambda *_: 0, change)
        except UnknownTableError:
            target = self._definitions.existing_target(context, statement.table)
            if statement.if_exists and not self._definitions.is_there(target):
                return 0
            raise

    def _alter_field(self, context: StatementContext, statement: AlterTable, target: Target) -> int | None:
        """Change the one column that a statement is about; None where the table must be written anew."""
        snapshot = self._catalog.snapshot(context.session)
        handle = snapshot.table(target.shown)
        stored, columns = self._stored_schema(target, handle), self._types(handle)
        if rewriting.alter_query(statement, handle.name, columns) is None:
            return 0
        self._check_new_default(context, statement, handle.name, columns)
        own = _own_name(handle, target)
        change = rewriting.field_change(statement, stored)
        if change is not None:
            return 0 if target.storage.alter(own, change) else None
        if isinstance(statement.action, ChangeType):
            return self._cast_field(context, statement, statement.action, target)
        if not isinstance(statement.action, AddColumn):
            return None
        column = statement.action.column
        data = Rows(self._planning, context, [(rewriting.new_values(column, handle.name), ())], snapshot=snapshot)
        data.keep(rewriting.defined_fields([column]))
        if column.default is None:
            return 0 if target.storage.alter(own, AddField(data.schema.field(0))) else None

        def add(reader: pa.RecordBatchReader) -> int:
            return int(target.storage.alter(own, AddField(data.schema.field(0), reader, data.is_valid)))

        return 0 if data.into(add) else None

    def _cast_field(
        self, context: StatementContext, statement: AlterTable, action: ChangeType, target: Target
    ) -> int | None:
        found = self._cast_queries(context, action, target)
        if found is None:
            return None
        data = Rows(self._planning, context, [(found.changed.text, ())], snapshot=found.snapshot)
        stored = self._stored_schema(target, found.snapshot.handle)
        data.keep(rewriting.altered_fields(statement, stored))
        own = _own_name(found.snapshot.handle, target)

        def replace_field(reader: pa.RecordBatchReader) -> int:
            with context.cancellation.scope():
                return int(target.storage.alter(own, ReplaceField(data.schema.field(1), reader, data.is_valid)))

        return 0 if data.into(replace_field) else None

    def _cast_queries(self, context: StatementContext, action: ChangeType, target: Target) -> RowQueries | None:
        """What computes the values of a column of another type; None where the table must be written anew."""
        snapshot = self._catalog.snapshot(context.session)
        handle = snapshot.table(target.shown)
        addressed, columns = target.storage.with_addresses(handle), self._types(handle)
        name = rewriting.find_column(columns, action.name, handle.name).name
        value = f"CAST(({action.using or quote(name)}) AS {action.type})"
        as_update = Update((), handle.name.table, ((name, value),))
        if addressed is None or self._sees_all(as_update, handle.name, columns):
            return None
        query = RowQuery(row_changes.cast_query(handle.name, name, value), ())
        return RowQueries(AddressedSnapshot(snapshot, addressed), query)

    def describe_alter(
        self, context: StatementContext, statement: AlterTable, target: Target
    ) -> tuple[str, str | RowQueries | None]:
        """What an ALTER would write, in a line, and the SELECT of it, which may be none."""
        handle = self._pin(context, target)
        text = rewriting.alter_query(statement, target.shown, self._types(handle))
        action = statement.action
        in_place = target.storage.with_addresses(handle) is not None and text is not None
        if in_place and isinstance(action, AddColumn):
            values = None if action.column.default is None else rewriting.new_values(action.column, target.shown)
            return f"Add a column to {target.shown}", values
        if (
            in_place
            and isinstance(action, ChangeType)
            and (cast := self._cast_queries(context, action, target)) is not None
        ):
            return f"Cast a column of {target.shown}", cast
        if in_place and rewriting.field_change(statement, self._stored_schema(target, handle)) is not None:
            return f"Change a column of {target.shown}", None
        return f"Rewrite {target.shown} by ALTER", text

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
        singly: Callable[[Target], int | None] | None = None,
    ) -> int:
        """Write a table anew with what `rows` makes of its newest version and its stored schema.

        What changes single rows or columns is tried before, where it is given; None says that it cannot be done so.
        """
        target = self._definitions.existing_target(context, path)

        def write() -> int:
            if singly is not None and (changed := singly(target)) is not None:
                return changed
            handle = self._pin(context, target)
            data = rows(handle, self._stored_schema(target, handle))
            if data is None:
                return 0

            def rewrite(reader: pa.RecordBatchReader) -> int:
                with context.cancellation.scope():
                    return target.storage.rewrite(_own_name(handle, target), reader, is_valid=data.is_valid)

            data.into(rewrite)
            return count(handle, data)

        return self.alone(target, write)

    def _by_rows(
        self, context: StatementContext, target: Target, statement: RowStatement, row: Sequence[pa.Scalar]
    ) -> int | None:
        """Change single rows, and return how many; None where the table must be written anew."""
        found = self.row_queries(context, target, statement, row, keeps_source=True)
        if found is None:
            return None
        stored = self._stored_schema(target, found.snapshot.handle)

        def rows(query: RowQuery) -> Rows:
            data = Rows(self._planning, context, [(query.text, query.row)], snapshot=found.snapshot)
            data.keep({field.name: field for field in stored})
            return data

        new = None if found.added is None else rows(found.added)
        data = rows(found.changed)

        def change(reader: pa.RecordBatchReader, more: pa.RecordBatchReader | None = None) -> int:
            valid = data.is_valid and (new is None or new.is_valid)
            target.storage.change(_own_name(found.snapshot.handle, target), reader, more, is_valid=valid)
            return data.rows + (0 if new is None else new.rows)

        try:
            if new is None:
                return data.into(change)
            return data.into(lambda reader: new.into(lambda more: change(reader, more)))
        except SchemaMismatchError:
            return None  # values that the columns do not hold as they are stored: the table gets others

    def row_queries(
        self,
        context: StatementContext,
        target: Target,
        statement: RowStatement,
        row: Sequence[pa.Scalar],
        keeps_source: bool = False,
    ) -> RowQueries | None:
        """What computes the rows that a statement changes; None where the table must be written anew.

        To run it, the source of a MERGE is read where it may give other rows each time.
        """
        snapshot: Snapshot = self._catalog.snapshot(context.session)
        handle = snapshot.table(target.shown)
        addressed = target.storage.with_addresses(handle)
        columns = self._types(handle)
        scopes.require_single_values(self._planning.frontend.kernel.parse, statement)
        if isinstance(statement, Update | Delete):
            self._check_names(context, statement, handle.name, row)
        if addressed is None or self._sees_all(statement, handle.name, columns):
            return None
        name, defaults, added = handle.name, defaults_of(self._stored_schema(target, handle)), None
        match statement:
            case Update():
                changed = row_changes.update_query(statement, name, columns, defaults)
            case Delete():
                changed = row_changes.delete_query(statement, name)
            case Merge():
                merging = self.resolve_merge(context, statement, name, columns, defaults)
                self._check_scope(context, merging.scope(), row)
                changed, added = merging.changed_rows(), merging.added_rows()
        texts = [changed] if added is None else [changed, added]
        parse = self._planning.frontend.kernel.parse
        queries = row_changes.with_values(parse, texts, row)
        if keeps_source and isinstance(statement, Merge):
            kept, snapshot = keep_source(self._planning, context, statement, name, row, snapshot)
            if kept is not statement:
                over = merging.over(kept)
                texts = [text for text in (over.changed_rows(), over.added_rows()) if text is not None]
                queries = [own_values(parse, text, row) for text in texts]
        return RowQueries(AddressedSnapshot(snapshot, addressed), *queries)

    def _sees_all(self, statement: RowStatement, table: TableName, columns: RowType) -> bool:
        """Whether a statement may mean columns that its table has only where it is read with addresses.

        So may one that means all columns at once, or names one of ours.
        """
        names = [column.name for column in columns]
        parse = self._planning.frontend.kernel.parse
        return may_name_hidden(statement, names) or sees_all_columns(parse, statement, table, names)

    def alone(self, target: Target, write: Callable[[], int]) -> int:
        """`write()` while no other statement of this server rewrites the table; again where somebody was faster.

        After some attempts while others who change the table wait, in whatever process.
        """
        with self._locks[hash(target.shown.key) % _LOCKS]:
            for _ in range(_FREE_ATTEMPTS):
                with suppress(ConflictError):
                    return write()
            with target.storage.reserve(target.name):
                for _ in range(_ATTEMPTS - _FREE_ATTEMPTS - 1):  # for other tools do not wait
                    with suppress(ConflictError):
                        return write()
                return write()

    # ---- parts

    def _kept_rows(
        self,
        context: StatementContext,
        text: str,
        row: Sequence[pa.Scalar],
        stored: pa.Schema,
        marked: bool = False,
        snapshot: Snapshot | None = None,
    ) -> Rows:
        """The rows of a table that keeps its columns."""
        data = Rows(self._planning, context, [(text, row)], marked, snapshot)
        data.keep({field.name: field for field in stored})
        return data

    def _pin(self, context: StatementContext, target: Target) -> TableHandle:
        return self._catalog.snapshot(context.session).table(target.shown)

    def _types(self, handle: TableHandle) -> RowType:
        return self._planning.frontend.table_columns(handle)

    def columns(self, context: StatementContext, target: Target) -> tuple[RowType, dict[str, str]]:
        """The columns of a table, and their defaults."""
        handle = self._pin(context, target)
        return self._types(handle), defaults_of(self._stored_schema(target, handle))

    @staticmethod
    def _stored_schema(target: Target, handle: TableHandle) -> pa.Schema:
        """The schema as it is stored; empty where a storage does not tell."""
        return stored_schema(target.storage, handle)


def _own_name(handle: TableHandle, target: Target) -> TableHandle:
    """The handle under the name that the table has in its storage."""
    return replace(handle, name=target.name)
