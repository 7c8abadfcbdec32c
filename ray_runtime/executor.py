"""RayExecutor: runs distributed plans on the workers of a cluster. The same calls as LocalExecutor's."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.errors import CancelledError, WorkerLostError
from engine.kernel_progress import Watch
from engine.physical import ExecutionContext
from engine.profile import StageProfile
from engine.run_progress import ResourceUse, RunProgress, StageProgress, TaskProgress, share_done
from engine.runtime import ClusterCounts, PartRows, QueryResult, ResultPart, ResultParts
from engine.storage.protocol import Origins, Storage
from engine.streams import StreamCounters, slice_stream
from engine.tracing import SpanContext
from flight_server.endpoint import ConnectionPool, Endpoint, ServerTls
from flight_server.endpoint.status import to_flight
from ray_runtime.cluster import ClusterOptions
from ray_runtime.coordinator import Coordinator, Execution
from ray_runtime.exchange import ExchangeReader, ExchangeSource, ExchangeStore, ReadOptions, WorkerId
from ray_runtime.parts import PartsCollector
from ray_runtime.planner.planner import DistributedPlan
from ray_runtime.results import ResultFetcher
from ray_runtime.scheduler import SchedulerOptions, StageStats
from ray_runtime.stage_spans import StageSpans
from ray_runtime.stages import StageGraph
from ray_runtime.tables import TableHandler, reads_memory
from ray_runtime.worker import WorkerConfig, WorkerDescription, WorkerStatus

__all__ = ["DistributedResult", "ExecutorOptions", "RayExecutor"]


@dataclass(frozen=True)
class ExecutorOptions:
    """The cluster, how tasks are scheduled, and the bytes of a result that are fetched ahead of its reader."""

    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    scheduling: SchedulerOptions = field(default_factory=SchedulerOptions)
    result_ahead: int = 64 << 20


@dataclass(frozen=True)
class DistributedResult(QueryResult):
    """A running distributed query. `stats` tells what its stages did once it has ended, `stages` what their tasks took,
    too."""

    stats: Callable[[], tuple[StageStats, ...]] = tuple
    stages: Callable[[], tuple[StageProfile, ...]] = tuple


class RayExecutor:
    """Executes distributed plans, any number at once. Starts its workers, which stay until `close`.

    Raises UnsupportedError where Ray is not installed, WorkerLostError where no worker starts.
    """

    def __init__(self, config: WorkerConfig, options: ExecutorOptions | None = None) -> None:
        self.options = options or ExecutorOptions()
        self._config = config
        self._coordinator = Coordinator(self.options.cluster, config, self.options.scheduling)
        try:
            self._coordinator.wait_ready()
        except BaseException:
            self._coordinator.close()
            raise
        self._connections = ConnectionPool(config.client_tls)
        self._store = ExchangeStore(WorkerId("coordinator"), Path(config.directory), config.exchange_memory)
        self._tables = _TableService(self._coordinator.host, config.server_tls)

    @property
    def slots(self) -> int:
        """How many tasks run at once when all workers are there."""
        return self._coordinator.size * self.options.cluster.slots

    def workers(self) -> dict[WorkerId, WorkerDescription]:
        """The workers that are ready, and where they are."""
        return self._coordinator.workers()

    def status(self, timeout: float = 5.0) -> dict[WorkerId, WorkerStatus]:
        """What each worker holds; workers that do not answer within `timeout` seconds are left out."""
        return self._coordinator.status(timeout)

    def counts(self) -> ClusterCounts:
        """What the workers did since the start."""
        return self._coordinator.counts

    def wait_for_worker(self) -> None:
        """Wait until a worker is ready, or the executor is closed."""
        self._coordinator.wait_for_worker()

    def execute(
        self,
        plan: DistributedPlan,
        context: ExecutionContext,
        follow: Callable[[RunProgress], None] = lambda _: None,
        trace: SpanContext | None = None,
        watch: Watch = Watch.USE,
    ) -> DistributedResult:
        """Start `plan`, for the span `trace`, give `follow` what tells how far it is, and wait for its first rows.

        `watch` says what the kernels note. Raises the execution errors.
        """
        cancellation = context.cancellation
        cancellation.check()
        query, key = uuid.uuid4().hex, secrets.token_bytes(32)
        coordinator = self._coordinator
        fetcher = ResultFetcher(
            key, self._connections, self._store, self.options.result_ahead, cancellation, coordinator.tell
        )
        tables = self._tables.serve(query, key, context.storage) if reads_memory(plan.stages) else None
        metrics, deadline = context.metrics_sink, cancellation.deadline
        spans = StageSpans(trace)
        execution = Execution(query, plan.stages, key, fetcher, metrics, deadline, tables, plan.boundary, spans, watch)

        def stop() -> None:
            coordinator.cancel(query, cancellation.cause or CancelledError("The result was closed."))

        def close() -> None:
            forget()
            stop()
            fetcher.close(query)
            self._tables.forget(query)

        fetcher.start(query)
        coordinator.run(execution)
        followed = _ExecutionProgress(coordinator, execution)
        follow(followed)
        forget = cancellation.on_cancel(stop)
        try:
            fetcher.wait()
        except BaseException:
            close()
            raise
        reader = pa.RecordBatchReader.from_batches(plan.schema, _conform(fetcher, plan.schema))
        stream = slice_stream(reader, on_close=close)
        followed.sent = stream.counters
        return DistributedResult(
            stream.reader,
            stream.counters,
            cancellation,
            stream.stop,
            lambda: fetcher.failure,
            lambda: execution.stats,
            execution.profile,
        )

    def run_to_parts(
        self,
        graph: StageGraph,
        seconds: float,
        context: ExecutionContext,
        origins: Origins = (),
        trace: SpanContext | None = None,
    ) -> ResultParts:
        """Run `graph` and leave the outputs of its last stage at the workers for so many seconds.

        The columns come from `origins`, as clients are told. A worker that dies takes its parts with it. Raises the
        execution errors.
        """
        cancellation = context.cancellation
        cancellation.check()
        query, key = uuid.uuid4().hex, secrets.token_bytes(32)
        collector = PartsCollector(cancellation)
        tables = self._tables.serve(query, key, context.storage) if reads_memory(graph) else None

        def release() -> None:
            timer.cancel()
            self._coordinator.cancel(query, cancellation.cause or CancelledError("The result was given up."))
            self._tables.forget(query)

        timer = threading.Timer(seconds, release)
        timer.daemon = True
        forget = cancellation.on_cancel(release)
        try:
            metrics, spans = context.metrics_sink, StageSpans(trace)
            self._coordinator.run(Execution(query, graph, key, collector, metrics, None, tables, spans=spans))
            outputs = collector.wait()
        except BaseException:
            release()
            raise
        finally:
            forget()
        timer.start()
        sources = {
            _part(source, key, seconds, origins): (output.schema, source)
            for output in outputs
            for source in output.sources
        }

        def read(part: ResultPart, cancellation: Cancellation) -> PartRows:
            schema, source = sources[part]
            options = ReadOptions(budget=self.options.result_ahead)
            reader = ExchangeReader(schema, [source], key, self._connections, None, options, cancellation)
            rows = reader.stream(ordered=True)
            try:
                first = rows.read_next_batch()  # no part is empty; where its worker is gone, that is known now
            except WorkerLostError as error:
                raise WorkerLostError(f"{error.message} Ask for the query again.") from None
            return PartRows(pa.RecordBatchReader.from_batches(schema, chain([first], rows)), lambda: reader.failure)

        return ResultParts(tuple(sources), release, read)

    def close(self) -> None:
        """Stop all queries and workers and remove all files. A second call changes nothing."""
        self._coordinator.close()
        self._tables.close()
        self._connections.close()
        self._store.close()

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class _ExecutionProgress:
    """Tells how far an execution is, and its rows, once they are `sent`."""

    coordinator: Coordinator
    execution: Execution
    sent: StreamCounters | None = None
    _reached: float | None = None

    def share(self) -> float | None:
        share = share_done(self.stages(), self.sent.rows if self.sent else 0)
        if share is not None:  # a task that was lost with its worker is done no longer
            self._reached = max(share, self._reached or 0.0)
        return self._reached

    def stages(self) -> Sequence[StageProgress]:
        return self.coordinator.stages(self.execution)

    def tasks(self) -> Sequence[TaskProgress]:
        return self.coordinator.tasks(self.execution)

    def resource_use(self) -> ResourceUse | None:
        return self.execution.used_in_all()


class _TableService:
    """The Flight endpoint for tables in this process's memory, opened when the first query needs it."""

    def __init__(self, host: str, tls: ServerTls | None) -> None:
        self._host, self._tls = host, tls
        self._lock = threading.Lock()
        self._handler = TableHandler()
        self._endpoint: Endpoint | None = None

    def serve(self, query: str, key: bytes, storage: Storage) -> str:
        """Let the tasks of a query read the memory tables of `storage`; returns where."""
        with self._lock:
            self._endpoint = self._endpoint or Endpoint(self._handler, self._host, tls=self._tls)
            self._handler.add(query, key, storage)
            return self._endpoint.location

    def forget(self, query: str) -> None:
        """Serve the query no longer."""
        self._handler.remove(query)

    def close(self) -> None:
        """Close the endpoint."""
        with self._lock:
            if self._endpoint is not None:
                self._endpoint.shutdown()


def _part(source: ExchangeSource, key: bytes, seconds: float, origins: Origins) -> ResultPart:
    """What a client fetches `source` with."""
    request = replace(source.request, for_client=True, origins=origins)
    return ResultPart(source.location, request.seal(key, seconds), request.rows, source.bytes)


def _conform(fetcher: ResultFetcher, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows under the plan's own column names, which may repeat. What fails ends the stream with its message."""
    try:
        for batch in fetcher.batches():
            yield batch if batch.schema.equals(schema) else pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    except Exception as error:
        raise to_flight(error) from None
