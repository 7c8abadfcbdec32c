"""How a dataset's folder comes to its place, and how it goes: at once, whoever looks.

A new one is written into a hidden folder beside it, which a living writer holds; so what one that died has left can be
told, and removed.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import lance

from engine.errors import TableExistsError
from engine.storage.drop_marks import DROPPED, RENAMED
from engine.storage.lance_blobs import move_data_file
from engine.storage.lance_commits import (
    added_files,
    as_writer,
    commit_next,
    failure,
    storage_errors,
    visible_or_removed,
)
from engine.storage.lance_opened import FIRST_VERSION
from engine.storage.lance_rebuilds import Rebuild, with_indexes
from engine.storage.locks import exclusive_lock
from engine.storage.protocol import TableName

__all__ = ["HIDDEN", "bury", "dropped_for", "dropped_to_go_on", "publish", "staging_folder"]

HIDDEN = ".tmp"


def publish(name: TableName, staged: Path, path: Path, indexes: Sequence[Rebuild] = ()) -> None:
    """Put a complete dataset in its place, which is free or that of a dropped one, where `indexes` are built anew."""
    if (dropped := dropped_to_go_on(path, lance.dataset(str(staged)))) is not None:
        with as_writer(name, path):
            _continue_dropped(name, staged, path, dropped, indexes)
        return
    if (path / DROPPED).exists():
        bury(path)
    try:
        staged.rename(path)
    except OSError as error:
        if path.is_dir():
            raise TableExistsError(f'Table "{name}" is there already; drop it or take another name.') from None
        if path.exists():
            raise TableExistsError(
                f'The file "{path.name}" lies where table "{name}" is to be; remove it or take another name.'
            ) from None
        raise failure(name, error) from None


def dropped_to_go_on(path: Path, made: Any) -> Any | None:
    """The dataset of a dropped table of which `made` is to be the next version, for it has the same format of files."""
    if (path / DROPPED).exists():
        with suppress(ValueError, OSError):
            dropped = lance.dataset(str(path))
            return dropped if dropped.data_storage_version == made.data_storage_version else None
    return None


def _continue_dropped(name: TableName, staged: Path, path: Path, dropped: Any, indexes: Sequence[Rebuild]) -> None:
    """Make the staged data the next version of a dropped dataset, and that a table again."""
    made = lance.dataset(str(staged))
    fragments = [fragment.metadata for fragment in made.get_fragments()]
    schema = made.schema.with_metadata({FIRST_VERSION: str(dropped.version + 1).encode()})
    operation = lance.LanceOperation.Overwrite(schema, fragments)
    with visible_or_removed(path, added_files(operation)), storage_errors(name):
        (path / "data").mkdir(exist_ok=True)  # a dataset that never had rows has none
        for file in added_files(operation):
            move_data_file(file, staged, path)
        with with_indexes(name, path, dropped, operation, indexes) as change:
            commit_next(name, path, change)
    if (staged / RENAMED).exists():
        (staged / RENAMED).replace(path / RENAMED)
    (path / DROPPED).unlink()


def bury(path: Path) -> None:
    """Remove a folder; nobody sees it half removed."""
    shutil.rmtree(path.rename(_hidden_path(path)), ignore_errors=True)


@contextmanager
def staging_folder(name: TableName, path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, known to be in use; it is removed at the end, unless it has moved."""
    staged = _hidden_path(path)
    with ExitStack() as stack:
        with storage_errors(name), exclusive_lock(path.parent):  # else a sweep could come between making and taking it
            staged.mkdir()
            stack.enter_context(exclusive_lock(staged))
        stack.callback(shutil.rmtree, staged, ignore_errors=True)
        yield staged


def dropped_for(path: Path) -> float:
    """Seconds since the table was dropped; negative where it was not."""
    try:
        return time.time() - (path / DROPPED).stat().st_mtime
    except OSError:
        return -1.0


def _hidden_path(path: Path) -> Path:
    """A new hidden name beside `path`."""
    return path.parent / f".{path.name}.{uuid.uuid4().hex}{HIDDEN}"
