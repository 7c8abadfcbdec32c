"""What Prometheus collects: counts of queries as they end, and how full the server is when it asks.

No label holds a user's name or text: their values are words of this code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.runtime import Runtime
from flight_server.gate import Gate
from flight_server.monitoring.query_counts import QueryCounts
from flight_server.monitoring.query_log import QueryLog
from flight_server.monitoring.registry import OpenHandles

__all__ = ["CONTENT_TYPE", "Metrics", "Numbers"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class SpanCounts(Protocol):
    """What became of the spans of this process."""

    @property
    def sent_count(self) -> int:
        """How many have left."""

    @property
    def dropped_count(self) -> int:
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
        self._registry = CollectorRegistry()
        counts = QueryCounts([runtime.name for runtime in numbers.runtimes])
        self.ended = counts.add
        self._registry.register(counts)
        self._registry.register(_Gauges(numbers))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    """The numbers of the moment in which they are asked for."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """The families of metrics."""
        numbers = self._numbers
        yield _gauge("queries_running", "Queries that have a turn.", numbers.gate.running_count)
        yield _gauge("queries_waiting", "Queries that wait for their turn.", numbers.gate.waiting_count)
        kept = numbers.open()
        yield _gauge("sessions_open", "Sessions.", kept.sessions)
        yield _gauge("prepared_statements_open", "Prepared statements.", kept.prepared)
        yield _gauge("planned_statements_open", "Planned statements that wait to be fetched.", kept.planned)
        yield CounterMetricFamily("grism_logins_refused", "Logins and tokens refused.", numbers.refused_logins())
        log = numbers.query_log
        if log is not None:
            yield CounterMetricFamily("grism_query_log_rows", "Queries in the table of queries.", log.written_count)
            yield CounterMetricFamily("grism_query_log_dropped", "Queries that are not in it.", log.dropped_count)
        if numbers.traces is not None:
            yield CounterMetricFamily(
                "grism_spans_sent", "Spans that left for the collector.", numbers.traces.sent_count
            )
            yield CounterMetricFamily("grism_spans_dropped", "Spans that are lost.", numbers.traces.dropped_count)
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
