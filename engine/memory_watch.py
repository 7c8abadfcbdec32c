"""A bound on the memory of the whole process: what nobody counts is seen by the system, and its query ends.

A statement that ends does so between two steps. What takes all memory in a single step is refused by the system, which
is told how much more the process may have: the kernel then raises an error, and gives back what it has.
"""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Collection
from functools import cache
from typing import Protocol

__all__ = ["MemoryWatch", "WatchedStatement", "allow", "resident_bytes"]

_INTERVAL = 0.05  # seconds
_PATIENCE = 20  # looks before the next one is ended: the last one has to stop, and its memory to be freed
_LEAST_BEYOND = 256 << 20  # bytes: the stacks of many threads count, too
_MOST, _HARD = resource.getrlimit(resource.RLIMIT_DATA)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class WatchedStatement(Protocol):
    """A statement that runs."""

    grown: float

    def exceed(self) -> None:
        """End it because it takes too much memory."""


def resident_bytes() -> int:
    """The memory of this process, as the system tells it."""
    return _statm_bytes(1)


def allow(more: int | None) -> None:
    """Let this process have `more` bytes of data beyond what it has reserved; None lets it have what it may at most."""
    bound = _MOST if more is None else _statm_bytes(5) + more
    if _MOST != resource.RLIM_INFINITY:
        bound = min(bound, _MOST)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, _HARD))


def _statm_bytes(place: int) -> int:
    """The bytes at a place of what the system tells of this process."""
    return int(os.pread(_statm(os.getpid()), 256, 0).split()[place]) * _PAGE


@cache
def _statm(pid: int) -> int:
    """The file that tells it; it stays open, so that it can be read where no other file can be opened."""
    return os.open(f"/proc/{pid}/statm", os.O_RDONLY)


class MemoryWatch:
    """Ends the statement that most memory came with, while the process has more than `limit` bytes.

    What the process grows by between two looks counts for the statements that run, in equal parts. `running` gives
    those, `used` the bytes of the process. What allocators keep of statements that are over is no reason to end others:
    `give_back` is called before, and lets the system have it. While there are no more than `limit`, and statements run,
    `allow` gets the bytes that the process may still reserve, up to half as much again; then that stays as it is: not
    before, since what the process starts would inherit it. Close it.
    """

    def __init__(
        self,
        limit: int,
        running: Callable[[], Collection[WatchedStatement]],
        give_back: Callable[[], None],
        used: Callable[[], int] = resident_bytes,
        allow: Callable[[int | None], None] = allow,
    ) -> None:
        self._limit, self._running, self._give_back, self._used, self._allow = limit, running, give_back, used, allow
        self._beyond = max(limit // 2, _LEAST_BEYOND)
        self._last = used()
        self._ended: WatchedStatement | None = None
        self._looks = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="grism-memory", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more, and bound nothing."""
        with self._lock:
            self._closed.set()
            self._allow(None)

    def look(self) -> None:
        """Count what has been added since the last look, and end a statement where it is too much."""
        used, running = self._used(), self._running()
        for each in running:
            each.grown += (used - self._last) / len(running)
        if used > self._limit:
            self._give_back()
            used = self._used()
        self._last = used
        if used <= self._limit and running:
            self._let_have(self._limit - used + self._beyond)
        if used <= self._limit or not running:
            self._ended = None
            return
        self._looks += 1
        if self._ended is not None and self._looks < _PATIENCE:
            return
        largest = max((each for each in running if each is not self._ended), key=lambda each: each.grown, default=None)
        if largest is not None:
            self._ended, self._looks = largest, 0
            largest.exceed()

    def _let_have(self, more: int) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._allow(more)

    def _watch(self) -> None:
        while not self._closed.wait(_INTERVAL):
            self.look()
