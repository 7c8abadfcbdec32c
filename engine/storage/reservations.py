"""A table for oneself: for a change that takes long, which others who change the table would outrun again and again.

Who has it holds a lock on a file in the table's folder; every commit of others, in whatever process, waits for that. A
process that dies gives the lock back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

from engine.cancellation import current_cancellation
from engine.storage.locks import exclusive_lock, take_if_free

__all__ = ["RESERVED", "commit_lock", "reserve"]

RESERVED = ".reserved"
_POLL = 0.02

_own: ContextVar[frozenset[Path]] = ContextVar("own", default=frozenset())


@contextmanager
def commit_lock(path: Path) -> Iterator[None]:
    """Hold the folder of a table's schema, for a commit to the table, once nobody else has the table for itself.

    Raises the cause of a cancellation, and FileNotFoundError.
    """
    while True:
        with exclusive_lock(path.parent):
            if path in _own.get() or not _is_reserved(path / RESERVED):
                yield
                return
        current_cancellation().check()
        time.sleep(_POLL)


@contextmanager
def reserve(path: Path) -> Iterator[None]:
    """Have a table for oneself, in this thread and those that get its context; waits for who has it. Raises OSError."""
    mark = path / RESERVED
    with ExitStack() as stack:
        with commit_lock(path):
            mark.touch()
            stack.enter_context(exclusive_lock(mark))
        stack.callback(mark.unlink, missing_ok=True)
        token = _own.set(_own.get() | {path})
        stack.callback(_own.reset, token)
        yield


def _is_reserved(mark: Path) -> bool:
    """Whether somebody has the table; the mark of one that died goes."""
    if not mark.exists():
        return False
    with take_if_free(mark) as free:
        if free:
            mark.unlink(missing_ok=True)
    return not free
