"""Indexes of columns whose values a statement writes anew.

They are built over what it has written while no version has that yet: over a version outside of the history, which
nobody sees. Another such version has the indexes too, and that one the statement's commit restores: values and indexes
are visible at once, whatever ends the process::

    version 3    a: INTEGER, with the index i
    detached 1   a: BIGINT                       on which i is built
    detached 2   a: BIGINT, with the index i
    version 4    as detached 2
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.types as pt

from engine.cancellation import current_cancellation
from engine.errors import SchemaMismatchError, UnsupportedError
from engine.storage.column_paths import path_parts
from engine.storage.index_kinds import IndexKind, checked_options, kind_of, require_fit, shown_type
from engine.storage.indexes import IndexDefinition, OptionValue, StoredIndex
from engine.storage.lance_commits import MADE_BY, run_write
from engine.storage.lance_detached import able_to_detach, detached_version
from engine.storage.lance_segments import INDICES, build_whole
from engine.storage.protocol import TableName
from engine.storage.stored_indexes import stored_indexes

__all__ = ["Rebuild", "rebuilds", "with_indexes"]

log = logging.getLogger(__name__)
_CODE = "code"  # a tokenizer for the texts of programs
_OF_CODE = ("split_identifiers", "split_on_numerics", "preserve_original", "index_operators")


@dataclass(frozen=True)
class Rebuild:
    """An index to be built anew, with its options."""

    definition: IndexDefinition
    options: dict[str, OptionValue]


def rebuilds(
    name: TableName, dataset: Any, fields: Sequence[pa.Field], called: Collection[str] | None = None
) -> list[Rebuild]:
    """The indexes of a version that lie on one of these columns, whose types may be other ones than before.

    Where names are given, only those that are `called` so. Raises SchemaMismatchError, by the index's name, where one
    cannot be built of what its column is to be.
    """
    by_name = {each.name: each for each in fields}
    found = run_write(name, None, lambda: stored_indexes(dataset))
    return [
        _rebuild(name, dataset, index, by_name)
        for index in found
        if (called is None or index.name in called)
        and not by_name.keys().isdisjoint(path_parts(column)[0] for column in index.columns)
    ]


def _field(column: str, fields: dict[str, pa.Field]) -> pa.Field:
    """The field that an index is on, named as there; SchemaMismatchError where it is gone."""
    top, *within = path_parts(column)
    own = fields[top]
    for part in within:
        position = own.type.get_field_index(part) if pt.is_struct(own.type) else -1
        if position < 0:
            raise SchemaMismatchError(f'"{part}" is not one of its fields')
        own = own.type.field(position)
    return own.with_name(column)


def _rebuild(name: TableName, dataset: Any, index: StoredIndex, fields: dict[str, pa.Field]) -> Rebuild:
    column = next(column for column in index.columns if path_parts(column)[0] in fields)
    own = fields[path_parts(column)[0]]
    try:
        if len(index.columns) > 1:
            raise UnsupportedError("an index is on one column")
        own = _field(column, fields)
        kind = kind_of(index.kind)
        require_fit(kind, own)
        others = _options_of_others(index, own)
        told = {option: text for option, text in _options(dataset, index, kind).items() if option not in others}
        options = checked_options(kind, told, own) | others
    except (SchemaMismatchError, UnsupportedError) as error:
        raise SchemaMismatchError(
            f'Column "{own.name}" of table "{name}" has the index "{index.name}" of the kind {index.kind}, which '
            f"cannot be built for {shown_type(own)}; DROP INDEX first, and make another one afterwards."
        ) from error
    return Rebuild(IndexDefinition(index.name, kind.name, own.name), options)


def _options(dataset: Any, index: StoredIndex, kind: IndexKind) -> dict[str, str]:
    """What an index was made with, as far as Lance keeps it: in its files, or where those are missing in the table."""
    try:
        told = dataset.stats.index_stats(index.name).get("indices") or [{}]
    except OSError as error:
        log.warning("Index %s is built anew by what the table tells of it: %s", index.name, error)
        told = [{}]
    known = told[0] | told[0].get("params", {}) | index.options
    texts = {option: known.get(option) for option in kind.options}
    return {option: _text(value) for option, value in texts.items() if value is not None}


def _options_of_others(index: StoredIndex, field: pa.Field) -> dict[str, OptionValue]:
    """Options with which only other tools make indexes of texts."""
    if index.kind != "FTS":
        return {}
    kept = [*_OF_CODE, "base_tokenizer"] if index.options.get("base_tokenizer") == _CODE else []
    if pt.is_list(field.type) or pt.is_large_list(field.type):
        kept.append("document_granularity")
    return {option: index.options[option] for option in kept if option in index.options}


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@contextmanager
def with_indexes(name: TableName, path: Path, dataset: Any, operation: Any, wanted: Sequence[Rebuild]) -> Iterator[Any]:
    """The transaction that makes what `operation` makes of the version that `dataset` is, and these indexes of it.

    The block commits it, or raises: then what was written for it goes. Raises the cause of a cancellation.
    """
    if not wanted:
        yield lance.Transaction(dataset.version, operation)
        return
    folders: set[str] = set()  # what was written, within the dataset's folder of indexes
    try:
        with able_to_detach(name, path, dataset) as version, detached_version(name, path, version, operation) as made:
            segments = [_build(name, made, each, folders) for each in wanted]
            own = [replace(segment, dataset_version=dataset.version + 1) for segment in segments]
            with detached_version(name, path, made, lance.LanceOperation.CreateIndex(own, [])) as indexed:
                told = {MADE_BY: type(operation).__name__}
                restore = lance.LanceOperation.Restore(indexed.version)
                yield lance.Transaction(dataset.version, restore, transaction_properties=told)
        folders -= {segment.uuid for segment in segments}
    except BaseException:
        folders -= _named_folders(path, folders)
        raise
    finally:
        for folder in folders:
            shutil.rmtree(path / INDICES / folder, ignore_errors=True)


def _named_folders(path: Path, folders: set[str]) -> set[str]:
    """Those folders of indexes that the newest version names; all of them where it cannot be told."""
    try:
        found = lance.dataset(str(path)).describe_indices()
        return {segment.uuid for index in found for segment in index.segments}
    except (ValueError, OSError):
        return folders


def _build(name: TableName, dataset: Any, wanted: Rebuild, folders: set[str]) -> Any:
    cancellation = current_cancellation()

    def heed(progress: Any) -> None:
        if progress.event != "complete":
            cancellation.check()

    try:
        return run_write(name, None, lambda: build_whole(dataset, wanted.definition, wanted.options, heed, folders))
    finally:
        cancellation.check()
