"""The tables as one session sees them: those of the server, and its own temporary ones before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from engine.errors import GrismError, TableExistsError, UnknownTableError
from engine.schema import RowType
from engine.sql.stored_views import StoredViews
from engine.sql.views import Names, View
from engine.storage import DirectoryStorage
from engine.storage.names import unknown_schema, unknown_table
from engine.storage.protocol import (
    CATALOG,
    DEFAULT_SCHEMA,
    ArrowSource,
    Snapshot,
    Storage,
    TableHandle,
    TableName,
    WriteMode,
)
from flight_server.auth.rights import Action, ReadableSnapshot
from flight_server.service.columns import shown_columns
from flight_server.service.information_schema import INFORMATION_SCHEMA, information_view
from flight_server.service.sessions import TEMPORARY, Session

__all__ = ["TABLE_TYPE", "TEMPORARY_TYPE", "VIEW_TYPE", "Catalog", "ColumnsOf", "Target"]


@dataclass(frozen=True)
class Target:
    """A table to be written: `name` is what `storage` calls it, `shown` what the client does."""

    storage: Storage
    name: TableName
    shown: TableName

    @property
    def is_temporary(self) -> bool:
        """Whether the table goes with its session."""
        return self.shown.schema == TEMPORARY


TABLE_TYPE, VIEW_TYPE, TEMPORARY_TYPE = "TABLE", "VIEW", "LOCAL TEMPORARY"

ColumnsOf = Callable[[Session, TableName], RowType]
"""Gives the columns of a table or view; none where it cannot be read."""


class Catalog:
    """What names mean in a session."""

    def __init__(self, storage: Storage, views: StoredViews | None = None, columns: ColumnsOf | None = None) -> None:
        self.storage = storage
        self.stored_views = views
        self.columns = columns or (lambda _session, _name: ())

    def names(self, session: Session) -> Names:
        """How a statement's names are looked up."""
        schemas = (session.schema,) if session.temporary is None else (TEMPORARY, session.schema)
        return Names(schemas, _SessionViews(self, session), session.grants.identity.name)

    def snapshot(self, session: Session) -> Snapshot:
        """The tables as they are now."""
        snapshot, temporary = self.storage.snapshot(), session.temporary
        snapshot = ReadableSnapshot(snapshot, session.grants, self.storage.tables)
        return snapshot if temporary is None else _SessionSnapshot(snapshot, temporary)

    def schemas(self, session: Session) -> list[str]:
        """Schema names, sorted; that of temporary tables where there are any."""
        known = {DEFAULT_SCHEMA, *(name.schema for name in self.tables(session))}
        for name in self.storage.schemas():  # which may be empty
            if session.grants.may(Action.READ, TableName(name, "")):
                known.add(name)
        return sorted(known | ({TEMPORARY} if session.temporary is not None else set()))

    def tables(self, session: Session) -> list[TableName]:
        """Every table, temporary ones first."""
        own = [] if session.temporary is None else session.temporary.tables()
        return [*(TableName(TEMPORARY, name.table) for name in own), *session.grants.readable(self.storage.tables())]

    def views(self, session: Session) -> list[View]:
        """The views that may be read, by name."""
        found = [] if self.stored_views is None else self.stored_views.all()
        return [view for view in found if session.grants.may(Action.READ, view.name)]

    def relations(self, session: Session) -> list[tuple[TableName, str]]:
        """Tables and views, with their types."""
        tables = [(name, TEMPORARY_TYPE if name.schema == TEMPORARY else TABLE_TYPE) for name in self.tables(session)]
        return sorted([*tables, *((view.name, VIEW_TYPE) for view in self.views(session))])

    def view(self, name: TableName) -> View | None:
        """The view of that name, or None."""
        return None if self.stored_views is None else self.stored_views.find(name)

    def require_no_view(self, target: Target) -> None:
        """Raise TableExistsError where a view has the name of a table to be made or written."""
        if not target.is_temporary and self.view(target.name) is not None:
            raise TableExistsError(f'"{target.name}" is a view; views are not written to.')

    def shown_schemas(self, session: Session, within: Sequence[str] = ()) -> set[str]:
        """The schemas in which SHOW looks, in lower case: those of bare names, or what is `within` a path.

        Raises UnknownTableError where there is no such schema.
        """
        if not within:
            return {session.schema.lower(), TEMPORARY}
        known = {schema.lower() for schema in self.schemas(session)}
        match [part.lower() for part in within]:
            case [schema] if schema in known:
                return {schema}
            case [catalog, schema] if catalog == CATALOG and schema in known:
                return {schema}
            case [catalog] if catalog == CATALOG:
                return known
        raise unknown_schema(".".join(within), known)

    def stored(self, session: Session, path: Sequence[str]) -> pa.Schema:
        """The fields of a table as they are stored; none of a view, and where a storage does not tell."""
        name = self.meant(session, path)
        if self.view(name) is not None:
            return pa.schema([])
        try:
            handle = self.snapshot(session).table(name)
            source = self.storage.probe(handle)
        except GrismError:  # which a query of the table reports
            return pa.schema([])
        return source.data.schema if isinstance(source, ArrowSource) else pa.schema([])

    def full_name(self, session: Session, path: Sequence[str]) -> TableName:
        """The full name of what a statement calls `path`; raises UnknownTableError for another catalog."""
        match path:
            case [table]:
                return TableName(session.schema, table)
            case [schema, table] if schema.lower() != CATALOG or schema in self.storage.schemas():
                return TableName(schema, table)
            case [_, table]:
                return TableName(session.schema, table)
            case [catalog, schema, table] if catalog.lower() == CATALOG:
                return TableName(schema, table)
        raise UnknownTableError(f'There is no catalog "{path[0]}"; the catalog is "{CATALOG}".')

    def meant(self, session: Session, path: Sequence[str]) -> TableName:
        """The full name of what a query reads as `path`: a temporary table where one has a bare name."""
        name, temporary = self.full_name(session, path), session.temporary
        if len(path) == 1 and temporary is not None and _has(temporary, name.table):
            return TableName(TEMPORARY, name.table)
        return name

    def existing(self, session: Session, path: Sequence[str], action: Action = Action.WRITE) -> Target:
        """What a statement that changes a table means by `path`: a temporary table, or else one of the server's.

        Raises UnknownTableError and ForbiddenError where the session may not do `action` with it.
        """
        name, temporary = self.meant(session, path), session.temporary
        if name.schema.lower() == TEMPORARY:
            if temporary is None:
                raise unknown_table(name, ())
            return _temporary(temporary, name.table)
        session.grants.check(action, name, self.storage.tables())
        return Target(self.storage, name, name)

    def new(self, session: Session, path: Sequence[str], temporary: bool) -> Target:
        """Where a table that is made as `path` goes. A temporary one begins the session."""
        name = self.full_name(session, path)
        if temporary and len(path) > 1 and name.schema.lower() != TEMPORARY:
            raise UnknownTableError(f'A temporary table has no schema but "{TEMPORARY}"; leave "{name.schema}" out.')
        if temporary or name.schema.lower() == TEMPORARY:
            return _temporary(session.make_temporary(), name.table)
        session.grants.check(Action.ADMIN, name, self.storage.tables())
        return Target(self.storage, name, name)

    def uploaded(self, session: Session, path: Sequence[str], mode: WriteMode) -> tuple[Target, WriteMode]:
        """Where an upload to `path` goes, and how it is written there. Raises as `existing` and `new`.

        To append takes the right to write, to create or replace that of an administrator. Who has only the first does
        no more than append, so that a table that is dropped meanwhile is not made again.
        """
        if mode is WriteMode.CREATE:
            return self.new(session, path, False), mode
        target = self.existing(session, path, Action.ADMIN if mode is WriteMode.REPLACE else Action.WRITE)
        if mode is WriteMode.CREATE_APPEND and not target.is_temporary:
            if target.name.key not in {name.key for name in self.storage.tables()}:
                session.grants.check(Action.ADMIN, target.name)
            if not session.grants.may(Action.ADMIN, target.name):
                mode = WriteMode.APPEND
        return target, mode


def _temporary(storage: DirectoryStorage, table: str) -> Target:
    return Target(storage, TableName(DEFAULT_SCHEMA, table), TableName(TEMPORARY, table))


def _has(storage: DirectoryStorage, table: str) -> bool:
    return table.lower() in {name.table.lower() for name in storage.tables(DEFAULT_SCHEMA)}


@dataclass(frozen=True, eq=False)
class _SessionViews:
    """The views that a session may read, and `information_schema`.

    All are equal: with a plan that is kept are the views in it, so it does not matter whose they were.
    """

    catalog: Catalog
    session: Session

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SessionViews) and other.catalog is self.catalog

    def __hash__(self) -> int:
        return hash(id(self.catalog))

    def find(self, name: TableName) -> View | None:
        """The view of that name, in any case, or None."""
        if name.schema.lower() == INFORMATION_SCHEMA:
            catalog, session = self.catalog, self.session
            return information_view(
                name,
                lambda: catalog.schemas(session),
                lambda: catalog.relations(session),
                catalog.storage.read_only,
                lambda table: shown_columns(
                    catalog.columns(session, table), catalog.stored(session, (table.schema, table.table))
                ),
                lambda: catalog.views(session),
            )
        return self.catalog.view(name) if self.session.grants.may(Action.READ, name) else None


class _SessionSnapshot:
    """A snapshot in which `temp` holds the session's own tables."""

    def __init__(self, snapshot: Snapshot, temporary: DirectoryStorage) -> None:
        self._snapshot, self._temporary = snapshot, temporary.snapshot()

    @property
    def id(self) -> str:
        """Names the snapshot in logs and contexts."""
        return self._snapshot.id

    def table(self, name: TableName, version: str | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        if name.schema.lower() != TEMPORARY:
            return self._snapshot.table(name, version, at)
        found = self._temporary.table(TableName(DEFAULT_SCHEMA, name.table), version, at)
        return replace(found, name=TableName(TEMPORARY, found.name.table))
