"""The tables as one session sees them: those of the server, and its own temporary ones before them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from engine.cancellation import require_answer
from engine.errors import GrismError, UnknownTableError, UnsupportedError
from engine.rights import Action, ReadableSnapshot
from engine.sql.shown_columns import Constraints, ShownColumn, constraints
from engine.sql.views import Names, View
from engine.statements.held_views import HeldViews
from engine.statements.information_schema import INFORMATION_SCHEMA, InformationSchema
from engine.statements.pins import Pins
from engine.statements.session import TEMPORARY, Session
from engine.statements.stored_views import StoredViews
from engine.statements.system_tables import SYSTEM, SystemTables
from engine.statements.table_facts import table_rows
from engine.storage.indexes import StoredIndex
from engine.storage.names import full_name, unknown_schema, unknown_table, view_error
from engine.storage.protocol import (
    CATALOG,
    DEFAULT_SCHEMA,
    Snapshot,
    Storage,
    TableHandle,
    TableName,
    TableStore,
    Version,
    WriteMode,
)

__all__ = ["TABLE_TYPE", "TEMPORARY_TYPE", "VIEW_TYPE", "Catalog", "ColumnsOf", "Target"]


@dataclass(frozen=True)
class Target:
    """A table to be written: `name` is what `storage` calls it, `shown` what the client does."""

    storage: TableStore
    name: TableName
    shown: TableName

    @property
    def is_temporary(self) -> bool:
        """Whether the table goes with its session."""
        return self.shown.schema == TEMPORARY


TABLE_TYPE, VIEW_TYPE, TEMPORARY_TYPE = "TABLE", "VIEW", "LOCAL TEMPORARY"

SettingsOf = Callable[[Session], Mapping[str, str | bool | int | float]]
"""Gives the settings that a session has, by name."""

ColumnsOf = Callable[[Session, Snapshot, TableName, str], tuple[ShownColumn, ...]]
"""Gives the columns of a table or view, by its type; none where it cannot be read."""


class Catalog:
    """What names mean in a session."""

    def __init__(self, storage: Storage, views: StoredViews | HeldViews, columns: ColumnsOf | None = None) -> None:
        self.storage = storage
        self.stored_views = views
        storage.share_names(views)
        self.columns = columns or (lambda *_: ())
        self.settings: SettingsOf = lambda _: {}
        self.information = InformationSchema()
        self.pins = Pins()
        self.system = SystemTables()
        self.system.offer("tables", partial(table_rows, storage))

    def names(self, session: Session) -> Names:
        """How a statement's names are looked up."""
        schemas = (session.schema,) if session.temporary is None else (TEMPORARY, session.schema)
        return Names(schemas, _SessionViews(self, session), session.grants.identity.name)

    def snapshot(self, session: Session) -> Snapshot:
        """The tables as they are now, those of `information_schema` and `system` among them."""
        return _SessionSnapshot(self, session)

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
        own = [] if session.temporary is None else session.temporary.views.all()
        return [*own, *(view for view in self.stored_views.all() if session.grants.may(Action.READ, view.name))]

    def relations(self, session: Session) -> list[tuple[TableName, str]]:
        """Tables and views, with their types."""
        tables = [(name, TEMPORARY_TYPE if name.schema == TEMPORARY else TABLE_TYPE) for name in self.tables(session)]
        return sorted([*tables, *((view.name, VIEW_TYPE) for view in self.views(session))])

    def view(self, name: TableName) -> View | None:
        """The view of that name, or None."""
        return self.stored_views.find(name)

    def require_no_view(self, target: Target) -> None:
        """Raise TableExistsError where a view has the name of a table to be made or written."""
        if not target.is_temporary and self.view(target.name) is not None:
            raise view_error(target.name)

    def shown_schemas(self, session: Session, within: Sequence[str] = ()) -> set[str]:
        """The schemas in which SHOW looks, in lower case: those of bare names, or what is `within` a path.

        Raises UnknownTableError where there is no such schema.
        """
        if not within:
            return {session.schema.lower(), TEMPORARY}
        known = {schema.lower() for schema in self.schemas(session)}
        match [part.lower() for part in within]:
            case [schema] if schema in known or schema == SYSTEM:
                return {schema}
            case [catalog, schema] if catalog == CATALOG and (schema in known or schema == SYSTEM):
                return {schema}
            case [catalog] if catalog == CATALOG:
                return known
        raise unknown_schema(".".join(within), known)

    def constraints(self, session: Session, path: Sequence[str]) -> Constraints:
        """What a table says of its columns; nothing of a view."""
        name = self.readable_name(session, path)
        if _SessionViews(self, session).find(name) is not None:
            return Constraints()
        try:
            return constraints(self.storage, self.snapshot(session).table(name))
        except GrismError as error:  # which a query of the table reports
            require_answer(error)
            return Constraints()

    def full_name(self, session: Session, path: Sequence[str]) -> TableName:
        """The full name of what a statement calls `path`; raises UnknownTableError for another catalog."""
        return full_name(path, session.schema, self.storage.schemas)

    def readable_name(self, session: Session, path: Sequence[str]) -> TableName:
        """The full name of what a query reads as `path`: a temporary table where one has a bare name."""
        name, temporary = self.full_name(session, path), session.temporary
        own = TableName(TEMPORARY, name.table)
        if len(path) == 1 and temporary is not None and (_has(temporary, name.table) or temporary.views.has(own)):
            return own
        return name

    def views_at(self, session: Session, path: Sequence[str]) -> tuple[TableName, StoredViews | HeldViews]:
        """The full name of what a statement about views calls `path`, and the views of which it is one, or may be."""
        name, temporary = self.full_name(session, path), session.temporary
        if temporary is not None:
            own = TableName(TEMPORARY, name.table)
            if name.schema.lower() == TEMPORARY or (len(path) == 1 and temporary.views.has(own)):
                return own, temporary.views
        return name, self.stored_views

    def existing_target(self, session: Session, path: Sequence[str], action: Action = Action.WRITE) -> Target:
        """What a statement that changes a table means by `path`: a temporary table, or else one of the server's.

        Raises UnknownTableError and ForbiddenError where the session may not do `action` with it.
        """
        name, temporary = self.readable_name(session, path), session.temporary
        if action is not Action.READ:
            _require_own(name)
        if name.schema.lower() == TEMPORARY:
            if temporary is None:
                raise unknown_table(name, ())
            if action is not Action.READ and temporary.views.has(name):
                raise view_error(name)
            return _temporary(temporary, name.table)
        if name.schema.lower() == SYSTEM:
            return Target(self.storage, name, name)
        session.grants.check(action, name, self.storage.tables)
        return Target(self.storage, name, name)

    def new(self, session: Session, path: Sequence[str], temporary: bool) -> Target:
        """Where a table that is made as `path` goes. A temporary one begins the session."""
        name = self.full_name(session, path)
        if temporary and len(path) > 1 and name.schema.lower() != TEMPORARY:
            raise UnknownTableError(f'A temporary table has no schema but "{TEMPORARY}"; leave "{name.schema}" out.')
        if temporary or name.schema.lower() == TEMPORARY:
            return _temporary(session.make_temporary(), name.table)
        _require_own(name)
        session.grants.check(Action.ADMIN, name, self.storage.tables)
        return Target(self.storage, name, name)

    def upload_target(self, session: Session, path: Sequence[str], mode: WriteMode) -> tuple[Target, WriteMode]:
        """Where an upload to `path` goes, and how it is written there. Raises as `existing_target` and `new`.

        To append takes the right to write, to create or replace that of an administrator. Who has only the first does
        no more than append, so that a table that is dropped meanwhile is not made again.
        """
        session.note_change()
        if mode is WriteMode.CREATE:
            return self.new(session, path, False), mode
        target = self.existing_target(session, path, Action.ADMIN if mode is WriteMode.REPLACE else Action.WRITE)
        if mode is WriteMode.CREATE_APPEND and not target.is_temporary:
            if target.name.key not in {name.key for name in self.storage.tables()}:
                session.grants.check(Action.ADMIN, target.name)
            if not session.grants.may(Action.ADMIN, target.name):
                mode = WriteMode.APPEND
        return target, mode


def _temporary(storage: TableStore, table: str) -> Target:
    return Target(storage, TableName(DEFAULT_SCHEMA, table), TableName(TEMPORARY, table))


def _require_own(name: TableName) -> None:
    schema = name.schema.lower()
    if schema in (INFORMATION_SCHEMA, SYSTEM):
        raise UnsupportedError(f'The schema "{schema}" shows what there is; nothing in it can be changed.')


def _has(storage: TableStore, table: str) -> bool:
    return table.lower() in {name.table.lower() for name in storage.tables(DEFAULT_SCHEMA)}


@dataclass(frozen=True, eq=False)
class _SessionViews:
    """The views that a session may read.

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
        if name.schema.lower() == TEMPORARY:
            return None if self.session.temporary is None else self.session.temporary.views.find(name)
        return self.catalog.view(name) if self.session.grants.may(Action.READ, name) else None


class _SessionSnapshot:
    """A snapshot of what a session may read, in which `temp` holds its own tables.

    A table of `information_schema` is made when it is first named, and tells of this snapshot. The versions that it has
    given are known to be read for as long as it lives, which is until a plan of them is.
    """

    def __init__(self, catalog: Catalog, session: Session) -> None:
        self._catalog, self._session = catalog, session
        storage, temporary = catalog.storage, session.temporary
        self._snapshot = ReadableSnapshot(storage.snapshot(), session.grants, storage.tables)
        self._temporary = None if temporary is None else temporary.snapshot()
        self._information: dict[str, TableHandle] = {}
        self._given: set[TableHandle] = set()

    def tables(self) -> Set[TableHandle]:
        """The versions that were asked for."""
        return self._given.copy()

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        schema = name.schema.lower()
        if schema in (INFORMATION_SCHEMA, SYSTEM):
            if version is not None or at is not None:
                raise UnsupportedError(f'"{name}" has no versions; it tells of what is there now.')
            if schema == SYSTEM:
                return self._catalog.system.table(name, self._session.grants)
            return self._of_information(name)
        if schema == TEMPORARY and self._temporary is not None:
            found = self._temporary.table(TableName(DEFAULT_SCHEMA, name.table), version, at)
            return replace(found, name=TableName(TEMPORARY, found.name.table))
        found = self._snapshot.table(name, version, at)
        is_first = not self._given
        self._given.add(found)
        if is_first:
            self._catalog.pins.add(self)
        return found

    def _of_information(self, name: TableName) -> TableHandle:
        key, information = name.table.lower(), self._catalog.information
        if key not in self._information:
            # To tell of the columns of a view over this very table, it takes the table's columns only.
            self._information[key] = information.empty(name)
            try:
                self._information[key] = information.table(name, self)
            except BaseException:
                del self._information[key]
                raise
        return self._information[key]

    # what `information_schema` tells of

    def schemas(self) -> list[str]:
        return self._catalog.schemas(self._session)

    def relations(self) -> list[tuple[TableName, str]]:
        return self._catalog.relations(self._session)

    def read_only(self) -> Set[TableName]:
        return self._catalog.storage.read_only()

    def columns(self, name: TableName, kind: str) -> tuple[ShownColumn, ...]:
        return self._catalog.columns(self._session, self, name, kind)

    def version(self, name: TableName, kind: str) -> Hashable:
        if kind == VIEW_TYPE:
            return self.columns(name, kind)
        try:
            return self.table(name)
        except Exception as error:  # whatever the libraries make of files of others: it is listed without columns
            require_answer(error)
            return None

    def rows(self, name: TableName) -> int | None:
        try:
            return self.table(name).rows
        except Exception as error:  # as in `version`
            require_answer(error)
            return None

    def indexes(self, name: TableName) -> Sequence[StoredIndex]:
        temporary = self._session.temporary
        try:
            handle = self.table(name)
            if name.schema == TEMPORARY and temporary is not None:
                return temporary.indexes(replace(handle, name=TableName(DEFAULT_SCHEMA, name.table))).all()
            return self._catalog.storage.indexes(handle).all()
        except Exception as error:  # as in `version`
            require_answer(error)
            return ()

    def views(self) -> list[View]:
        return self._catalog.views(self._session)

    def settings(self) -> Mapping[str, str | bool | int | float]:
        return self._catalog.settings(self._session)
