"""The indexes of Lance datasets: what there is, building one, and making it part of the newest version.

An index is built over one version, without a lock, into files that no version names; then one short commit names
them. What happened to the table meanwhile is looked at under the lock of that commit: rows that were added are not in
the index and are found all the same, rows that are gone are passed over, and where values of a fragment changed the
index does not cover that fragment.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from sqlglot import exp

from engine.cancellation import Cancellation
from engine.errors import (
    ConflictError,
    IndexExistsError,
    UnknownIndexError,
    UnsupportedError,
    nearest,
)
from engine.storage.column_paths import find_field
from engine.storage.index_kinds import IndexKind, checked_options, kind_of, require_fit
from engine.storage.indexes import (
    BuildApart,
    BuildProgress,
    IndexDefinition,
    IndexUse,
    OptionValue,
    StoredIndex,
    WatchBuild,
    watch_nothing,
)
from engine.storage.lance_commits import as_writer, open_newest, require_not_dropped, run_write, storage_errors
from engine.storage.lance_folders import staging_folder
from engine.storage.lance_fragments import FolderOutOfReachError
from engine.storage.lance_segments import INDICES, LanceSegments, build_whole, see_files
from engine.storage.lance_tables import LanceTables
from engine.storage.protocol import TableHandle
from engine.storage.reservations import commit_lock
from engine.storage.stored_indexes import OWN

__all__ = ["LanceIndexes"]

_LONGEST = 200  # bytes of a name
_POLL = 0.1  # seconds

log = logging.getLogger(__name__)


class LanceIndexes:
    """The indexes of a version of a dataset; see `TableIndexes`."""

    def __init__(self, table: TableHandle, tables: LanceTables) -> None:
        self.name = table.name
        self.path = Path(table.location[0])
        self._table, self._tables = table, tables

    @property
    def dataset(self) -> Any:
        """Lance's own view of the version."""
        return self._tables.dataset(self._table)

    def open_version(self) -> Any:
        """The version, for a build, which lets nobody else use what it works with."""
        version = int(self._table.version)
        return run_write(self.name, None, lambda: lance.dataset(str(self.path), version=version))

    def builder(self, definition: IndexDefinition, options: Mapping[str, OptionValue], folder: Path) -> LanceSegments:
        """What builds parts of an index of the version in a hidden folder, in other processes too."""
        see_files(self.path, folder)
        return self._segments(definition, options, folder)

    def _segments(self, definition: IndexDefinition, options: Mapping[str, OptionValue], folder: Path) -> LanceSegments:
        rows = {fragment.fragment_id: fragment.metadata.num_rows for fragment in self.dataset.get_fragments()}
        version, size = int(self._table.version), self._table.bytes
        return LanceSegments(self.name, str(folder), version, definition, options, rows, size)

    def all(self) -> tuple[StoredIndex, ...]:
        """The indexes, by name."""
        return self._tables.stored_indexes(self._table)

    def uses(self, predicate: exp.Expr | None) -> tuple[IndexUse, ...]:
        """The indexes that a scan with this filter asks."""
        return self._tables.used_indexes(self._table, predicate)

    def finds_few(self, predicate: exp.Expr | None) -> bool:
        """Whether a scan with this filter looks up single values."""
        return self._tables.finds_few(self._table, predicate)

    def look_up(self, wanted: pa.Schema, predicate: exp.Expr) -> pa.Table | None:
        """The few rows that an index finds; see `TableIndexes.look_up`."""
        return self._tables.look_up(self._table, wanted, predicate)

    def create(
        self,
        definition: IndexDefinition,
        cancellation: Cancellation,
        watch: WatchBuild = watch_nothing,
        apart: BuildApart | None = None,
    ) -> None:
        """Build an index, and commit it; see `TableIndexes.create`."""
        definition, kind, options = self._check_definition(definition)
        build = _Build(self, definition, kind, options, watch, None if kind.is_vector else apart)
        build.run(cancellation)

    def to_create(self, definition: IndexDefinition) -> LanceSegments | None:
        """What would build an index in parts; see `TableIndexes.to_create`."""
        definition, kind, options = self._check_definition(definition)
        return None if kind.is_vector else self._segments(definition, options, self.path)

    def drop(self, name: str) -> None:
        """Remove an index from the newest version; see `TableIndexes.drop`."""
        with as_writer(self.name, self.path), commit_lock(self.path):
            require_not_dropped(self.name, self.path)
            newest = open_newest(self.name, self.path)
            known = [each for each in _names(newest) if not each.lower().startswith(OWN)]
            found = next((each for each in known if each.lower() == name.lower()), None)
            if found is None:
                near = nearest(name, known)
                advice = f'did you mean "{near}"?' if near else "SHOW INDEXES FROM the table lists them."
                raise UnknownIndexError(f'Table "{self.name}" has no index "{name}"; {advice}')
            run_write(self.name, None, lambda: newest.drop_index(found))

    def _check_definition(
        self, definition: IndexDefinition
    ) -> tuple[IndexDefinition, IndexKind, dict[str, OptionValue]]:
        """The definition with the names as they are written, its kind, and its options. Raises as `create`."""
        kind, field = kind_of(definition.kind), find_field(self.name, self.dataset.schema, definition.column)
        require_fit(kind, field)
        if field.name not in self.dataset.schema.names and kind.name != "FTS":
            raise UnsupportedError(
                f'"{field.name}" is a field within a column, of which there are indexes of texts only (USING FTS): '
                "nothing would ask one of another kind."
            )
        options = checked_options(kind, definition.options, field)
        if not 0 < len(definition.name.encode()) <= _LONGEST or definition.name.lower().startswith(OWN):
            raise UnsupportedError(
                f'An index cannot be called "{definition.name[:100]}": a name has 1 to {_LONGEST} bytes, and does not '
                f"begin with {OWN}."
            )
        self._require_free(definition.name, [index.name for index in self.all()])
        return replace(definition, kind=kind.name, column=field.name), kind, options

    def _require_free(self, name: str, known: Sequence[str]) -> None:
        if name.lower() in {each.lower() for each in known}:
            raise IndexExistsError(
                f'Table "{self.name}" has an index "{name}" already; drop it, or say IF NOT EXISTS or another name.'
            )

    # ---- commit

    def commit(self, definition: IndexDefinition, segment: Any) -> None:
        """Make what was built an index of the newest version. Raises as `TableIndexes.create`."""
        with commit_lock(self.path):
            require_not_dropped(self.name, self.path)
            newest = open_newest(self.name, self.path)
            self._require_free(definition.name, _names(newest))
            fitted = replace(segment, fragment_ids=self._still_covered(newest, segment))
            operation = lance.LanceOperation.CreateIndex([fitted], [])
            commit = lance.LanceDataset.commit
            made = run_write(self.name, None, lambda: commit(str(self.path), operation, read_version=newest.version))
            if made.version != newest.version + 1 and not _has_fields(made, self.dataset, segment.fields):
                # Another tool came in between and changed the column, which Lance takes for no conflict.
                made.drop_index(definition.name)
                raise self._conflict()

    def _still_covered(self, newest: Any, segment: Any) -> set[int]:
        """The fragments whose values of the column are those that the index was built of."""
        if not _has_fields(newest, self.dataset, segment.fields):
            raise self._conflict()
        numbers = _with_children(self.dataset, segment.fields)
        built = {f.fragment_id: f.metadata for f in self.dataset.get_fragments()}
        now = {f.fragment_id: f.metadata for f in newest.get_fragments()}
        covered = set(segment.fragment_ids)
        kept = {n for n in covered & now.keys() if _values(built[n], numbers) == _values(now[n], numbers)}
        if 2 * sum(built[n].num_rows for n in kept) < sum(built[n].num_rows for n in covered):
            raise self._conflict()
        return kept

    def _conflict(self) -> ConflictError:
        return ConflictError(f'Table "{self.name}" was changed by somebody else meanwhile; try again.')


class _Build:
    """A build in a thread of its own, for Lance does not stop where it is asked to: who waits for it need not."""

    def __init__(
        self,
        indexes: LanceIndexes,
        definition: IndexDefinition,
        kind: IndexKind,
        options: dict[str, OptionValue],
        watch: WatchBuild,
        apart: BuildApart | None,
    ) -> None:
        self._indexes, self._definition, self._kind = indexes, definition, kind
        self._options, self._watch, self._apart = options, watch, apart
        self._progress = BuildProgress("start")
        self._lock = threading.Lock()
        self._given_up = False
        self._commits = False
        self._error: BaseException | None = None
        self._ended = threading.Event()

    def run(self, cancellation: Cancellation) -> None:
        """Wait for the end, or for the cancellation: raises its cause, and then nothing is committed any more."""
        cancellation.check()
        forget = cancellation.on_cancel(self._give_up)
        work = copy_context().run  # which knows whether the table is reserved
        threading.Thread(target=work, args=(self._work,), name="grism-index-build", daemon=True).start()
        try:
            while not self._ended.wait(_POLL):
                self._watch(self._progress)
        finally:
            forget()
        if self._given_up:
            cancellation.check()
        if self._error is not None:
            raise self._error

    def _give_up(self) -> None:
        with self._lock:
            if not self._commits:
                self._given_up = True
                self._ended.set()

    def _work(self) -> None:
        try:
            with as_writer(self._indexes.name, self._indexes.path):
                self._build_and_commit()
        except BaseException as error:
            self._error = error
            if self._given_up:
                log.info("The building of an index of %s was given up: %s", self._indexes.name, error)
        finally:
            self._ended.set()

    def _build_and_commit(self) -> None:
        folders: set[str] = set()
        try:
            segment = self._segment(folders)
            with self._lock:
                if self._given_up:
                    return
                self._commits = True
            self._indexes.commit(self._definition, segment)
            folders.discard(segment.uuid)
        finally:
            for folder in folders:
                shutil.rmtree(self._indexes.path / INDICES / folder, ignore_errors=True)

    def _segment(self, folders: set[str]) -> Any:
        """The index over all fragments; `folders` are those that were written for it."""
        dataset = self._indexes.open_version()
        if self._apart is not None and (built := self._built_apart(self._apart, folders)) is not None:
            return built
        name, definition, options = self._indexes.name, self._definition, self._options
        return run_write(name, None, lambda: build_whole(dataset, definition, options, self._note, folders))

    def _built_apart(self, apart: BuildApart, folders: set[str]) -> Any | None:
        """The index, of parts that others have built; None where it has to be built here."""
        name, path = self._indexes.name, self._indexes.path
        with suppress(FolderOutOfReachError), staging_folder(name, path) as folder, storage_errors(name):
            builder = self._indexes.builder(self._definition, self._options, folder)
            told = apart(builder)
            if told is not None:
                self._progress = BuildProgress("merge")
                built = builder.merge(told, path)
                folders.add(built.uuid)
                return built
        return None

    def _note(self, progress: Any) -> None:
        """Called by Lance, which stops where this raises, but at the end of a stage."""
        if self._given_up and progress.event != "complete":
            raise InterruptedError("given up")
        self._progress = BuildProgress(progress.stage, progress.completed, progress.total, progress.unit)


# ---- parts of versions


def _names(dataset: Any) -> list[str]:
    return [index.name for index in dataset.describe_indices()]


def _fields(dataset: Any) -> dict[int, Any]:
    """The columns, and the fields within them, by their numbers."""
    pending, found = list(dataset.lance_schema.fields()), {}
    while pending:
        field = pending.pop()
        found[field.id()] = field
        pending.extend(field.children())
    return found


def _has_fields(dataset: Any, built_on: Any, numbers: Sequence[int]) -> bool:
    """Whether the dataset has these fields in the types in which an index was built of them."""
    now, then = _fields(dataset), _fields(built_on)
    return all(n in now and now[n].to_arrow().type == then[n].to_arrow().type for n in numbers)


def _with_children(dataset: Any, numbers: Sequence[int]) -> set[int]:
    """The fields and what they are made of, which lies in files under numbers of its own."""
    own = _fields(dataset)
    pending, found = [own[number] for number in numbers], set()
    while pending:
        field = pending.pop()
        found.add(field.id())
        pending.extend(field.children())
    return found


def _values(fragment: Any, numbers: set[int]) -> tuple[object, ...]:
    """What stays the same for as long as the values of the fields do: the files that have them."""
    files = frozenset((number, file.path) for file in fragment.files for number in numbers.intersection(file.fields))
    return files, fragment.physical_rows, str(fragment.overlays)
