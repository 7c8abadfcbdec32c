"""OPTIMIZE, VACUUM, tags, RESTORE, and what tells of versions and tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from engine.errors import ConflictError, UnknownTableError, UnsupportedError
from engine.rights import Action
from engine.statements.care_descriptions import (
    CareReport,
    CareStatement,
    CreateTag,
    DropTag,
    Optimize,
    Restore,
    ShowTags,
    ShowVersions,
    Vacuum,
    VersionAsked,
)
from engine.statements.catalog import Catalog, Target
from engine.statements.context import StatementContext
from engine.statements.pins import Pins
from engine.statements.session import Session
from engine.storage.care import OptimizeReport
from engine.storage.protocol import TableHandle

__all__ = ["Care"]

_COUNTS = ("version", "fragments_before", "fragments_after", "files_before", "files_after", "bytes_before")
_OPTIMIZED = pa.schema([(name, pa.int64()) for name in (*_COUNTS, "bytes_after", "rows_indexed")])
_VACUUMED = pa.schema(
    [(name, pa.int64()) for name in ("versions_removed", "files_removed", "bytes_removed", "versions_left")]
)
_INSTANT = pa.timestamp("us", "UTC")
_VERSIONS = pa.schema(
    [
        ("version", pa.int64()),
        ("timestamp", _INSTANT),
        ("operation", pa.string()),
        ("rows", pa.int64()),
        ("fragments", pa.int64()),
        ("bytes", pa.int64()),
        ("tags", pa.list_(pa.string())),
    ]
)
_TAGS = pa.schema([("tag", pa.string()), ("version", pa.int64()), ("timestamp", _INSTANT)])
_FREE_ATTEMPTS = 2

Alone = Callable[[Target, Callable[[], int]], int]
"""Runs something while no other statement rewrites a table; again where one from outside did."""


class Care:
    """Runs what keeps tables in order. `pins` tells which versions are being read, `alone` keeps writers out."""

    def __init__(self, catalog: Catalog, pins: Pins, alone: Alone) -> None:
        self._catalog = catalog
        self._pins = pins
        self._alone = alone

    def authorize(self, session: Session, statement: CareStatement) -> Target:
        """The table that a statement is about. Raises where the session lacks the right, or it is a view."""
        action = _actions(statement)
        target = self._catalog.existing_target(session, statement.table, action)
        if action is Action.READ and self._catalog.view(target.name) is not None and not target.is_temporary:
            raise UnsupportedError(f'"{target.shown}" is a view, which keeps no versions; its tables do.')
        self._catalog.require_no_view(target)
        return target

    def report(self, context: StatementContext, statement: CareReport) -> pa.Table:
        """Run OPTIMIZE or VACUUM; what it did, in a row."""
        target = self.authorize(context.session, statement)
        with context.cancellation.scope():
            match statement:
                case Optimize():
                    return _table([self.optimize(target)], _OPTIMIZED)
                case Vacuum(retain=retain):
                    care = target.storage.care(target.name)
                    return _table([care.vacuum(retain, self._pins.tables)], _VACUUMED)

    @staticmethod
    def report_schema(statement: CareReport) -> pa.Schema:
        """The schema of what `report` gives."""
        return _OPTIMIZED if isinstance(statement, Optimize) else _VACUUMED

    def optimize(self, target: Target, threads: int | None = None) -> OptimizeReport:
        """Optimise a table. Again where a writer was faster; after some attempts while writers of this process wait."""
        care = target.storage.care(target.name)
        for _ in range(_FREE_ATTEMPTS):
            with suppress(ConflictError):
                return care.optimize(threads)
        found: list[OptimizeReport] = []

        def write() -> int:
            found[:] = [care.optimize(threads)]
            return 0

        self._alone(target, write)
        return found[0]

    def run(self, context: StatementContext, statement: CreateTag | DropTag | Restore) -> int:
        """Run a statement that is about one version; 0."""
        session = context.session
        target = self.authorize(session, statement)
        try:
            care = target.storage.care(target.name)
        except UnknownTableError:
            if isinstance(statement, Restore) or not statement.if_exists:
                raise
            return 0
        match statement:
            case CreateTag(tag=tag, version=asked, replace=replace):
                if statement.if_not_exists and tag in {fact.tag for fact in care.tags()}:
                    return 0
                care.create_tag(tag, self._version(session, target, asked), replace=replace)
            case DropTag(tag=tag):
                with suppress(*((UnknownTableError,) if statement.tag_exists else ())):
                    care.drop_tag(tag)
            case Restore(version=asked):
                version = self._version(session, target, asked)

                def restore() -> int:
                    care.restore(version)
                    return 0

                self._alone(target, restore)
        return 0

    def show(self, session: Session, statement: ShowVersions | ShowTags) -> pa.Table:
        """The versions or the tags of a table."""
        target = self.authorize(session, statement)
        care = target.storage.care(target.name)
        if isinstance(statement, ShowVersions):
            return _table(care.versions(), _VERSIONS)
        return _table(care.tags(), _TAGS)

    def outline(self, session: Session, statement: CareStatement) -> str:
        """What a statement would do, in a line."""
        target = self.authorize(session, statement)
        target.storage.care(target.name)
        match statement:
            case Restore(version=asked):
                return f"Restore {target.shown} to version {self._version(session, target, asked).version}"
            case CreateTag(tag=tag, version=asked):
                return f"Tag version {self._version(session, target, asked).version} of {target.shown} as {tag}"
            case DropTag(tag=tag):
                return f"Drop tag {tag} of {target.shown}"
        return f"{type(statement).__name__} {target.shown}"

    def _version(self, session: Session, target: Target, asked: VersionAsked) -> TableHandle:
        return self._catalog.snapshot(session).table(target.shown, asked.version, asked.at)


def _actions(statement: CareStatement) -> Action:
    match statement:
        case ShowVersions() | ShowTags():
            return Action.READ
        case Optimize():
            return Action.WRITE
    return Action.ADMIN


def _table(facts: Sequence[Any], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([asdict(fact) for fact in facts], schema)
