"""The mark of a dropped table, which also makes a rename one step.

The folder of a dropped Lance table holds the file `.dropped`. Empty, it says just that. While a table gets another
name, it says for which folder, and by which token::

    a.lance/.dropped    5c1d60f2/b.lance
    b.lance/.renamed    5c1d60f2

and the table is dropped from the moment on in which that folder is a table and has the token. So one of the two names
is there at any moment, for every process that looks, whatever becomes of the one that renames.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["DROPPED", "RENAMED", "is_dropped", "mark_rename", "settle"]

DROPPED = ".dropped"
RENAMED = ".renamed"
_NEW = f"{DROPPED}.new"

log = logging.getLogger(__name__)


def is_dropped(folder: str) -> bool:
    """Whether the dataset in a folder is that of a dropped table."""
    if not os.path.exists(f"{folder}/{DROPPED}"):  # noqa: PTH110 (in a third of the time, and each query asks)
        return False
    try:
        other = _renamed_to(Path(folder))
    except FileNotFoundError:  # it has just gone
        return False
    return other is None or _is_there(*other)


@contextmanager
def mark_rename(path: Path, staged: Path, to: Path) -> Iterator[None]:
    """Drop the table `path` in the moment in which the block puts the one that is `staged` under the path `to`.

    For who holds their schema's folder, and has settled it. Where the block fails before that, the table stays.
    """
    token = staged.name
    (staged / RENAMED).write_text(token)
    (path / _NEW).write_text(f"{token}/{to.name}")
    (path / _NEW).replace(path / DROPPED)
    try:
        yield
    finally:
        try:
            settle(path.parent)
        except OSError as error:  # what the mark says stays true
            log.warning("The mark of the renaming stays in %s: %s", path.name, error)


def settle(schema: Path) -> None:
    """Say of each table of a schema's folder whether it is dropped, for who holds that: no renaming is under way then.

    To be called before a table is made, renamed or dropped, for such a mark may tell of its place. Raises OSError.
    """
    for mark in schema.glob(f"*/{DROPPED}"):
        other = _renamed_to(mark.parent)
        if other is None:
            continue
        if _is_there(*other):
            os.truncate(mark, 0)
            (other[0] / RENAMED).unlink(missing_ok=True)
        else:
            mark.unlink()


def _renamed_to(path: Path) -> tuple[Path, str] | None:
    """The folder that is to take the place of a marked one, and by which token; None where none is."""
    token, _, name = (path / DROPPED).read_text().partition("/")
    return (path.parent / name, token) if name else None


def _is_there(folder: Path, token: str) -> bool:
    try:
        return (folder / RENAMED).read_text() == token and not (folder / DROPPED).exists()
    except OSError:
        return False
