"""Indexes of columns whose values a statement writes anew.

They are built over what it has written while no version has that yet: over a version outside of the history, which
nobody sees. The statement's commit makes the values visible, one more behind it the indexes::

    version 3   a: INTEGER, with the index i
    detached    a: BIGINT                       on which i is built
    version 4   a: BIGINT
    version 5   a: BIGINT, with the index i
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from lance.commit import CommitConflictError

from engine.cancellation import current_cancellation
from engine.errors import SchemaMismatchError, StorageError, UnsupportedError
from engine.storage.index_kinds import IndexKind, checked_options, kind_of, require_fit
from engine.storage.indexes import IndexDefinition, OptionValue, StoredIndex
from engine.storage.lance_commits import DETACHED, detached_manifest, guarded
from engine.storage.lance_segments import build_whole
from engine.storage.protocol import TableName
from engine.storage.stored_indexes import stored_indexes

__all__ = ["Rebuild", "RebuiltIndexes", "rebuilds", "rebuilt"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rebuild:
    """An index to be built anew, with its options."""

    definition: IndexDefinition
    options: dict[str, OptionValue]


def rebuilds(name: TableName, dataset: Any, fields: Sequence[pa.Field]) -> list[Rebuild]:
    """The indexes of a version that lie on one of these columns, whose types may be other ones than before.

    Raises SchemaMismatchError, by the index's name, where one cannot be built of what its column is to be.
    """
    by_name = {each.name: each for each in fields}
    found = guarded(name, None, lambda: stored_indexes(dataset))
    return [_rebuild(name, dataset, index, by_name) for index in found if not by_name.keys().isdisjoint(index.columns)]


def _rebuild(name: TableName, dataset: Any, index: StoredIndex, fields: dict[str, pa.Field]) -> Rebuild:
    own = next(fields[column] for column in index.columns if column in fields)
    try:
        if len(index.columns) > 1:
            raise UnsupportedError("an index is on one column")
        kind = kind_of(index.kind)
        require_fit(kind, own, str(own.type))
        options = checked_options(kind, _options(dataset, index, kind), own)
    except (SchemaMismatchError, UnsupportedError) as error:
        raise SchemaMismatchError(
            f'Column "{own.name}" of table "{name}" has the index "{index.name}" of the kind {index.kind}, which '
            f"cannot be built for {own.type}; DROP INDEX first, and make another one afterwards."
        ) from error
    return Rebuild(IndexDefinition(index.name, kind.name, own.name), options)


def _options(dataset: Any, index: StoredIndex, kind: IndexKind) -> dict[str, str]:
    """What an index was made with, as far as Lance keeps it."""
    told = dataset.stats.index_stats(index.name).get("indices") or [{}]
    known = dict(index.options) | told[0] | told[0].get("params", {})
    texts = {option: known.get(option) for option in kind.options}
    return {option: _text(value) for option, value in texts.items() if value is not None}


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass
class RebuiltIndexes:
    """What was built for the version that is to follow `version`, in Lance's own descriptions; none names it yet."""

    name: TableName
    path: Path
    version: int
    segments: list[Any] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    """What was written for it and is to go, within the dataset's folder of indexes."""

    def commit(self, made: Any) -> None:
        """Make them the indexes of `made`, the version that the statement made.

        Raises StorageError, which says that the rest is done, where that fails.
        """
        if not self.segments:
            return
        here = [replace(segment, dataset_version=made.version) for segment in self.segments]
        operation = lance.LanceOperation.CreateIndex(here, [])
        try:
            if made.version != self.version + 1:  # another tool came in between, and fragments have other numbers
                raise CommitConflictError(f"version {made.version} is not the one that was expected")
            lance.LanceDataset.commit(str(self.path), operation, read_version=made.version)
        except (CommitConflictError, ValueError, OSError, RuntimeError) as error:
            log.warning("The indexes of table %s could not be kept: %s", self.name, error)
            names = ", ".join(f'"{segment.name}"' for segment in self.segments)
            raise StorageError(
                f'Table "{self.name}" was changed, but its indexes {names} are gone; make them again by CREATE INDEX.'
            ) from None
        self.folders -= {segment.uuid for segment in self.segments}


@contextmanager
def rebuilt(
    name: TableName, path: Path, dataset: Any, operation: Any, wanted: Sequence[Rebuild]
) -> Iterator[RebuiltIndexes]:
    """Build indexes over what `operation` makes of the version that `dataset` is.

    What was written for them goes at the end, unless they were committed. Raises the cause of a cancellation.
    """
    built = RebuiltIndexes(name, path, dataset.version)
    try:
        if wanted:
            with _detached(name, path, dataset, operation) as made:
                built.segments += [_build(name, made, each, built.folders) for each in wanted]
        yield built
    finally:
        for folder in built.folders:
            shutil.rmtree(path / "_indices" / folder, ignore_errors=True)


@contextmanager
def _detached(name: TableName, path: Path, dataset: Any, operation: Any) -> Iterator[Any]:
    """A version outside of the history, for as long as the block runs."""
    transaction = lance.Transaction(dataset.version, operation, transaction_properties={DETACHED: str(dataset.version)})
    commit = lance.LanceDataset.commit
    made = guarded(name, None, lambda: commit(str(path), transaction, detached=True))
    try:
        yield made
    finally:
        detached_manifest(path, made.version).unlink(missing_ok=True)
        (path / "_transactions" / f"{dataset.version}-{transaction.uuid}.txn").unlink(missing_ok=True)


def _build(name: TableName, dataset: Any, wanted: Rebuild, folders: set[str]) -> Any:
    cancellation = current_cancellation()

    def heed(progress: Any) -> None:
        if progress.event != "complete":
            cancellation.check()

    try:
        return guarded(name, None, lambda: build_whole(dataset, wanted.definition, wanted.options, heed, folders))
    finally:
        cancellation.check()
