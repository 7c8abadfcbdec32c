"""Statements about indexes: CREATE INDEX, DROP INDEX and SHOW INDEXES."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pyarrow as pa

from engine.errors import (
    ConflictError,
    DataCorruptError,
    IndexExistsError,
    PlanningError,
    StorageError,
    UnknownIndexError,
    UnsupportedError,
    nearest,
)
from engine.physical import PhysicalPlan
from engine.progress import tell_progress
from engine.rights import Action
from engine.run_progress import RunProgress
from engine.statements.catalog import Target
from engine.statements.context import StatementContext, watch_nothing
from engine.statements.descriptions import CreateIndex, DropIndex, Path
from engine.statements.planning import Planning
from engine.statements.session import TEMPORARY, Session
from engine.storage.indexes import BuildProgress, IndexBuilder, IndexDefinition, StoredIndex, TableIndexes
from engine.storage.protocol import TableName

__all__ = ["Indexes"]

_FREE_ATTEMPTS = 3
_SHOWN = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("columns", pa.list_(pa.string())),
        ("rows_indexed", pa.int64()),
        ("rows_not_indexed", pa.int64()),
        ("version", pa.int64()),
        ("bytes", pa.int64()),
        ("options", pa.string()),
    ]
)


class Indexes:
    """Makes, drops and shows indexes. Who may alter a table may do so with its indexes, who reads it sees them."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning
        self._catalog = planning.catalog

    def create(self, context: StatementContext, statement: CreateIndex) -> int:
        """Build an index over the newest version of its table, again where too much of it has changed meanwhile; 0."""
        definition, target = _definition(statement), self._target(context.session, statement.table)

        def build() -> None:
            indexes = self._of(context.session, target)
            if statement.if_not_exists and _find(indexes.all(), statement.name) is not None:
                return
            indexes.create(definition, context.cancellation, watch, apart)

        runs: list[RunProgress] = []

        def apart(builder: IndexBuilder) -> list[str] | None:
            plan = self._planning.index_plan(context.session, builder)
            return None if plan is None else self._build_parts(replace(context, follow=follow), plan)

        def follow(run: RunProgress) -> None:
            runs.append(run)
            context.follow(run)

        def watch(progress: BuildProgress) -> None:
            tell_progress(f"building {statement.name}: {(runs and _tasks_of(runs[-1])) or progress}")
            context.poll()

        try:
            _again(build, target)
        except IndexExistsError:  # somebody was faster
            if not statement.if_not_exists:
                raise
        return 0

    def _build_parts(self, context: StatementContext, plan: PhysicalPlan) -> list[str]:
        """What the tasks of a plan tell of the parts of an index that they built."""
        with self._planning.execute(replace(context, watch=watch_nothing), plan) as result:
            return [text for batch in result for text in batch.column(0).to_pylist()]

    def drop(self, context: StatementContext, statement: DropIndex) -> int:
        """Drop an index; 0."""
        session = context.session
        try:
            target = self._target(session, statement.table) if statement.table else self._owner(session, statement)
            self._of(session, target).drop(statement.name[-1])
        except UnknownIndexError:
            if not statement.if_exists:
                raise
        return 0

    def to_create(self, session: Session, statement: CreateIndex) -> tuple[TableName, PhysicalPlan | None]:
        """The table that a statement would make an index of, and the plan of the parts that others would build.

        Raises as `create`.
        """
        definition, target = _definition(statement), self._target(session, statement.table)
        indexes = self._of(session, target)
        if statement.if_not_exists and _find(indexes.all(), statement.name) is not None:
            return target.shown, None
        builder = indexes.to_create(definition)
        return target.shown, None if builder is None else self._planning.index_plan(session, builder)

    def to_drop(self, session: Session, statement: DropIndex) -> TableName:
        """The table whose index a statement would drop; raises where it may not."""
        return (self._target(session, statement.table) if statement.table else self._owner(session, statement)).shown

    def show(self, session: Session, path: Path) -> pa.Table:
        """The answer to SHOW INDEXES."""
        target = self._catalog.existing_target(session, path, Action.READ)
        if not target.is_temporary and self._catalog.view(target.name) is not None:
            raise UnsupportedError(f'"{target.shown}" is a view, which has no indexes; its tables do.')
        rows = [
            {
                "name": index.name,
                "kind": index.kind,
                "columns": list(index.columns),
                "rows_indexed": index.rows,
                "rows_not_indexed": index.other_rows,
                "version": index.version,
                "bytes": index.bytes,
                "options": json.dumps(dict(index.options), sort_keys=True) if index.options else None,
            }
            for index in self._of(session, target).all()
        ]
        return pa.Table.from_pylist(rows, _SHOWN)

    def _target(self, session: Session, path: Path) -> Target:
        target = self._catalog.existing_target(session, path, Action.ADMIN)
        self._catalog.require_no_view(target)
        return target

    def _owner(self, session: Session, statement: DropIndex) -> Target:
        """The one table that has an index of the name, among those of its schema that the session may alter."""
        *schema, name = statement.name
        home = self._catalog.full_name(session, statement.name).schema
        known: list[str] = []
        owners: list[Target] = []
        for table in self._catalog.tables(session):
            is_own = table.schema.lower() == home.lower() or (not schema and table.schema == TEMPORARY)
            if not is_own or not session.grants.may(Action.READ, table):
                continue
            target = self._catalog.existing_target(session, (table.schema, table.table), Action.READ)
            try:
                names = [index.name for index in self._of(session, target).all()]
            except (StorageError, DataCorruptError):  # which a query of that table reports
                continue
            known += names
            if name.lower() in {each.lower() for each in names}:
                owners.append(target)
        if len(owners) > 1:
            tables = ", ".join(f'"{owner.shown}"' for owner in owners[:10])
            raise PlanningError(f'Several tables have an index "{name}": {tables}; say DROP INDEX {name} ON which.')
        if owners:
            return self._target(session, (owners[0].shown.schema, owners[0].shown.table))
        near = nearest(name, known)
        advice = f'did you mean "{near}"?' if near else "SHOW INDEXES FROM a table lists its own."
        raise UnknownIndexError(f'There is no index "{name[:100]}" in the schema "{home}"; {advice}')

    def _of(self, session: Session, target: Target) -> TableIndexes:
        """The indexes of a table as it is now."""
        handle = self._catalog.snapshot(session).table(target.shown)
        return target.storage.indexes(replace(handle, name=target.name))


def _definition(statement: CreateIndex) -> IndexDefinition:
    """What a statement says of its index; UnsupportedError for one on several columns."""
    if len(statement.columns) > 1:
        raise UnsupportedError("An index is on one column; make one for each, and a scan asks all of them.")
    options = {name.lower(): text for name, text in statement.options}
    return IndexDefinition(statement.name, statement.kind, statement.columns[0], options)


def _find(indexes: tuple[StoredIndex, ...], name: str) -> StoredIndex | None:
    return next((index for index in indexes if index.name.lower() == name.lower()), None)


def _tasks_of(run: RunProgress) -> BuildProgress | None:
    """How many of the tasks that build are done; None where none is left."""
    stage = next(iter(run.stages()), None)
    if stage is None or stage.done == stage.tasks:
        return None
    return BuildProgress("build", stage.done, stage.tasks, "tasks done")


def _again(build: Callable[[], None], target: Target) -> None:
    """`build()`, again where somebody was faster; at last while others who change the table wait."""
    for _ in range(_FREE_ATTEMPTS):
        with suppress(ConflictError):
            return build()
    with target.storage.reserve(target.name):
        return build()
