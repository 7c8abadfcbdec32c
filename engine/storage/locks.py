"""Who is writing, told by locks that end with their process.

A writer holds an advisory lock (`flock`) on the file or folder that it works on. A crash leaves the file and frees the
lock, so whoever finds the file and gets the lock knows that its writer is gone, in whatever process that was.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["exclusive_lock", "shared_writer", "take_if_free"]

_LEFT = b"a writer was gone before it had ended\n"


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold a file or folder for oneself; waits for others."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def take_if_free(path: Path) -> Iterator[bool]:
    """Hold a file or folder for oneself and give True, or give False where somebody holds it or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        yield _lock_now(descriptor) and _is_at(descriptor, path)
    finally:
        os.close(descriptor)


@contextmanager
def shared_writer(mark: Path) -> Iterator[None]:
    """Hold `mark`, made where it is not there, together with other writers.

    The last to leave removes it, but where it was left by a writer that is gone: then it says so until what that one
    left has been removed, too.
    """
    descriptor = _enter(mark)
    try:
        yield
    finally:
        if _lock_now(descriptor) and not os.fstat(descriptor).st_size:
            mark.unlink(missing_ok=True)
        os.close(descriptor)


def _enter(mark: Path) -> int:
    with exclusive_lock(mark.parent):  # so that who makes the mark has it before others see it
        while True:
            is_new = True
            try:
                descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                is_new = False
                try:
                    descriptor = os.open(mark, os.O_RDWR)
                except FileNotFoundError:
                    continue
            if not is_new and _lock_now(descriptor) and not os.fstat(descriptor).st_size:
                os.write(descriptor, _LEFT)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _is_at(descriptor, mark):
                return descriptor
            os.close(descriptor)  # the last writer removed the file between our opening and locking it


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether what was opened is what lies there now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
