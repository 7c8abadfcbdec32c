"""What a query tells of itself: the MetricsSink protocol and its implementations."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

__all__ = [
    "CollectingMetricsSink",
    "MetricsSink",
    "NoopMetricsSink",
    "OperatorMetrics",
]


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
