"""What every write to a Lance dataset has around it: its mark as a writer, what failures mean, and what they leave."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Protocol, TypeVar

import lance
import pyarrow as pa
from lance.commit import CommitConflictError

from engine.errors import (
    ConflictError,
    DataCorruptError,
    GrismError,
    StorageError,
    UnknownTableError,
    UnsupportedError,
)
from engine.full_disk import full_error
from engine.kernel_errors import is_unread_form
from engine.storage.drop_marks import is_dropped
from engine.storage.lance_failures import is_panic
from engine.storage.lance_fields import files_of
from engine.storage.lance_formats import is_lack
from engine.storage.lance_manifests import manifest_identity, newest_manifest
from engine.storage.locks import shared_writer
from engine.storage.protocol import TableName

__all__ = [
    "AGES",
    "DETACHED",
    "MADE_BY",
    "WRITERS",
    "added_files",
    "as_writer",
    "commit_next",
    "commit_over_newest",
    "detached_manifest",
    "failure",
    "newest_of",
    "open_newest",
    "remove_unnamed",
    "require_not_dropped",
    "require_schema",
    "run_write",
    "storage_errors",
    "visible_or_removed",
]

WRITERS = ".writers"
DETACHED = "grism.detached"
"""Property of the transaction that made a version outside of the history, for as long as a statement needs it."""
MADE_BY = "grism.made_by"
"""Property of a transaction that restores a version outside of the history: the operation that made what that has."""
# The last where Lance sorts none into partitions, and looks for the file of one.
_TOO_FEW = re.compile(r"KMeans cannot train|Not enough rows to train|Not found: \S*/ivf_\d+\.lance")
READ_ONLY = ("os error 30", "os error 13", "Read-only file system", "Permission denied")
COMMIT_ATTEMPTS = 20
QUIET = 600.0  # seconds without a change, after which no other tool is taken to be writing
DATA = ".lance"
FOLDERS = ("data", "_indices", "_deletions")
AGES = timedelta(days=365_000)

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Reads(Protocol):
    """What a write reads its rows from: `error` is what ended that, which Lance does not raise as it is."""

    error: BaseException | None


@contextmanager
def as_writer(name: TableName, path: Path) -> Iterator[None]:
    """Be known as a writer of the dataset."""
    with ExitStack() as stack:
        try:
            stack.enter_context(shared_writer(path / WRITERS))
        except FileNotFoundError:
            raise UnknownTableError(f'Table "{name}" was dropped while data for it was on its way.') from None
        except OSError as error:
            raise failure(name, error) from None
        yield


@contextmanager
def visible_or_removed(path: Path, added: Sequence[str]) -> Iterator[None]:
    """Remove the files that were `added` for a version if it fails, unless it came to be all the same."""
    try:
        yield
    except Exception:
        try:
            newest = {file for f in lance.dataset(str(path)).get_fragments() for file in files_of(f.metadata)}
        except (ValueError, OSError):
            newest = set(added)  # not to be told: leave them
        for file in added if newest.isdisjoint(added) else ():
            (path / file).unlink(missing_ok=True)
            if file.endswith(DATA):  # beside which there may be blobs
                shutil.rmtree((path / file).with_suffix(""), ignore_errors=True)
        raise


def commit_over_newest(path: Path, operation: Any) -> Any:
    """Commit upon the newest version; gives the new one. What comes in between, from another tool, is no conflict."""
    for _ in range(COMMIT_ATTEMPTS - 1):
        with suppress(CommitConflictError):
            return lance.LanceDataset.commit(str(path), operation, read_version=lance.dataset(str(path)).version)
    return lance.LanceDataset.commit(str(path), operation, read_version=lance.dataset(str(path)).version)


def commit_next(name: TableName, path: Path, transaction: Any) -> Any:
    """Commit what was made for a version as the one right behind it, for who holds the folder's lock; the new one.

    Raises ConflictError where another tool, which does not heed the lock, came in between.
    """
    commit = lance.LanceDataset.commit
    made = run_write(name, None, lambda: commit(str(path), transaction, max_retries=0))
    if made.version != transaction.read_version + 1:  # which Lance takes for no conflict
        run_write(name, None, lambda: lance.dataset(str(path), version=made.version - 1).restore())
        raise ConflictError(f'Table "{name}" was changed by somebody else meanwhile; try again.')
    return made


def open_newest(name: TableName, path: Path) -> Any:
    """The dataset at its newest version; DataCorruptError where it cannot be read."""
    try:
        return lance.dataset(str(path))
    except (ValueError, OSError) as error:
        log.warning("Lance table %s cannot be read: %s", name, error)
        raise DataCorruptError(f'Table "{name}" cannot be read: its files are damaged or missing.') from None


def newest_of(name: TableName, path: Path, dataset: Any, identity: str) -> Any:
    """The dataset at its newest version, which is `dataset` itself where none came after the version that this is.

    Raises ConflictError where that version is not of this `identity` any more: another tool has put another dataset
    into the folder, whose versions may have the same numbers.
    """
    own, found = int(dataset.version), newest_manifest(str(path))
    if found == (own, identity):
        return dataset
    if found is not None and (found[0] <= own or manifest_identity(str(path), own) not in (identity, "")):
        raise ConflictError(f'Table "{name}" was replaced while data for it was on its way; try again.')
    return open_newest(name, path)


def run_write(name: TableName, incoming: Reads | None, write: Callable[[], Result]) -> Result:
    """`write()`, whose failure is the incoming data's own error, or else the storage's."""
    try:
        return write()
    except BaseException as error:
        if incoming is not None and incoming.error is not None:
            raise incoming.error from None
        if isinstance(error, (ValueError, OSError, RuntimeError, pa.ArrowException)) or is_panic(error):
            raise failure(name, error) from None
        raise


@contextmanager
def storage_errors(name: TableName) -> Iterator[None]:
    """Failures of the file system as storage errors."""
    try:
        yield
    except OSError as error:
        raise failure(name, error) from None


def failure(name: TableName, error: BaseException) -> GrismError:
    """What a failed write means to who asked for it: ConflictError where another version came in between."""
    text = str(error)
    log.warning("Table %s could not be written: %s", name, text)
    if (full := full_error(f'Table "{name}" could not be written and was left as it was', error)) is not None:
        return full
    if any(sign in text for sign in READ_ONLY):
        return StorageError(
            f'Table "{name}" was left as it was: the server may only read its folder; ask an administrator.'
        )
    if is_lack(text):
        return UnsupportedError(
            f'Table "{name}" was left as it was: it is stored in an older format of Lance\'s files, which cannot hold '
            f"these values. CREATE OR REPLACE TABLE {name} AS FROM {name} writes it in the present one."
        )
    if is_unread_form(text):
        return UnsupportedError(
            f'Table "{name}" was left as it was: Lance {lance.__version__} does not support this with a form in which '
            "it stores columns; the log of the server has which. ALTER TABLE or CREATE TABLE AS with another type for "
            "such a column stores it in another form."
        )
    if _TOO_FEW.search(text):
        return UnsupportedError(
            f'Table "{name}" was left as it was: an index of vectors is made of those that are there, not NULL and '
            "without NaN, and they are too few for one of this kind. Make it (or DROP INDEX, and make it again) when "
            "there are more; searches need none."
        )
    if isinstance(error, CommitConflictError) or "ncompatible transaction" in text or "ommit conflict" in text:
        return ConflictError(f'Table "{name}" was replaced while data for it was on its way; try again.')
    return StorageError(f'Table "{name}" could not be written and was left as it was; the log of the server has why.')


def require_not_dropped(name: TableName, path: Path) -> None:
    """Raise UnknownTableError where the table, or its schema, is gone, which a holder of the folder's lock can tell."""
    if is_dropped(str(path)) or is_dropped(str(path.parent)) or not path.exists():
        raise UnknownTableError(f'Table "{name}" was dropped while data for it was on its way.')


def require_schema(name: TableName, path: Path) -> None:
    """Raise UnknownTableError where the schema is gone in which the table is made, for who holds its folder."""
    if is_dropped(str(path.parent)) or not path.parent.exists():
        raise UnknownTableError(f'The schema "{name.schema}" was dropped while data for "{name}" was on its way.')


def remove_unnamed(path: Path) -> Any | None:
    """Remove the data files that no version names, and tell what went; None where that failed, or has to wait.

    None of ours may be writing. Whether another tool is cannot be seen, and what it has not committed yet has no name
    either: so nothing goes before all files have been as they are for a while. No version is old enough to go.
    """
    try:
        if time.time() - _last_change(path) < QUIET:
            return None
        _remove_detached(path)
        return lance.dataset(str(path)).cleanup_old_versions(older_than=AGES, delete_unverified=True)
    except (ValueError, OSError) as error:
        log.warning("What a write to %s left could not be removed: %s", path.name, error)
        return None


def _last_change(path: Path) -> float:
    """When a data file, or one of an index or of deletions, was last written, in seconds since 1970."""
    found = (file.lstat() for folder in FOLDERS for file in (path / folder).rglob("*"))
    return max((stat.st_mtime for stat in found if not S_ISDIR(stat.st_mode)), default=0.0)


def detached_manifest(path: Path, version: int) -> Path:
    """The file of a version that is outside of the history."""
    return path / "_versions" / f"d{version}.manifest"


def _remove_detached(path: Path) -> None:
    """Remove versions outside of the history that a statement made which has died; other tools may have such, too."""
    for file in (path / "_versions").glob("d*.manifest"):
        version = int(file.stem[1:])
        made = lance.dataset(str(path), version=version).read_transaction(version)
        if DETACHED in (made.transaction_properties or {}):
            file.unlink(missing_ok=True)


def added_files(operation: Any) -> list[str]:
    """The data files that an operation adds, within the dataset."""
    return [file for fragment in operation.fragments for file in files_of(fragment)]
