"""What a query may take and tell: memory and metrics, as protocols with their implementations."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from engine.errors import MemoryExceededError

__all__ = [
    "CollectingMetricsSink",
    "MemoryManager",
    "MetricsSink",
    "NoopMemoryManager",
    "NoopMetricsSink",
    "OperatorMetrics",
    "Reservation",
    "TrackingMemoryManager",
]


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
