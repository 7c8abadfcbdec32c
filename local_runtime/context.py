"""LocalExecutionContext: one query's surroundings in one process."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.context import MemoryManager, MetricsSink, NoopMemoryManager, NoopMetricsSink
from engine.execution import run
from engine.kernel import Kernel
from engine.physical import PhysicalOperator
from engine.storage.protocol import Storage

__all__ = ["LocalExecutionContext"]


@dataclass(frozen=True)
class LocalExecutionContext:
    """What a query on this machine sees."""

    storage: Storage
    kernel: Kernel
    memory_manager: MemoryManager = field(default_factory=NoopMemoryManager)
    metrics_sink: MetricsSink = field(default_factory=NoopMetricsSink)
    cancellation: Cancellation = field(default_factory=Cancellation)
    snapshot_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def run(self, operator: PhysicalOperator) -> pa.RecordBatchReader:
        """Run the subtree below `operator` here; see `ExecutionContext`."""
        return run(operator, self).reader
