"""A directory for temporary files that belongs to one process, and is removed by another one where that is gone.

Each owner has ``NAME/`` and ``NAME.lock`` beside it, and holds an exclusive `flock` on the lock file for as long as it
lives. The kernel of the operating system drops the lock however the owner ends, so a lock that can be taken marks what
is left of a crash; process ids, which are used again, play no part. A process that hangs keeps its lock: whoever gives
it up for dead, and sees to it that nobody reads there any more, removes the directory by the owner's name.
"""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

__all__ = ["OwnedDirectory", "disown", "sweep"]


class OwnedDirectory:
    """A new, empty directory below `parent` that is this process's until `remove`, or until the process ends.

    Its name begins with `name`, for `sweep` and `disown`. Raises OSError where it cannot be made.
    """

    def __init__(self, parent: Path, name: str) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            self.path = parent / f"{name}{secrets.token_hex(8)}"
            self._lock_path = _lock_of(self.path)
            lock = _take(self._lock_path)
            if lock is not None:  # otherwise a sweep got in between opening and locking
                break
        self._lock = lock
        self.path.mkdir(mode=0o700)

    def remove(self) -> None:
        """Delete the directory and give up the lock. A second call changes nothing."""
        if self._lock < 0:
            return
        _delete(self.path, self._lock)
        self._lock = -1


def sweep(parent: Path, name: str) -> int:
    """Remove the directories below `parent` that begin with `name` and whose owners are gone; gives how many went.

    What belongs to another user stays.
    """
    removed = 0
    for lock_path in parent.glob(f"{glob.escape(name)}*.lock"):
        lock = _take(lock_path, create=False)
        if lock is not None:
            _delete(lock_path.with_suffix(""), lock)
            removed += 1
    return removed


def disown(parent: Path, name: str) -> None:
    """Remove the directories below `parent` that begin with `name`, whose owner is given up for dead, whoever holds
    their locks.
    """
    for lock_path in parent.glob(f"{glob.escape(name)}*.lock"):
        shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
        lock_path.unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _take(path: Path, create: bool = True) -> int | None:
    """The descriptor of `path`, locked; None where somebody else holds it or has removed it, and of another user's that
    was there: some file systems give one that was just made another owner.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        if create:
            raise
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.fstat(descriptor)
        if (create or held.st_uid == os.geteuid()) and os.path.samestat(held, os.stat(path)):  # noqa: PTH116 - beside fstat
            return descriptor
    except OSError:
        os.close(descriptor)
        return None
    os.close(descriptor)
    return None


def _delete(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):  # others may have removed even the folder around it
        _lock_of(path).unlink()
    os.close(lock)
