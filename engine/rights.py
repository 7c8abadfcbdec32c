"""Rights: what a role may do with which tables.

`read` is to see a table and its rows, `write` to change its rows, `admin` to create, replace, alter and drop it; each
holds the one before it. A pattern is ``schema.table``, in which ``*`` stands for any text; case does not matter. The
roles `reader`, `writer` and `admin` are there without a file and reach every table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import cached_property

from engine.errors import ForbiddenError, UnknownTableError
from engine.storage.names import unknown_table
from engine.storage.protocol import Snapshot, TableHandle, TableName, Version
from engine.wildcards import Wildcards, glob

__all__ = [
    "ALL",
    "ANONYMOUS",
    "BUILT_IN",
    "Action",
    "Grant",
    "Grants",
    "Identity",
    "ReadableSnapshot",
    "Rights",
    "grant",
]


@dataclass(frozen=True)
class Identity:
    """Who asks, and in which roles. Tickets, handles and sessions belong to an identity, by its name."""

    name: str
    roles: frozenset[str] = frozenset()


ANONYMOUS = Identity("anonymous", frozenset({"admin"}))
"""Who asks where nobody has to log in."""


class Action(IntEnum):
    """What is done with a table; each action holds those below it."""

    READ = 1
    WRITE = 2
    ADMIN = 3


@dataclass(frozen=True)
class Grant:
    """An action on the tables whose schema and name match."""

    schema: Wildcards
    table: Wildcards
    action: Action

    def covers(self, action: Action, table: TableName) -> bool:
        # Each part by itself: a name may hold a dot.
        schema, name = table.key
        return self.action >= action and self.schema.matches(schema) and self.table.matches(name)


def grant(pattern: str, action: Action) -> Grant:
    """The action on what ``schema.table`` covers, in which ``*`` stands for any text."""
    schema, _, table = pattern.lower().partition(".")
    return Grant(glob(schema), glob(table), action)


_EVERYTHING = grant("*.*", Action.ADMIN)

BUILT_IN: Mapping[str, tuple[Grant, ...]] = {
    "reader": (grant("*.*", Action.READ),),
    "writer": (grant("*.*", Action.WRITE),),
    "admin": (_EVERYTHING,),
}


@dataclass(frozen=True)
class Rights:
    """Grants by role."""

    roles: Mapping[str, tuple[Grant, ...]] = field(default_factory=lambda: BUILT_IN)

    def may(self, identity: Identity, action: Action, table: TableName) -> bool:
        """Whether one of the identity's roles grants the action."""
        return any(one.covers(action, table) for role in identity.roles for one in self.roles.get(role, ()))

    def check(
        self, identity: Identity, action: Action, table: TableName, tables: Callable[[], Iterable[TableName]] = tuple
    ) -> None:
        """Raise where the identity may not.

        A table that it may not even read is unknown to it: UnknownTableError, with the nearest of those that `tables`
        gives and it may read. Otherwise ForbiddenError.
        """
        if self.may(identity, action, table):
            return
        if not self.may(identity, Action.READ, table):
            raise unknown_table(table, self.readable(identity, tables()))
        raise ForbiddenError(f'You may not {_VERBS[action]} the table "{table}"; ask an administrator for the right.')

    def readable(self, identity: Identity, tables: Iterable[TableName]) -> list[TableName]:
        """Those of `tables` that the identity may read."""
        return [table for table in tables if self.may(identity, Action.READ, table)]


_VERBS = {Action.READ: "read", Action.WRITE: "change the rows of", Action.ADMIN: "create, alter or drop"}


@dataclass(frozen=True)
class Grants:
    """The rights of one identity."""

    rights: Rights
    identity: Identity

    def may(self, action: Action, table: TableName) -> bool:
        """Whether the action is granted."""
        return self.is_administrator or self.rights.may(self.identity, action, table)

    @cached_property
    def is_administrator(self) -> bool:
        """Whether everything may be done with every table, of whatever name."""
        return any(_EVERYTHING in self.rights.roles.get(role, ()) for role in self.identity.roles)

    def check(self, action: Action, table: TableName, tables: Callable[[], Iterable[TableName]] = tuple) -> None:
        """Raise as `Rights.check`."""
        self.rights.check(self.identity, action, table, tables)

    def readable(self, tables: Iterable[TableName]) -> list[TableName]:
        """Those of `tables` that may be read."""
        return self.rights.readable(self.identity, tables)


ALL = Grants(Rights(), ANONYMOUS)


class ReadableSnapshot:
    """A snapshot in which only the tables exist that an identity may read.

    Every table of a statement is looked up in its snapshot, whether it stands in a view, a CTE or a subquery, and
    before anything is known of its columns: so this is where rights to read are held.
    """

    def __init__(self, snapshot: Snapshot, grants: Grants, tables: Callable[[], Iterable[TableName]]) -> None:
        self._snapshot, self._grants, self._tables = snapshot, grants, tables

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        if not self._grants.may(Action.READ, name):
            raise self._unknown(name)
        try:
            return self._snapshot.table(name, version, at)
        except UnknownTableError as error:
            if version is not None or at is not None:
                raise
            raise self._unknown(name) from error  # whose advice names only what may be read

    def _unknown(self, name: TableName) -> UnknownTableError:
        return unknown_table(name, self._grants.readable(self._tables()))
