"""The care of one Lance dataset: compaction, indexes, old versions, tags.

All but the last step of a compaction happens beside the writers, as their own writes do. Which versions may go is told
by when they ceased to be the newest, since that is how long ago somebody may have begun to read them.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import lance
from lance.dataset import Index
from lance.optimize import Compaction, CompactionOptions

from engine.cancellation import current_cancellation
from engine.errors import InvalidValueError, StorageError, TableExistsError, UnsupportedError
from engine.storage.care import LayoutFacts, OptimizeReport, TagFacts, VacuumReport, VersionFacts
from engine.storage.dictionary_keys import DictionaryKeys
from engine.storage.lance_commits import (
    AGES,
    MADE_BY,
    WRITERS,
    as_writer,
    commit_next,
    open_newest,
    remove_unnamed,
    require_not_dropped,
    run_write,
    storage_errors,
    visible_or_removed,
)
from engine.storage.lance_failures import versions_of
from engine.storage.lance_fields import files_of
from engine.storage.lance_opened import first_version
from engine.storage.lance_rebuilds import rebuilds, with_indexes
from engine.storage.lance_segments import INDICES
from engine.storage.lance_tables import KIND, tags_of
from engine.storage.lance_unread import require_compactable
from engine.storage.locks import exclusive_lock, take_if_free
from engine.storage.names import unknown_tag
from engine.storage.protocol import TableHandle, TableName
from engine.storage.reservations import commit_lock
from engine.storage.stored_indexes import OWN, are_behind, is_borrowed

__all__ = ["LanceCare"]

_FRAGMENT_ROWS = 1 << 20
_LONGEST_TAG = 100
_EMPTY_FOR = 3600.0  # seconds after which a folder is nobody's who is about to write into it, also of other tools
_TAG = re.compile(r"(?!\.)(?!.*\.\.)(?!.*\.lock$)[A-Za-z0-9._-]+")
_OPERATIONS = {
    "Append": "append",
    "CreateIndex": "index",
    "DataReplacement": "update",
    "Delete": "delete",
    "Merge": "add columns",
    "Overwrite": "overwrite",
    "Project": "change columns",
    "Restore": "restore",
    "Rewrite": "optimize",
    "Update": "update",
    "UpdateConfig": "change metadata",
}

log = logging.getLogger(__name__)


class LanceCare:
    """Keeps the dataset at `path` in order; see `TableCare`."""

    def __init__(self, name: TableName, path: Path) -> None:
        self._name, self._path = name, path

    def layout(self) -> LayoutFacts:
        """How the table lies; see `TableCare.layout`."""
        dataset = open_newest(self._name, self._path)
        told = dataset.get_version()["metadata"]
        rows = int(told["total_rows"])
        needed = -(-rows // _FRAGMENT_ROWS)
        excess = max(0, int(told["total_fragments"]) - needed)
        return LayoutFacts(rows, excess, int(told["total_deletion_file_rows"]), sum(rows_not_indexed(dataset).values()))

    def optimize(self, threads: int | None = None) -> OptimizeReport:
        """Join fragments of less than a million rows with their neighbours, and write those anew of which a tenth of
        the rows is deleted; then bring indexes up to date. Where it is cancelled, what is done by then stays."""
        return _left_where_cancelled(lambda: self._optimize(threads))

    def _optimize(self, threads: int | None) -> OptimizeReport:
        with as_writer(self._name, self._path):
            dataset = open_newest(self._name, self._path)
            before = _layout(dataset)
            self._compact(self._with_indexes_anew(dataset), threads)
            indexed = self._update_indexes()
            dataset = open_newest(self._name, self._path)
        fragments, files, size = zip(before, _layout(dataset), strict=True)
        return OptimizeReport(int(dataset.version), *fragments, *files, *size, indexed)

    def _with_indexes_anew(self, dataset: Any) -> Any:
        """The dataset; with indexes that were built anew where Lance cannot take rows into those that it has.

        They wait for what another tool owes them, or lie with the table beneath a shallow clone, where Lance would look
        for them after a compaction and not find them, or are on fields of structs and have no rows: such a one Lance
        builds of a column that is called like the field. Raises SchemaMismatchError, by the index's name, where one is
        not to be built here.
        """
        described = dataset.describe_indices()
        if are_behind(dataset):
            anew = described
        else:
            there = {fragment.fragment_id for fragment in dataset.get_fragments()}
            anew = [
                index
                for index in described
                if is_borrowed(index) or (_is_within(dataset, index) and _covers_none(index, there))
            ]
        if not anew:
            return dataset
        wanted = rebuilds(self._name, dataset, list(dataset.schema), {index.name for index in anew})
        operation = lance.LanceOperation.CreateIndex([], [part for index in anew for part in _parts(index)])
        with (
            with_indexes(self._name, self._path, dataset, operation, wanted) as transaction,
            commit_lock(self._path),
        ):
            require_not_dropped(self._name, self._path)
            return commit_next(self._name, self._path, transaction)

    def _compact(self, dataset: Any, threads: int | None) -> None:
        options: CompactionOptions = {} if threads is None else {"num_threads": threads}
        plan = run_write(self._name, None, lambda: Compaction.plan(dataset, options))
        if plan.tasks:
            require_compactable(self._name, dataset.schema)
        results = []
        files: list[str] = []
        with visible_or_removed(self._path, files):
            for task in plan.tasks:
                current_cancellation().check()
                keys = DictionaryKeys(self._name, dataset.schema)
                with self._enough_keys():
                    run_write(self._name, None, lambda task=task, keys=keys: self._count_values(dataset, keys, task))  # type: ignore[misc]
                results.append(run_write(self._name, None, lambda task=task: task.execute(dataset)))  # type: ignore[misc]
                files += [file for fragment in results[-1].new_fragments for file in files_of(fragment)]
                with self._enough_keys():
                    keys.require_readable(self._path, results[-1].new_fragments)
            if results:
                with commit_lock(self._path):
                    require_not_dropped(self._name, self._path)
                    run_write(self._name, None, lambda: Compaction.commit(dataset, results, options))

    @contextmanager
    def _enough_keys(self) -> Iterator[None]:
        try:
            yield
        except InvalidValueError as error:
            raise UnsupportedError(f"The fragments were left as they were. {error}") from None

    @staticmethod
    def _count_values(dataset: Any, keys: DictionaryKeys, task: Any) -> None:
        """Look whether one fragment can have what a task's fragments have."""
        if keys.columns:
            fragments = [dataset.get_fragment(fragment.id) for fragment in task.fragments]
            for batch in dataset.scanner(columns=keys.columns, fragments=fragments).to_batches():
                keys.count(batch)

    def _update_indexes(self) -> int:
        """Take the rows that are not indexed into the indexes; how many those are."""
        dataset = open_newest(self._name, self._path)
        missing = rows_not_indexed(dataset)
        names = [name for name, rows in missing.items() if rows]
        if names:
            try:
                self._update(dataset, names)
            except UnsupportedError:  # there are too few vectors for one of them, which waits for more
                for name in names:
                    with suppress(UnsupportedError):
                        self._update(dataset, [name])
            left = rows_not_indexed(dataset)
            return sum(missing[name] - left.get(name, 0) for name in names)
        return 0

    def _update(self, dataset: Any, names: list[str]) -> None:
        current_cancellation().check()
        run_write(self._name, None, lambda: dataset.optimize.optimize_indices(index_names=names))

    def vacuum(self, retain: timedelta, in_use: Callable[[], Collection[TableHandle]]) -> VacuumReport:
        """Remove old versions and what dead writers left; see `TableCare.vacuum`."""
        told = self._remove_versions(retain, in_use)
        self._remove_empty_folders()
        return told

    def _remove_versions(self, retain: timedelta, in_use: Callable[[], Collection[TableHandle]]) -> VacuumReport:
        left_files, left_bytes = self._remove_leftovers()
        since = self._writers_since()
        with as_writer(self._name, self._path):
            dataset = open_newest(self._name, self._path)
            cutoff = min(datetime.now(UTC) - min(retain, AGES), since)
            # Who begins to read from now on reads a version that has been the newest since.
            used = {int(t.version) for t in in_use() if t.kind == KIND and t.location[:1] == (str(self._path),)}
            first = first_version(dataset.schema)
            for tag, version in tags_of(dataset).items():
                if version < first:  # of a table that was dropped
                    run_write(self._name, None, lambda tag=tag: dataset.tags.delete(tag))  # type: ignore[misc]
            kept = used | set(tags_of(dataset).values())
            versions = versions_of(self._name, dataset)
            gone = [
                int(version["version"])
                for version, next_one in pairwise(versions)
                if _instant(next_one) <= cutoff and int(version["version"]) not in kept
            ]
            # Either way Lance removes files, too, that no version has named for a week: those of lost attempts.
            asked = {"versions": gone} if gone else {"older_than": AGES}
            stats = run_write(
                self._name,
                None,
                lambda: dataset.cleanup_old_versions(**asked, error_if_tagged_old_versions=False),
            )
        files = stats.data_files_removed + stats.index_files_removed + stats.deletion_files_removed
        files += stats.transaction_files_removed
        left = len(versions) - stats.old_versions
        return VacuumReport(stats.old_versions, left_files + files, left_bytes + stats.bytes_removed, left)

    def _remove_leftovers(self) -> tuple[int, int]:
        """Remove what writers left that are gone; how many files and bytes."""
        mark = self._path / WRITERS
        with take_if_free(mark) as free:
            if not free:
                return 0, 0
            stats = remove_unnamed(self._path)
            if stats is None:
                return 0, 0
            mark.unlink(missing_ok=True)
        return stats.data_files_removed + stats.index_files_removed, stats.bytes_removed

    def _remove_empty_folders(self) -> None:
        """Remove the folders of indexes whose files are gone, which Lance leaves, where nobody writes."""
        since = time.time() - _EMPTY_FOR
        with storage_errors(self._name), exclusive_lock(self._path):  # so that nobody begins to
            if (self._path / WRITERS).exists():
                return
            folders = (self._path / INDICES).glob("**/*/")
            for folder in sorted((each for each in folders if each.stat().st_mtime < since), reverse=True):
                with suppress(OSError):  # it is not empty
                    folder.rmdir()

    def _writers_since(self) -> datetime:
        """The instant before which no writer began that still writes; now where there is none."""
        try:
            return datetime.fromtimestamp((self._path / WRITERS).stat().st_mtime, UTC)
        except OSError:
            return datetime.fromtimestamp(time.time(), UTC)

    def versions(self) -> list[VersionFacts]:
        """The versions that there are; see `TableCare.versions`."""
        dataset = open_newest(self._name, self._path)
        first = first_version(dataset.schema)
        names: dict[int, list[str]] = {}
        for tag, number in sorted(run_write(self._name, None, lambda: tags_of(dataset)).items()):
            names.setdefault(number, []).append(tag)
        found = [version for version in versions_of(self._name, dataset) if version["version"] >= first]
        return [_version_facts(dataset, version, names, first) for version in reversed(found)]

    def tags(self) -> list[TagFacts]:
        """The tags, by name."""
        dataset = open_newest(self._name, self._path)
        first = first_version(dataset.schema)
        found = run_write(self._name, None, lambda: dataset.tags.list())
        return [
            TagFacts(tag, int(told["version"]), told.get("created_at"))
            for tag, told in sorted(found.items())
            if told["version"] >= first and not told.get("branch")
        ]

    def create_tag(self, name: str, version: TableHandle, *, replace: bool = False) -> None:
        """Give a version a name; see `TableCare.create_tag`."""
        if not _TAG.fullmatch(name) or len(name) > _LONGEST_TAG:
            raise UnsupportedError(
                f"{name[:_LONGEST_TAG]!r} cannot be a tag: one has up to {_LONGEST_TAG} letters and digits of ASCII, "
                "dots, dashes and underscores, does not begin with a dot and does not end with .lock."
            )
        with as_writer(self._name, self._path), commit_lock(self._path):
            require_not_dropped(self._name, self._path)
            dataset = open_newest(self._name, self._path)
            known = run_write(self._name, None, lambda: tags_of(dataset))
            if name not in known and name in dataset.tags.list():
                raise TableExistsError(
                    f'Table "{self._name}" has the tag "{name}" already, in a branch that another tool made; take '
                    "another name."
                )
            hidden = name in known and known[name] < first_version(dataset.schema)
            if name in known and not replace and not hidden:
                raise TableExistsError(
                    f'Table "{self._name}" has the tag "{name}" already, for version {known[name]}; drop it, take '
                    "another name, or say CREATE OR REPLACE TAG."
                )
            number = int(version.version)
            change = dataset.tags.update if name in known else dataset.tags.create
            run_write(self._name, None, lambda: change(name, number))

    def drop_tag(self, name: str) -> None:
        """Remove a tag; see `TableCare.drop_tag`."""
        with as_writer(self._name, self._path), commit_lock(self._path):
            known = [fact.tag for fact in self.tags()]
            if name not in known:
                raise unknown_tag(self._name, name, known)
            dataset = open_newest(self._name, self._path)
            run_write(self._name, None, lambda: dataset.tags.delete(name))

    def restore(self, version: TableHandle) -> None:
        """Make the content of a version the newest; see `TableCare.restore`."""
        with as_writer(self._name, self._path), commit_lock(self._path):
            require_not_dropped(self._name, self._path)
            try:
                old = lance.dataset(str(self._path), version=int(version.version))
            except (ValueError, OSError):
                raise StorageError(
                    f'Version {version.version} of table "{self._name}" is gone; SHOW VERSIONS tells which are there.'
                ) from None
            run_write(self._name, None, old.restore)


def _is_within(dataset: Any, index: Any) -> bool:
    """Whether an index is on a field of a struct."""
    return any(name not in dataset.schema.names for name in index.field_names)


def _covers_none(index: Any, fragments: Collection[int]) -> bool:
    """Whether there are fragments, and an index has none of them."""
    return bool(fragments) and all(part.fragment_ids.isdisjoint(fragments) for part in index.segments)


def _parts(index: Any) -> list[Index]:
    """An index as a commit names it that removes it."""
    return [
        Index(part.uuid, index.name, [], part.dataset_version_at_last_update, part.fragment_ids, part.index_version)
        for part in index.segments
    ]


def _left_where_cancelled(work: Callable[[], OptimizeReport]) -> OptimizeReport:
    """`work()`, or at once the cause of a cancellation: it runs in a thread of its own, which ends when Lance does."""
    results: list[OptimizeReport] = []
    errors: list[BaseException] = []
    ended, cancellation = threading.Event(), current_cancellation()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
            if cancellation.is_cancelled:
                log.info("What OPTIMIZE still did when it was cancelled has ended: %s", error)
        finally:
            ended.set()

    threading.Thread(target=copy_context().run, args=(run,), name="grism-optimize", daemon=True).start()
    forget = cancellation.on_cancel(ended.set)
    ended.wait()
    forget()
    if not results:
        cancellation.check()
        raise errors[0]
    return results[0]


def rows_not_indexed(dataset: Any) -> dict[str, int]:
    """How many of a dataset's rows each index has not, told without opening one."""
    described = [each for each in dataset.describe_indices() if not each.name.startswith(OWN)]
    rows = dataset.count_rows() if described else 0
    return {each.name: max(0, rows - int(each.num_rows_indexed)) for each in described}


def _layout(dataset: Any) -> tuple[int, int, int]:
    """How many fragments there are, data files, and bytes of these, as far as they are known."""
    fragments = [fragment.metadata for fragment in dataset.get_fragments()]
    files = [file for fragment in fragments for file in fragment.files]
    return len(fragments), len(files), sum(file.file_size_bytes or 0 for file in files)


def _instant(version: Any) -> datetime:
    instant: datetime = version["timestamp"]  # which Lance gives in local time
    return instant.astimezone(UTC)


def _version_facts(dataset: Any, version: Any, names: dict[int, list[str]], first: int) -> VersionFacts:
    number, told = int(version["version"]), version["metadata"]

    def count(key: str) -> int | None:
        return int(told[key]) if key in told else None

    return VersionFacts(
        number,
        _instant(version),
        _operation(dataset, number, first),
        count("total_rows"),
        count("total_fragments"),
        count("total_files_size"),
        names.get(number, []),
    )


def _operation(dataset: Any, version: int, first: int) -> str | None:
    """What made a version; None where its transaction is gone, or of a kind that has no name here."""
    try:
        transaction = dataset.read_transaction(version)
    except TypeError:  # Lance lacks the words for the one that has an index come through
        return _OPERATIONS["Rewrite"]
    except (ValueError, OSError):
        return None
    if transaction is None:
        return None
    kind = (transaction.transaction_properties or {}).get(MADE_BY) or type(transaction.operation).__name__
    return "create" if kind == "Overwrite" and version == first else _OPERATIONS.get(kind)
