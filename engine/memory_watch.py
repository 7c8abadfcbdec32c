"""A bound on the memory of the whole process: what nobody counts is seen by the system, and its query ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from functools import cache
from typing import Protocol

__all__ = ["MemoryWatch", "Watched", "resident_bytes"]

_INTERVAL = 0.05  # seconds
_PATIENCE = 20  # looks before the next one is ended, where the last one has not stopped yet
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watched(Protocol):
    """A statement that runs."""

    grown: float

    def exceed(self) -> None:
        """End it because it takes too much memory."""


def resident_bytes() -> int:
    """The memory of this process, as the system tells it."""
    return int(os.pread(_statm(os.getpid()), 256, 0).split()[1]) * _PAGE


@cache
def _statm(pid: int) -> int:
    """The file that tells it; it stays open, so that it can be read where no other file can be opened."""
    return os.open(f"/proc/{pid}/statm", os.O_RDONLY)


class MemoryWatch:
    """Ends the statement that most memory came with, while the process has more than `limit` bytes.

    What the process grows by between two looks counts for the statements that run, in equal parts. `running` gives
    those, `used` the bytes of the process. Close it.
    """

    def __init__(
        self, limit: int, running: Callable[[], Collection[Watched]], used: Callable[[], int] = resident_bytes
    ) -> None:
        self._limit, self._running, self._used = limit, running, used
        self._last = used()
        self._ended: Watched | None = None
        self._looks = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="grism-memory", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def look(self) -> None:
        """Count what has been added since the last look, and end a statement where it is too much."""
        used, running = self._used(), self._running()
        for each in running:
            each.grown += (used - self._last) / len(running)
        self._last = used
        if used <= self._limit or not running:
            self._ended = None
            return
        self._looks += 1
        if self._ended in running and self._looks < _PATIENCE:
            return
        largest = max((each for each in running if each is not self._ended), key=lambda each: each.grown, default=None)
        if largest is not None:
            self._ended, self._looks = largest, 0
            largest.exceed()

    def _watch(self) -> None:
        while not self._closed.wait(_INTERVAL):
            self.look()
