"""What operators measure."""

from __future__ import annotations

from engine.kernel import Kernel
from engine.metrics import CollectingMetricsSink, MetricsSink, NoopMetricsSink, OperatorMetrics
from engine.physical import ExecutionContext
from engine.storage import InMemoryStorage
from local_runtime import LocalExecutionContext


def test_metrics_add_up_by_operator() -> None:
    sink = CollectingMetricsSink()
    sink.record("A", OperatorMetrics(1, 2, 3, 0.5))
    sink.record("A", OperatorMetrics(10, 20, 30, 0.25))
    sink.record("B", OperatorMetrics(rows=7))
    assert sink.operators == {"A": OperatorMetrics(11, 22, 33, 0.75), "B": OperatorMetrics(7, 0, 0, 0.0)}


def test_the_implementations_are_what_the_protocols_ask_for(kernel: Kernel, storage: InMemoryStorage) -> None:
    for sink in (NoopMetricsSink(), CollectingMetricsSink()):
        assert isinstance(sink, MetricsSink)
    context = LocalExecutionContext(storage, kernel)
    assert isinstance(context, ExecutionContext)
