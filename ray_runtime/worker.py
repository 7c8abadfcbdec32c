"""A worker: one kernel, one exchange store and one Flight endpoint in a process, and the tasks that run there.

Nothing here imports Ray but the look-up of the node's address: `ray_runtime.cluster` makes an actor of the class.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
from sqlglot.dialects.dialect import Dialect

from engine.cancellation import Cancellation
from engine.errors import CancelledError, ExecutionError, GrismError
from engine.kernel import Kernel, KernelConfig, KernelUsage
from engine.kernel_errors import execution_error
from engine.kernel_progress import KernelProgress
from engine.memory_return import MemoryReturn, memory_returner
from engine.owned_directory import OwnedDirectory, disown
from engine.profile import OperatorProfile, read_profile
from engine.run_progress import RunProgress, total_use
from engine.storage.protocol import Storage
from flight_server.endpoint import ClientTls, ConnectionPool, Endpoint, PeerTls, ServerTls
from ray_runtime.exchange import (
    OWNED,
    ExchangeHandler,
    ExchangeReader,
    ExchangeStore,
    OutputKey,
    QueryKeys,
    ReadOptions,
    WorkerId,
    group_rows,
    payload_schema,
    whole,
)
from ray_runtime.fragment import TaskContext, execute_fragment, has_partition_ids, input_stages, may_reread
from ray_runtime.tables import TaskStorage
from ray_runtime.task import TaskDone, TaskInput, TaskSpec
from ray_runtime.worker_traces import WorkerTraces

__all__ = ["Worker", "WorkerConfig", "WorkerDescription", "WorkerStatus"]

log = logging.getLogger(__name__)

_REMEMBERED_QUERIES = 10_000


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is and may use; the same for all workers of a cluster.

    `storage` opens tables; `memory_limit` (bytes) and `threads` are the kernel's, None lets it choose;
    a worker that has more than `process_memory` bytes ends the task that most of them came with.
    `exchange_memory` and `exchange_disk` (None: no limit) are bytes of exchange output that are kept. Files go below
    `directory`, under names that begin with the `cluster`'s. `host` is the address to listen on, None for the node's
    own. With `tls`, endpoints of the cluster talk to each other only. So many tasks at a time are `observed`: they tell
    what they have used; so many are `profiled`, of queries that ask for it. With `traces`, variables of OpenTelemetry
    that a node may not set, spans of tasks are sent.
    """

    storage: Storage
    directory: str
    cluster: str = ""
    host: str | None = None
    memory_limit: int | None = None
    process_memory: int | None = None
    threads: int | None = None
    exchange_memory: int = 256 << 20
    exchange_disk: int | None = None
    compression: Literal["lz4", "zstd"] | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    observed: int = 8
    profiled: int = 4
    tls: PeerTls | None = None
    traces: Mapping[str, str] | None = None

    def owner(self, worker: WorkerId) -> str:
        """How the names of a worker's directories begin."""
        return f"{self.cluster}-{worker.name}-{worker.incarnation}-"

    @property
    def server_tls(self) -> ServerTls | None:
        """TLS of an endpoint of the cluster, from this machine's files."""
        return self.tls.server() if self.tls else None

    @property
    def client_tls(self) -> ClientTls | None:
        """TLS of connections to the endpoints of the cluster, from this machine's files."""
        return self.tls.client() if self.tls else None


@dataclass(frozen=True)
class WorkerDescription:
    """Where a worker is: its endpoint's Flight location and its process id."""

    location: str
    pid: int


@dataclass(frozen=True)
class WorkerStatus:
    """What a worker holds: running tasks, committed outputs, how many calls read these, bytes of them in memory and in
    files, and the bytes of its kernel's buffers and spill files."""

    running: tuple[OutputKey, ...]
    outputs: int
    reads: int
    memory: int
    disk: int
    kernel: KernelUsage


class Worker:
    """Runs tasks and serves their outputs. Every method may be called from any thread."""

    def __init__(self, worker: WorkerId, config: WorkerConfig) -> None:
        self.id = worker
        self._config = config
        Dialect.get_or_raise("duckdb")  # it is built on its first use, which threads must not race for
        directory, owner = Path(config.directory), config.owner(worker)
        self._store = ExchangeStore(
            worker, directory, config.exchange_memory, config.exchange_disk, config.compression, owner
        )
        self._spill = OwnedDirectory(directory, OWNED + owner)
        self._kernel = Kernel(
            KernelConfig(
                tuple(config.storage.directories()),
                config.memory_limit,
                config.threads,
                str(self._spill.path),
                config.process_memory,
                config.observed,
                config.profiled,
            )
        )
        self._keys = QueryKeys()
        self._connections = ConnectionPool(config.client_tls)
        host = config.host or _node_address()
        self._endpoint = Endpoint(ExchangeHandler(self._store, self._keys), host, tls=config.server_tls)
        self._traces = WorkerTraces(str(worker), config.traces)
        self._memory_return = MemoryReturn(memory_returner())
        self._memory_return.start()
        self._lock = threading.Lock()
        self._running: dict[OutputKey, Cancellation] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def describe(self) -> WorkerDescription:
        """Where the worker is."""
        return WorkerDescription(self._endpoint.location, os.getpid())

    def ping(self) -> bool:
        """Whether the worker is well; one whose kernel was lost once is not, whatever came in its place."""
        return self._kernel.losses == 0

    def status(self) -> WorkerStatus:
        """What the worker holds now."""
        with self._lock:
            running = tuple(self._running)
        store = self._store
        reads = self._endpoint.running_calls
        return WorkerStatus(running, len(store), reads, store.current_usage, store.disk_usage, self._kernel.usage())

    def run_task(self, spec: TaskSpec) -> TaskDone | GrismError:
        """Run one attempt to its end; its error comes back as a value, so that its type survives the way."""
        return self._traces.around(self._outcome, spec)

    def _outcome(self, spec: TaskSpec) -> TaskDone | GrismError:
        cancellation = Cancellation()
        try:
            with self._register(spec, cancellation):
                return self._run(spec, cancellation)
        except GrismError as error:
            return error.with_traceback(None)
        except Exception:
            incident = secrets.token_hex(4)
            log.exception("incident %s in %s", incident, spec.task)
            return ExecutionError(f"A worker failed unexpectedly; the log of {self.id} has it as incident {incident}.")

    def cancel_task(self, task: OutputKey) -> None:
        """Stop one attempt, where it runs."""
        with self._lock:
            cancellation = self._running.get(task)
        if cancellation is not None:
            cancellation.cancel("The attempt is not needed any more.")

    def drop_query(self, query: str) -> None:
        """Stop the tasks of a query and remove its outputs; what comes later for it is refused."""
        with self._lock:
            self._ended[query] = None
            while len(self._ended) > _REMEMBERED_QUERIES:
                self._ended.popitem(last=False)
            running = [cancellation for task, cancellation in self._running.items() if task.query == query]
        self._keys.remove(query)
        for cancellation in running:
            cancellation.cancel("The query is over.")
        self._store.remove_query(query)

    def disown(self, workers: Sequence[WorkerId]) -> None:
        """Remove the files that lost workers left on this machine."""
        for worker in workers:
            disown(Path(self._config.directory), OWNED + self._config.owner(worker))

    def close(self) -> None:
        """Stop everything and remove all files."""
        with self._lock:
            running = list(self._running.values())
        for cancellation in running:
            cancellation.cancel("The worker is closing.")
        self._endpoint.shutdown()
        self._connections.close()
        self._kernel.close()
        self._store.close()
        self._spill.remove()
        self._traces.close()
        self._memory_return.close()

    @contextmanager
    def _register(self, spec: TaskSpec, cancellation: Cancellation) -> Iterator[None]:
        task = spec.task
        with self._lock:
            if task.query in self._ended:
                raise CancelledError("The query is over.")
            self._running[task] = cancellation
            self._keys.add(task.query, spec.key)
        try:
            yield
        finally:
            with self._lock:
                del self._running[task]

    def _run(self, spec: TaskSpec, cancellation: Cancellation) -> TaskDone:
        began = time.monotonic()
        fragment = pickle.loads(spec.fragment)  # noqa: S301 - from our coordinator, through Ray
        inputs = _Inputs(spec, lambda source: self._reader(spec, source, cancellation))
        context = TaskContext(
            TaskStorage.of(self._config.storage, spec, self._connections, cancellation),
            self._kernel,
            inputs.read,
            input_stages(fragment),
            may_reread(fragment),
            cancellation=cancellation,
        )
        runs: list[RunProgress] = []
        try:
            stream = execute_fragment(fragment, spec.splits, context, spec.boundary, runs.append, spec.watch)
            with closing(stream.reader) as reader:
                with_ids = has_partition_ids(fragment)
                schema = payload_schema(reader.schema) if with_ids else reader.schema
                pieces = group_rows(reader, spec.partitions) if with_ids else whole(reader)
                with self._store.writer(spec.task, schema, spec.partitions) as writer:
                    for piece in pieces:
                        cancellation.check()
                        writer.append(piece)
                    read = sum(sum(source.bytes) for source in spec.inputs)
                    summary, used = writer.commit(), total_use(runs)
                    return TaskDone(summary, schema, time.monotonic() - began, read, used, _operators(runs))
        except (GrismError, pa.ArrowException, OSError) as error:
            cancellation.check()
            inputs.check()
            raise execution_error(error) from None

    def _reader(self, spec: TaskSpec, source: TaskInput, cancellation: Cancellation) -> ExchangeReader:
        return ExchangeReader(
            source.schema,
            source.sources(spec.task.query),
            spec.key,
            self._connections,
            self._store,
            self._config.read,
            cancellation,
        )


class _Inputs:
    """The upstream outputs of one task. A stage that the fragment reads in several places is fetched once."""

    def __init__(self, spec: TaskSpec, open_reader: Callable[[TaskInput], ExchangeReader]) -> None:
        self._by_stage = {source.stage: source for source in spec.inputs}
        self._open = open_reader
        self._readers: list[ExchangeReader] = []
        self._tables: dict[int, pa.Table] = {}

    def read(self, stage: int, resident: bool) -> pa.Table | pa.RecordBatchReader:
        """The rows of one stage."""
        if stage in self._tables:
            return self._tables[stage]
        source = self._by_stage[stage]
        reader = self._open(source)
        self._readers.append(reader)
        if not resident:
            return reader.stream(source.ordered)
        return self._tables.setdefault(stage, reader.table())

    def check(self) -> None:
        """Raise what went wrong with an input; the kernel, which read it, kept only the text."""
        for reader in self._readers:
            if reader.failure is not None:
                raise reader.failure from None


def _operators(runs: Sequence[RunProgress]) -> tuple[OperatorProfile, ...]:
    """The operators of the kernel in these executions, where they were watched."""
    profiles = [run.profile for run in runs if isinstance(run, KernelProgress)]
    read = [read_profile(profile) for profile in profiles if profile]
    return tuple(operator for profile in read if profile is not None for operator in profile.operators)


def _node_address() -> str:
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())
