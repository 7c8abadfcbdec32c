"""Things that go somewhere slow in batches, and that nobody waits for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["BatchLimits", "BatchQueue", "PartlyLostError"]

T = TypeVar("T")


@dataclass(frozen=True)
class BatchLimits:
    """A batch goes when it has so many `items`, or when its first is so many `seconds` old. So many are `waiting` at
    most. What was lost is told once in `telling_seconds` at most."""

    items: int
    seconds: float
    waiting: int
    telling_seconds: float = 60.0


class PartlyLostError(Exception):
    """So many items of a batch are lost, and the others have gone."""

    def __init__(self, lost: int, why: str) -> None:
        super().__init__(why)
        self.lost = lost


class BatchQueue(Generic[T]):
    """Gives batches to `write`, in a thread of its own. What finds no room is lost, and so is what `write` fails with;
    of a batch for which it raises PartlyLostError, as many items as that says.

    `tell` is told how many items were lost, and the last error if there was one. Thread-safe. Close it.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[T]], None],
        tell: Callable[[int, Exception | None], None],
        limits: BatchLimits,
    ) -> None:
        self.written = 0
        self.dropped = 0
        self._write, self._tell, self._limits = write, tell, limits
        self._told = 0  # of those that were dropped
        self._tell_at = 0.0
        self._error: Exception | None = None
        self._lock = threading.Lock()
        self._due = threading.Event()  # the thread is to look at what waits
        self._rests = False  # the thread, while nothing waits
        self._waiting: deque[T] = deque()
        self._going = 0  # in the batch that is written
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, items: Sequence[T]) -> None:
        """Let items go with the next batches.

        No lock is taken, at which callers would meet: some more than are to may wait for a moment.
        """
        limits, waiting = self._limits, self._waiting
        count = len(waiting) + len(items)
        if self._closed or count > limits.waiting:
            room = 0 if self._closed else max(0, limits.waiting - len(waiting))
            with self._lock:
                self.dropped += len(items[room:])
            items = items[:room]
        waiting.extend(items)
        if self._rests or (count >= limits.items and not self._due.is_set()):
            self._due.set()

    def close(self, seconds: float) -> None:
        """Write what waits, within so many seconds; what has not gone then is lost."""
        self._closed = True
        self._due.set()
        self._thread.join(seconds)
        with self._lock:
            left = len(self._waiting) + self._going
            if left:
                self._error = self._error or TimeoutError("the end did not wait for them longer")
            self.dropped += left
            self._waiting.clear()
            self._going = 0
        self._tell_lost()

    def _run(self) -> None:
        while items := self._next():
            lost = 0
            failure: Exception | None = None
            try:
                self._write(items)
            except PartlyLostError as error:
                lost, failure = min(error.lost, len(items)), error
            except Exception as error:
                lost, failure = len(items), error
            with self._lock:
                if not self._going:  # the end has not waited for them, and has said so
                    return
                self._going = 0
                self.written += len(items) - lost
                self.dropped += lost
                self._error = failure or self._error
            if time.monotonic() >= self._tell_at:
                self._tell_lost()

    def _next(self) -> list[T]:
        """The next batch; empty once it is closed and all has gone."""
        limits, waiting = self._limits, self._waiting
        self._rests = True
        # Who puts an item looks whether the thread rests after that, so one of both sees the other.
        while not waiting and not self._closed:
            self._due.wait()
            self._due.clear()
        self._rests = False
        until = time.monotonic() + limits.seconds
        while len(waiting) < limits.items and not self._closed and (left := until - time.monotonic()) > 0:
            self._due.wait(left)
            self._due.clear()
        with self._lock:
            items = [waiting.popleft() for _ in range(min(len(waiting), limits.items))]
            self._going = len(items)
            return items

    def _tell_lost(self) -> None:
        with self._lock:
            lost, self._told = self.dropped - self._told, self.dropped
            error, self._error = self._error, None
        if lost:
            self._tell_at = time.monotonic() + self._limits.telling_seconds
            self._tell(lost, error)
