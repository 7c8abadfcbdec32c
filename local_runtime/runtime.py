"""LocalRuntime: planner, executor and kernel of one process, put together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property

from engine.errors import UnsupportedError
from engine.kernel import Kernel, KernelConfig
from engine.logical.nodes import LogicalPlan
from engine.metrics import MetricsSink, NoopMetricsSink
from engine.physical import PhysicalPlan
from engine.profile import QueryProfile, kernel_profile
from engine.runtime import QueryOptions, QueryResult, ResultParts, WorkerInfo
from engine.sql.frontend import SqlFrontend
from engine.statements.database import Database
from engine.storage.indexes import IndexBuilder
from engine.storage.protocol import FragmentSink, Storage, TableName
from local_runtime.context import LocalExecutionContext
from local_runtime.executor import LocalExecutor
from local_runtime.planner import LocalPhysicalPlanner, LocalPlan

__all__ = ["LocalRuntime"]

_PROFILED = 1
"""So many runs for a profile at a time tell how far they are in the files that they read."""


class LocalRuntime:
    """Plans and runs queries in this process.

    `memory_limit` is in bytes, `threads` a count; None lets the kernel choose. Where the process has
    more than `process_memory` bytes, the query that most of them came with ends. So many queries at a time are
    `observed`: they tell how far they are, and what they have used. Close it, or use it in a ``with``
    block: closing stops what runs and removes the spill files.
    """

    name = "local"

    def __init__(
        self,
        storage: Storage,
        *,
        memory_limit: int | None = None,
        threads: int | None = None,
        spill_directory: str | None = None,
        process_memory: int | None = None,
        metrics_sink: MetricsSink | None = None,
        observed: int = 4,
    ) -> None:
        self.storage = storage
        directories = tuple(storage.directories())
        self.kernel = Kernel(
            KernelConfig(directories, memory_limit, threads, spill_directory, process_memory, observed, _PROFILED)
        )
        self.frontend = SqlFrontend(self.kernel, storage)
        self._planner = LocalPhysicalPlanner(self.kernel)
        self._executor = LocalExecutor()
        self._metrics_sink = metrics_sink or NoopMetricsSink()

    def plan(self, query: LogicalPlan, partitions: int | None = None) -> PhysicalPlan:
        """The physical plan of `query`, in which nothing is shuffled."""
        del partitions
        return self._planner.plan(query)

    def execute(self, plan: PhysicalPlan, options: QueryOptions | None = None) -> QueryResult:
        """Start `plan`."""
        options = options or QueryOptions()
        return self._executor.execute(plan, self._context(plan, options), options.follow)

    def profile(self, plan: PhysicalPlan, options: QueryOptions | None = None) -> QueryProfile:
        """Run `plan` and tell what the kernel measured."""
        options = options or QueryOptions()
        began = time.monotonic()
        kernel = kernel_profile(plan.root, self._context(plan, options), options.follow)
        return QueryProfile(kernel.rows, time.monotonic() - began, kernel)

    def _context(self, plan: PhysicalPlan, options: QueryOptions) -> LocalExecutionContext:
        tables = plan.tables if isinstance(plan, LocalPlan) else {}
        return LocalExecutionContext(self.storage, self.kernel, self._metrics_sink, options.cancellation, tables)

    def has_parts(self, plan: PhysicalPlan) -> bool:
        """False: all rows come from this process."""
        del plan
        return False

    def run_to_parts(self, plan: PhysicalPlan, seconds: float, options: QueryOptions | None = None) -> ResultParts:
        """Raises UnsupportedError."""
        del plan, seconds, options
        raise UnsupportedError("The local runtime gives a result in one piece.")

    def writes(self, plan: PhysicalPlan) -> bool:
        """False: all rows are made here."""
        del plan
        return False

    def write_plan(self, plan: PhysicalPlan, table: TableName, sink: FragmentSink | None = None) -> PhysicalPlan:
        """Raises UnsupportedError."""
        del plan, table, sink
        raise UnsupportedError("The local runtime has no workers that could write.")

    def index_plan(self, builder: IndexBuilder) -> None:
        """None: there are no workers."""
        del builder

    def explain(self, plan: PhysicalPlan) -> str:
        """The operator tree as text."""
        return self._planner.explain(plan, self.storage)

    def workers(self) -> Sequence[WorkerInfo]:
        """None: all runs in this process."""
        return ()

    def is_read(self, timeout: float) -> bool:
        """False: there are no workers."""
        del timeout
        return False

    def counts(self) -> None:
        """None: there is no cluster."""

    def wait_for_worker(self) -> None:
        """None is needed: all runs in this process."""

    def sql(self, text: str) -> QueryResult:
        """Run one statement of any kind; see `Database.sql`."""
        return self._database.sql(text)

    @cached_property
    def _database(self) -> Database:
        return Database(self)

    def close(self) -> None:
        """Stop what runs and free what is held."""
        self.kernel.close()

    def __enter__(self) -> LocalRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
