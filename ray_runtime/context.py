"""DistributedExecutionContext: one query's surroundings in the process that coordinates it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.execution import run
from engine.kernel import Kernel
from engine.metrics import MetricsSink, NoopMetricsSink
from engine.physical import PhysicalOperator
from engine.storage.protocol import ScanRequest, Source, Split, Storage, TableHandle

__all__ = ["DistributedExecutionContext"]


@dataclass(frozen=True)
class DistributedExecutionContext:
    """What the coordinator sees of a query; its tasks have contexts of their own, see `ray_runtime.fragment`."""

    storage: Storage
    kernel: Kernel
    metrics_sink: MetricsSink = field(default_factory=NoopMetricsSink)
    cancellation: Cancellation = field(default_factory=Cancellation)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What a scan of `data` reads."""
        return self.storage.open(data, request)

    def run(self, operator: PhysicalOperator) -> pa.RecordBatchReader:
        """Run the subtree below `operator` here; see `ExecutionContext`."""
        return run(operator, self).reader
