"""What Prometheus collects: counts of queries as they end, and how full the server is when it asks.

No label holds a user's name or text: their values are words of this code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.runtime import Runtime
from flight_server.gate import Gate
from flight_server.monitoring.query_log import QueryLog
from flight_server.monitoring.registry import OpenHandles

__all__ = ["CONTENT_TYPE", "Metrics", "Numbers"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
M = TypeVar("M", Counter, Histogram)
_MAX_KINDS = 100  # of statements; there are some thirty

disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside each counter, which nothing asks for


class SpanCounts(Protocol):
    """What became of the spans of this process."""

    @property
    def sent(self) -> int:
        """How many have left."""

    @property
    def dropped(self) -> int:
        """How many are lost."""


@dataclass(frozen=True)
class Numbers:
    """What is counted elsewhere, and asked for when somebody looks."""

    gate: Gate
    open: Callable[[], OpenHandles]
    refused_logins: Callable[[], int]
    runtimes: Sequence[Runtime]
    query_log: QueryLog | None = None
    traces: SpanCounts | None = None


class Metrics:
    """Counts what ends, and tells it with the `numbers` of now."""

    def __init__(self, numbers: Numbers) -> None:
        self.registry = CollectorRegistry()
        names = ["kind", "runtime", "status"]
        self._queries = Counter("grism_queries", "Statements and uploads that ended.", names, registry=self.registry)
        self._seconds = Histogram(
            "grism_query_duration_seconds",
            "From its turn until its last row has left, or it failed.",
            ["runtime"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._planning = Histogram(
            "grism_query_planning_seconds", "Planning of statements.", buckets=_SECONDS, registry=self.registry
        )
        self._waits = Histogram(
            "grism_query_queue_seconds", "Waiting for a turn.", buckets=_SECONDS, registry=self.registry
        )
        self._rows = Counter("grism_query_rows", "Rows sent, changed or uploaded.", ["kind"], registry=self.registry)
        self._bytes = Counter(
            "grism_query_sent_bytes",
            "Arrow bytes of results, and of rows written.",
            ["runtime"],
            registry=self.registry,
        )
        self._received = Counter(
            "grism_query_received_bytes", "Arrow bytes of uploads and bound rows.", ["runtime"], registry=self.registry
        )
        self._kinds: set[str] = set()
        self._children: dict[Any, Any] = {}
        self.registry.register(_Gauges(numbers))
        ProcessCollector(registry=self.registry)

    def ended(self, described: Mapping[str, Any]) -> None:
        """A query ended, which its row in ``system.queries`` describes."""
        kind, runtime = self._kind(described["kind"]), described["runtime"]
        status = {"done": "ok", "cancelled": "cancelled"}.get(described["state"]) or described["error_type"]
        self._labelled(self._queries, kind, runtime, status).inc()
        self._labelled(self._seconds, runtime).observe(described["run"])
        self._planning.observe(described["planning"])
        self._waits.observe(described["queue"])
        for counter, label, count in (
            (self._rows, kind, described["rows"]),
            (self._bytes, runtime, described["bytes"]),
            (self._received, runtime, described["received"]),
        ):
            self._labelled(counter, label).inc(count)

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self.registry)

    def _labelled(self, metric: M, *labels: str) -> M:
        """The metric with these labels. To look it up there takes as long as to count."""
        key = metric, labels
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = metric.labels(*labels)
        return found

    def _kind(self, kind: str) -> str:
        if kind not in self._kinds and len(self._kinds) >= _MAX_KINDS:
            return "OTHER"
        self._kinds.add(kind)
        return kind


class _Gauges(Collector):
    """The numbers of the moment in which they are asked for."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """The families of metrics."""
        numbers = self._numbers
        yield _gauge("queries_running", "Queries that have a turn.", numbers.gate.running)
        yield _gauge("queries_waiting", "Queries that wait for their turn.", numbers.gate.waiting)
        kept = numbers.open()
        yield _gauge("sessions_open", "Sessions.", kept.sessions)
        yield _gauge("prepared_statements_open", "Prepared statements.", kept.prepared)
        yield _gauge("planned_statements_open", "Planned statements that wait to be fetched.", kept.planned)
        yield CounterMetricFamily("grism_logins_refused", "Logins and tokens refused.", numbers.refused_logins())
        log = numbers.query_log
        if log is not None:
            yield CounterMetricFamily("grism_query_log_rows", "Queries in the table of queries.", log.written)
            yield CounterMetricFamily("grism_query_log_dropped", "Queries that are not in it.", log.dropped)
        if numbers.traces is not None:
            yield CounterMetricFamily("grism_spans_sent", "Spans that left for the collector.", numbers.traces.sent)
            yield CounterMetricFamily("grism_spans_dropped", "Spans that are lost.", numbers.traces.dropped)
        memory = GaugeMetricFamily("grism_kernel_memory_bytes", "Memory of the kernel's buffers.", labels=["runtime"])
        spilled = GaugeMetricFamily(
            "grism_kernel_spilled_bytes", "Files that the kernel spills to.", labels=["runtime"]
        )
        for runtime in numbers.runtimes:
            used = runtime.kernel.usage()
            memory.add_metric([runtime.name], used.memory)
            spilled.add_metric([runtime.name], used.spilled)
            yield from _of_cluster(runtime)
        yield memory
        yield spilled


def _of_cluster(runtime: Runtime) -> Iterator[Metric]:
    counts = runtime.counts()
    if counts is None:
        return
    workers = runtime.workers()
    yield _gauge("workers_ready", "Workers of the cluster that are ready.", len(workers))
    yield _gauge("tasks_running", "Tasks that run on workers.", sum(w.tasks or 0 for w in workers))
    memory, disk = (sum(w.exchange_memory or 0 for w in workers), sum(w.exchange_disk or 0 for w in workers))
    yield _gauge("exchange_memory_bytes", "Outputs of tasks that workers keep in memory.", memory)
    yield _gauge("exchange_disk_bytes", "Outputs of tasks that workers keep in files.", disk)
    memory, disk = (sum(w.kernel_memory or 0 for w in workers), sum(w.kernel_spilled or 0 for w in workers))
    yield _gauge("workers_kernel_memory_bytes", "Memory of the buffers of the workers' kernels.", memory)
    yield _gauge("workers_kernel_spilled_bytes", "Files that the workers' kernels spill to.", disk)
    yield CounterMetricFamily("grism_tasks_started", "Tasks that were handed to workers.", counts.tasks)
    yield CounterMetricFamily("grism_tasks_repeated", "Tasks that were handed out again.", counts.repeated)
    yield CounterMetricFamily("grism_workers_lost", "Workers that were lost.", counts.lost_workers)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"grism_{name}", text, value)
