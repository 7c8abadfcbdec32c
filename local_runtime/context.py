"""LocalExecutionContext: one query's surroundings in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.execution import run
from engine.kernel import Kernel
from engine.metrics import MetricsSink, NoopMetricsSink
from engine.physical import PhysicalOperator
from engine.storage.protocol import ScanRequest, Source, Split, Storage, TableHandle

__all__ = ["LocalExecutionContext"]


@dataclass(frozen=True)
class LocalExecutionContext:
    """What a query on this machine sees. `tables` stand in the places of others, by the identities of those."""

    storage: Storage
    kernel: Kernel
    metrics_sink: MetricsSink = field(default_factory=NoopMetricsSink)
    cancellation: Cancellation = field(default_factory=Cancellation)
    tables: Mapping[int, TableHandle] = field(default_factory=dict)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What a scan of `data` reads."""
        return self.storage.open(self.tables.get(id(data), data), request)

    def run(self, operator: PhysicalOperator) -> pa.RecordBatchReader:
        """Run the subtree below `operator` here; see `ExecutionContext`."""
        return run(operator, self).reader
