"""What a task runs: one stage's fragment over its share of the tables and of the upstream outputs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.execution import run
from engine.kernel import Kernel
from engine.kernel_progress import Watch
from engine.metrics import MetricsSink, NoopMetricsSink
from engine.operators import SqlExec, TableScanExec
from engine.physical import PhysicalOperator, walk
from engine.run_progress import RunProgress
from engine.storage.protocol import ArrowSource, ScanRequest, Source, Split, Storage, TableHandle
from engine.streams import SlicedStream, slice_stream
from engine.travel_types import Boundary
from ray_runtime.operators import (
    BuildIndexExec,
    ExchangeSourceExec,
    PartitionIdExec,
    ReplicaExec,
    WriteFragmentsExec,
)

__all__ = [
    "TaskContext",
    "execute_fragment",
    "fragment_scans",
    "has_partition_ids",
    "input_stages",
    "may_reread",
    "with_splits",
]


@dataclass(frozen=True)
class TaskContext:
    """A task's surroundings: those of any query, and where the outputs of upstream stages come from.

    `read(stage, resident)` gives the rows that this task reads of a stage: with `resident` as a Table, else as a
    Table or a RecordBatchReader.
    """

    storage: Storage
    kernel: Kernel
    read: Callable[[int, bool], Any]
    fragment_inputs: tuple[int, ...]
    rereads: bool
    metrics_sink: MetricsSink = field(default_factory=NoopMetricsSink)
    cancellation: Cancellation = field(default_factory=Cancellation)

    def exchange_source(self, stage: int) -> ArrowSource:
        """The rows of one upstream stage for the kernel.

        A Table brings its row count, without which the kernel cannot tell a build side; so inputs that meet in one
        statement are resident, and those of SQL that may read them more than once. A fragment's only input streams.
        """
        return ArrowSource(self.read(stage, self.rereads or len(self.fragment_inputs) > 1))

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What a scan of `data` reads."""
        return self.storage.open(data, request)

    def run(self, operator: PhysicalOperator) -> pa.RecordBatchReader:
        """Run the subtree below `operator` here; see `ExecutionContext`."""
        return run(operator, self).reader


def input_stages(fragment: PhysicalOperator) -> tuple[int, ...]:
    """The upstream stages that a fragment reads, once for each place where it reads them."""
    return tuple(node.stage for node in walk(fragment) if isinstance(node, ExchangeSourceExec))


def may_reread(fragment: PhysicalOperator) -> bool:
    """Whether a fragment holds SQL that may read one input several times, as a recursion does."""
    return any(isinstance(node, SqlExec) for node in walk(fragment))


def has_partition_ids(fragment: PhysicalOperator) -> bool:
    """Whether the last column that a fragment gives is the partition of each row, and none of the stage's output."""
    return isinstance(fragment, PartitionIdExec)


def execute_fragment(
    fragment: PhysicalOperator,
    splits: tuple[Any, ...] | None,
    context: TaskContext,
    boundary: Boundary,
    follow: Callable[[RunProgress], None] = lambda _: None,
    watch: Watch = Watch.USE,
) -> SlicedStream:
    """Start the fragment; `splits` is the task's entry of `Stage.splits`, None where the stage has none.

    The rows are in the types that `boundary` asks for; one that writes them has done so then. `follow` is given what
    tells how far the kernel is; `watch` says what that notes. Raises the execution errors.
    """
    if isinstance(fragment, BuildIndexExec):
        return slice_stream(fragment.build(splits or (), context.cancellation))
    root = fragment if splits is None else with_splits(fragment, splits)
    if isinstance(root, WriteFragmentsExec):
        with closing(run(root.input, context, boundary, follow=follow, watch=watch).reader) as rows:
            return slice_stream(root.write(rows))
    return run(root, context, boundary, follow=follow, watch=watch)


def fragment_scans(root: PhysicalOperator) -> list[TableScanExec]:
    """The scans of a fragment that are read by splits, in the order in which a task's splits are listed."""
    if isinstance(root, TableScanExec):
        return [root]
    return [] if isinstance(root, ReplicaExec) else [scan for child in root.children for scan in fragment_scans(child)]


def with_splits(root: PhysicalOperator, splits: tuple[tuple[Split, ...], ...]) -> PhysicalOperator:
    """The fragment over one task's share of its tables: `splits` has an entry for each scan."""
    remaining = iter(splits)

    def visit(node: PhysicalOperator) -> PhysicalOperator:
        if isinstance(node, TableScanExec):
            return node.with_splits(next(remaining))
        if isinstance(node, ReplicaExec):
            return node
        return node.with_children(tuple(visit(child) for child in node.children))

    return visit(root)
