"""What an operator may see while it runs: the ExecutionContext and its parts, as protocols, with their implementations.

Operators see the context only through these protocols and so cannot tell on which runtime they run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from engine.errors import CancelledError, DeadlineExceededError, MemoryExceededError

if TYPE_CHECKING:
    from engine.kernel import Kernel
    from engine.storage.protocol import Storage

__all__ = [
    "Cancellation",
    "Cause",
    "CollectingMetricsSink",
    "ExecutionContext",
    "MemoryManager",
    "MetricsSink",
    "NoopMemoryManager",
    "NoopMetricsSink",
    "OperatorMetrics",
    "Reservation",
    "TrackingMemoryManager",
    "current_cancellation",
]


Cause = CancelledError | DeadlineExceededError | MemoryExceededError
"""Why a query is stopped before its end."""


class Cancellation:
    """A one-way switch that stops a query, from any thread, with an optional deadline.

    `deadline` is a `time.monotonic()` instant; while somebody listens it throws the switch by itself. Callbacks run
    once, in the thread that cancels, or at once where the switch was thrown already.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._cause: Cause | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._alarm: threading.Timer | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the query is to stop; a passed deadline counts."""
        if self._cause is None and self.deadline is not None and time.monotonic() >= self.deadline:
            self.expire()
        return self._cause is not None

    @property
    def cause(self) -> Cause | None:
        """Why the query was stopped, or None."""
        return self._cause

    def cancel(self, reason: str = "The query was cancelled.") -> None:
        """Stop the query. A second call changes nothing."""
        self.stop(CancelledError(reason))

    def expire(self, reason: str = "The query ran out of time; raise its timeout or narrow the query.") -> None:
        """Stop the query because its time is over."""
        self.stop(DeadlineExceededError(reason))

    def exceed(
        self, reason: str = "The query took most of the memory that the process may have; narrow the query."
    ) -> None:
        """Stop the query because it takes too much memory."""
        self.stop(MemoryExceededError(reason))

    def stop(self, cause: Cause) -> None:
        """Stop the query for `cause`. A second call changes nothing."""
        with self._lock:
            if self._cause is not None:
                return
            self._cause = cause
            callbacks, self._callbacks = self._callbacks, []
            self._set_alarm()
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raise the cause where the query is to stop."""
        if self.cancelled and self._cause is not None:
            raise self._cause

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Around planning: within, in this thread, this is the `current_cancellation`. Raises the cause."""
        self.check()
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Run `callback` on cancellation; returns a function that takes the callback back."""
        with self._lock:
            if self._cause is None:
                self._callbacks.append(callback)
                self._set_alarm()
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
                self._set_alarm()

    def _set_alarm(self) -> None:
        """Wait for the deadline while there are callbacks. The lock is held."""
        if self._alarm is None and self._callbacks and self.deadline is not None:
            self._alarm = threading.Timer(max(0.0, self.deadline - time.monotonic()), self.expire)
            self._alarm.daemon = True
            self._alarm.start()
        elif self._alarm is not None and not self._callbacks:
            self._alarm.cancel()
            self._alarm = None


_current: ContextVar[Cancellation | None] = ContextVar("current_cancellation", default=None)


def current_cancellation() -> Cancellation:
    """What stops the planning that this thread does; one that nobody throws where there is nothing to stop it."""
    return _current.get() or Cancellation()


class Reservation:
    """Bytes that were granted; give them back with `release()` or by leaving a `with` block."""

    def __init__(self, size: int, give_back: Callable[[int], None]) -> None:
        self.size = size
        self._give_back: Callable[[int], None] | None = give_back

    def release(self) -> None:
        """Give the bytes back. A second call changes nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self.size)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@runtime_checkable
class MemoryManager(Protocol):
    """Grants bytes to whoever holds data outside the kernel. The kernel keeps its own limit."""

    @property
    def limit(self) -> int | None:
        """Bytes in all, or None where there is no limit."""

    @property
    def current_usage(self) -> int:
        """Bytes granted and not given back."""

    def try_reserve(self, size: int) -> Reservation | None:
        """`size` bytes, or None where they would pass the limit."""


class NoopMemoryManager:
    """Grants everything and counts nothing."""

    limit: int | None = None
    current_usage = 0

    def try_reserve(self, size: int) -> Reservation | None:
        return Reservation(size, lambda _: None)


class TrackingMemoryManager:
    """Counts what is granted and keeps it under a limit in bytes."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.peak = 0
        self._usage = 0
        self._lock = threading.Lock()

    @property
    def current_usage(self) -> int:
        return self._usage

    def try_reserve(self, size: int) -> Reservation | None:
        with self._lock:
            if self.limit is not None and self._usage + size > self.limit:
                return None
            self._usage += size
            self.peak = max(self.peak, self._usage)
        return Reservation(size, self._release)

    def reserve(self, size: int) -> Reservation:
        """`size` bytes; raises MemoryExceededError where they would pass the limit."""
        granted = self.try_reserve(size)
        if granted is None:
            raise MemoryExceededError(
                f"{size} bytes were asked for, {self._usage} of {self.limit} are in use; raise the memory limit."
            )
        return granted

    def _release(self, size: int) -> None:
        with self._lock:
            self._usage -= size


@dataclass
class OperatorMetrics:
    """What one operator did: rows, batches and bytes that it gave, and seconds that it took."""

    rows: int = 0
    batches: int = 0
    bytes: int = 0
    seconds: float = 0.0


@runtime_checkable
class MetricsSink(Protocol):
    """Takes what operators measured. Called from any thread."""

    def record(self, operator: str, metrics: OperatorMetrics) -> None:
        """Add `metrics` to what is known of `operator`."""


class NoopMetricsSink:
    """Forgets everything."""

    def record(self, operator: str, metrics: OperatorMetrics) -> None:
        del operator, metrics


@dataclass
class CollectingMetricsSink:
    """Adds up by operator."""

    operators: dict[str, OperatorMetrics] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(self, operator: str, metrics: OperatorMetrics) -> None:
        with self._lock:
            total = self.operators.setdefault(operator, OperatorMetrics())
            total.rows += metrics.rows
            total.batches += metrics.batches
            total.bytes += metrics.bytes
            total.seconds += metrics.seconds


@runtime_checkable
class ExecutionContext(Protocol):
    """One query's surroundings, on whichever runtime."""

    @property
    def kernel(self) -> Kernel:
        """The process's compute kernel."""

    @property
    def storage(self) -> Storage:
        """Where tables are."""

    @property
    def snapshot_id(self) -> str:
        """Names the versions that this query reads."""

    @property
    def memory_manager(self) -> MemoryManager:
        """Grants memory outside the kernel."""

    @property
    def metrics_sink(self) -> MetricsSink:
        """Takes measurements."""

    @property
    def cancellation(self) -> Cancellation:
        """Stops the query."""
