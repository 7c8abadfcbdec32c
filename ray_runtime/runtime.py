"""RayRuntime: the distributed planner, the executor and a kernel for binding, put together."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from engine.errors import UnsupportedError
from engine.kernel import Kernel, KernelConfig
from engine.kernel_progress import Watch
from engine.logical.nodes import LogicalPlan
from engine.metrics import MetricsSink, NoopMetricsSink
from engine.owned_directory import OwnedDirectory, sweep
from engine.physical import PhysicalPlan
from engine.profile import QueryProfile
from engine.runtime import ClusterCounts, QueryOptions, QueryResult, ResultParts, WorkerInfo
from engine.sql.frontend import SqlFrontend
from engine.statements.database import Database
from engine.storage.indexes import IndexBuilder
from engine.storage.protocol import FragmentSink, Storage, TableName
from engine.travel_types import Boundary
from flight_server.endpoint import PeerTls
from ray_runtime.context import DistributedExecutionContext
from ray_runtime.exchange.segments import Compression
from ray_runtime.executor import DistributedResult, ExecutorOptions, RayExecutor
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.planner import DistributedPlan, DistributedPlanner
from ray_runtime.worker import WorkerConfig

__all__ = ["RayOptions", "RayRuntime"]

_DIRECTORY = "grism-ray-"  # how the names of such begin that belong to one runtime


@dataclass(frozen=True)
class RayOptions:
    """How queries are planned and run; `planning.slots` is taken from the cluster.

    `exchange_memory` and `exchange_disk` (None: no limit) are bytes of exchange output that each worker keeps;
    `exchange_compression` is that of its files.
    With `traces`, workers send the spans of their tasks, by variables of OpenTelemetry that their nodes do not set.
    With `tls`, what travels between workers, and to this process, is encrypted and its ends are known.
    """

    executor: ExecutorOptions = field(default_factory=ExecutorOptions)
    planning: DistributedOptions = field(default_factory=DistributedOptions)
    exchange_memory: int = 256 << 20
    exchange_disk: int | None = None
    exchange_compression: Compression | None = None
    traces: Mapping[str, str] | None = None
    tls: PeerTls | None = None


class RayRuntime:
    """Plans queries in this process and runs them on workers of a Ray cluster.

    `memory_limit` (bytes) and `threads` are for the kernel of each worker; None gives what is there. Where a worker,
    or this process, has more than `process_memory` bytes, the query that most of them came with ends. Workers open
    the same storage, and fetch the tables that are only in this process's memory. Close it, or use it in a ``with``
    block: closing stops the workers and removes their files.
    """

    name = "ray"

    def __init__(
        self,
        storage: Storage,
        options: RayOptions | None = None,
        *,
        memory_limit: int | None = None,
        threads: int | None = None,
        spill_directory: str | None = None,
        process_memory: int | None = None,
        metrics_sink: MetricsSink | None = None,
    ) -> None:
        options = options or RayOptions()
        self.storage = storage
        own = None if spill_directory else _own_directory()
        directory = str(own.path) if own is not None else str(spill_directory)
        config = WorkerConfig(
            storage,
            directory,
            memory_limit=memory_limit,
            process_memory=process_memory,
            threads=threads,
            exchange_memory=options.exchange_memory,
            exchange_disk=options.exchange_disk,
            compression=options.exchange_compression,
            tls=options.tls,
            traces=options.traces,
        )
        with ExitStack() as started:
            if own is not None:
                started.callback(own.remove)
            self.kernel = Kernel(KernelConfig(tuple(storage.directories()), None, 1, directory, process_memory))
            started.callback(self.kernel.close)
            self.executor = RayExecutor(config, options.executor)
            started.callback(self.executor.close)
            self.frontend = SqlFrontend(self.kernel, storage)
            planning = replace(options.planning, slots=self.executor.slots)
            self._planner = DistributedPlanner(self.kernel, storage, planning)
            self._started = started.pop_all()
        self._closed_to_clients = options.tls is not None  # with it, workers ask for certificates of the cluster
        self._metrics_sink = metrics_sink or NoopMetricsSink()

    def plan(self, query: LogicalPlan, partitions: int | None = None) -> DistributedPlan:
        """The stages of `query`, with `partitions` for each shuffle."""
        return self._planner.plan(query, partitions)

    def execute(self, plan: PhysicalPlan, options: QueryOptions | None = None) -> DistributedResult:
        """Start `plan`, which `plan()` made."""
        return self._execute(plan, options or QueryOptions(), Watch.USE)

    def _execute(self, plan: PhysicalPlan, options: QueryOptions, watch: Watch) -> DistributedResult:
        if not isinstance(plan, DistributedPlan):
            raise TypeError("The ray runtime executes the plans that it made; this one is another runtime's.")
        return self.executor.execute(plan, self._context(options), options.follow, options.trace, watch)

    def profile(self, plan: PhysicalPlan, options: QueryOptions | None = None) -> QueryProfile:
        """Run `plan` and tell what its stages did, and the kernels in them."""
        began = time.monotonic()
        result = self._execute(plan, options or QueryOptions(), Watch.OPERATORS)
        with result:
            rows = sum(batch.num_rows for batch in result)
        return QueryProfile(rows, time.monotonic() - began, None, result.stages())

    def has_parts(self, plan: PhysicalPlan) -> bool:
        """Whether clients can fetch the result from the workers: these have to let in whoever has a ticket."""
        if not isinstance(plan, DistributedPlan) or self._closed_to_clients:
            return False
        return plan.parts is not None and plan.boundary is Boundary.CLIENT

    def run_to_parts(self, plan: PhysicalPlan, seconds: float, options: QueryOptions | None = None) -> ResultParts:
        """Run `plan` to its end and leave each part of the result at its worker. Raises the execution errors."""
        if not isinstance(plan, DistributedPlan) or plan.parts is None:
            raise UnsupportedError("The result of this plan comes in one piece.")
        trace = (options or QueryOptions()).trace
        return self.executor.run_to_parts(plan.parts, seconds, self._context(options), plan.origins, trace)

    def writes(self, plan: PhysicalPlan) -> bool:
        """Whether the rows are so many that they are stored by the tasks that make them."""
        return self._planner.writes(plan)

    def write_plan(self, plan: PhysicalPlan, table: TableName, sink: FragmentSink | None = None) -> DistributedPlan:
        """The stages of `plan`, whose last tasks write; see `Runtime.write_plan`."""
        return self._planner.write_plan(plan, table, sink)

    def index_plan(self, builder: IndexBuilder) -> DistributedPlan | None:
        """The stage whose tasks build an index; see `Runtime.index_plan`."""
        return self._planner.index_plan(builder)

    def _context(self, options: QueryOptions | None) -> DistributedExecutionContext:
        cancellation = (options or QueryOptions()).cancellation
        return DistributedExecutionContext(self.storage, self.kernel, self._metrics_sink, cancellation)

    def explain(self, plan: PhysicalPlan) -> str:
        """The stages as text."""
        if not isinstance(plan, DistributedPlan):
            raise TypeError("The ray runtime explains the plans that it made; this one is another runtime's.")
        return self._planner.explain(plan)

    def workers(self) -> list[WorkerInfo]:
        """The workers that are ready; see `Runtime.workers`."""
        status = self.executor.status()
        found = []
        for worker, description in sorted(self.executor.workers().items()):
            held = status.get(worker)
            told: tuple[int | None, ...] = (None,) * 6
            if held is not None:
                kernel = held.kernel
                told = (len(held.running), held.outputs, held.memory, held.disk, kernel.memory, kernel.spilled)
            found.append(WorkerInfo(str(worker), description.location, description.pid, *told))
        return found

    def is_read(self, timeout: float) -> bool:
        """Whether rows are being fetched from workers; see `Runtime.is_read`."""
        return any(status.reads for status in self.executor.status(timeout).values())

    def counts(self) -> ClusterCounts:
        """What the cluster did since its start."""
        return self.executor.counts()

    def wait_for_worker(self) -> None:
        """Wait until one is ready; see `Runtime.wait_for_worker`."""
        self.executor.wait_for_worker()

    def sql(self, text: str) -> QueryResult:
        """Run one statement of any kind; see `Database.sql`."""
        return self._database.sql(text)

    @cached_property
    def _database(self) -> Database:
        return Database(self)

    def close(self) -> None:
        """Stop what runs, the workers too, and free what is held. A second call changes nothing."""
        self._started.close()

    def __enter__(self) -> RayRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _own_directory() -> OwnedDirectory:
    """A directory for this runtime among the temporary ones; what runtimes left that were killed goes."""
    parent = Path(tempfile.gettempdir())
    sweep(parent, _DIRECTORY)
    return OwnedDirectory(parent, _DIRECTORY)
