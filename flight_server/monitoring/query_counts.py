"""What Prometheus is told of queries that have ended: how many, how long they took, and what they moved.

Queries are counted some at once, in one step: prometheus-client's own counters and histograms take a lock for each of
their values, and code that runs once for a call of some milliseconds takes several times as long as the same in a loop.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.errors import CancelledError, GrismError
from flight_server.monitoring.query import INTERNAL

__all__ = ["QueryCounts"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_BOUNDS = [*map(str, map(float, _SECONDS)), "+Inf"]  # as prometheus-client writes them
_MAX_KINDS = 100  # of statements; there are some thirty
_AT_ONCE = 100  # queries
_STATUS = {"done": "ok", "cancelled": "cancelled"}


class _Durations:
    """How many took at most so many seconds, by bound."""

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.total = 0.0

    def tell(self, family: HistogramMetricFamily, *labels: str) -> None:
        family.add_metric(labels, list(zip(_BOUNDS, accumulate(self.counts), strict=True)), self.total)


class QueryCounts(Collector):
    """Counts queries as they end. Thread-safe.

    What can be known before is there at zero from the start: what a rate tells of begins with a counter's second value,
    so the first failure of a kind would not be seen, nor the first query of one of the `runtimes`.
    """

    def __init__(self, runtimes: Collection[str] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._kinds: set[str] = set()
        self._queries: Counter[tuple[str, ...]] = Counter()
        self._failures: Counter[tuple[str, ...]] = Counter({(status,): 0 for status in sorted(_failures())})
        self._rows: Counter[tuple[str, ...]] = Counter()
        self._sent: Counter[tuple[str, ...]] = Counter({(runtime,): 0 for runtime in runtimes})
        self._received = self._sent.copy()
        self._run: defaultdict[str, _Durations] = defaultdict(_Durations, {name: _Durations() for name in runtimes})
        self._planning, self._queue = _Durations(), _Durations()

    def add(self, described: Sequence[Mapping[str, Any]]) -> None:
        """Queries ended, which their rows in ``system.queries`` describe."""
        self._waiting.extend(described)
        # No call waits for another that counts.
        if len(self._waiting) >= _AT_ONCE and self._lock.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._lock.release()

    def collect(self) -> Iterator[Metric]:
        """The families of metrics."""
        with self._lock:
            self._count()
            families = [
                _counter("queries", "Statements and uploads that ended.", ("kind", "runtime", "status"), self._queries),
                _counter("query_failures", "Those that failed or were cancelled.", ("status",), self._failures),
                _counter("query_rows", "Rows sent, changed or uploaded.", ("kind",), self._rows),
                _counter("query_sent_bytes", "Arrow bytes of results, and of rows written.", ("runtime",), self._sent),
                _counter(
                    "query_received_bytes", "Arrow bytes of uploads and bound rows.", ("runtime",), self._received
                ),
                *self._durations(),
            ]
        yield from families

    def _count(self) -> None:
        """Count the queries that wait for it."""
        for _ in range(len(self._waiting)):
            ended = self._waiting.popleft()
            runtime, status = ended["runtime"], _STATUS.get(ended["state"]) or ended["error_type"]
            kind = ended["kind"]
            if kind not in self._kinds:
                kind = self._new_kind(kind)
            self._queries[kind, runtime, status] += 1
            if status != "ok":
                self._failures[status,] += 1
            self._rows[kind,] += ended["rows"]
            self._sent[runtime,] += ended["bytes"]
            self._received[runtime,] += ended["received"]
            for name, durations in (("run", self._run[runtime]), ("planning", self._planning), ("queue", self._queue)):
                seconds = ended[name]
                durations.counts[bisect_left(_SECONDS, seconds)] += 1
                durations.total += seconds

    def _durations(self) -> Iterator[Metric]:
        run = _histogram("duration", "From its turn until its last row has left, or it failed.", ("runtime",))
        for runtime, durations in self._run.items():
            durations.tell(run, runtime)
        yield run
        for name, text, durations in (
            ("planning", "Planning of statements.", self._planning),
            ("queue", "Waiting for a turn.", self._queue),
        ):
            family = _histogram(name, text)
            durations.tell(family)
            yield family

    def _new_kind(self, kind: str) -> str:
        """As what one of a kind that was not met before is counted."""
        if len(self._kinds) >= _MAX_KINDS:
            return "OTHER"
        self._kinds.add(kind)
        return kind


def _failures() -> Iterator[str]:
    """Each status there can be but ``ok``."""
    yield from ("cancelled", INTERNAL)
    kinds = [GrismError]
    while kinds:
        for kind in kinds.pop().__subclasses__():
            if not issubclass(kind, CancelledError):
                kinds.append(kind)
                yield kind.__name__


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(f"grism_{name}", text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _histogram(name: str, text: str, labels: tuple[str, ...] = ()) -> HistogramMetricFamily:
    return HistogramMetricFamily(f"grism_query_{name}_seconds", text, labels=labels)
