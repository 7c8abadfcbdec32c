"""The coordinator: one thread that tells the scheduler what happens and does what it decides.

Everything comes to the thread through one inbox, as functions to call: answers of workers, callers that submit and
cancel, the result's readers. So the scheduler, the cluster and the records of the queries need no locks.

The coordinator keeps, for each output, its rows and bytes by partition (16 bytes for each task and partition, in
arrays), since readers check what they get against them, and for each running task one Ray reference.
"""

from __future__ import annotations

import logging
import pickle
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import pyarrow as pa

from engine.errors import CancelledError, ExecutionError, GrismError, WorkerLostError
from engine.kernel_progress import Watch
from engine.metrics import MetricsSink, OperatorMetrics
from engine.profile import OperatorProfile, StageProfile, merge_tasks
from engine.run_progress import ResourceUse, StageProgress, TaskProgress, add_up
from engine.runtime import ClusterCounts
from engine.travel_types import Boundary
from ray_runtime.cluster import Cluster, ClusterOptions, ClusterUser
from ray_runtime.exchange import OutputFailedError, OutputKey, OutputSummary, SourceLostError, WorkerId
from ray_runtime.results import ReadyOutput, ResultReader
from ray_runtime.scheduler import (
    Cancel,
    CancelTask,
    Decision,
    DropQuery,
    Event,
    LaunchTask,
    Output,
    OutputLocations,
    OutputsMissing,
    QueryDone,
    QueryFailed,
    ResultLost,
    ResultReady,
    Scheduler,
    SchedulerOptions,
    StageStats,
    StageTasks,
    Submit,
    TaskFailed,
    TaskSucceeded,
    TaskSummary,
    Tick,
    WorkerJoined,
    WorkerLost,
)
from ray_runtime.stage_spans import StageSpans
from ray_runtime.stages import ExchangeInput, ExchangeMode, Stage, StageGraph
from ray_runtime.task import StageOutputs, TaskDone, TaskInput, TaskSpec
from ray_runtime.worker import WorkerConfig, WorkerDescription, WorkerStatus

__all__ = ["Coordinator", "Execution"]

log = logging.getLogger(__name__)

_TICK = 0.2  # seconds
_PATIENCE = 1.0  # seconds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _AttemptReport:
    """What an attempt at a task took, in seconds and in bytes of other stages, the rows and bytes that it wrote, and
    what it has used."""

    task: int
    seconds: float
    read: int
    rows: int
    bytes: int
    resource_use: ResourceUse | None


@dataclass(eq=False)
class Execution:
    """A query that runs: its stages, the key of its tickets, where its result goes, what is known of its outputs."""

    query: str
    graph: StageGraph
    key: bytes
    result: ResultReader
    metrics: MetricsSink
    deadline: float | None = None
    tables: str | None = None
    boundary: Boundary = Boundary.CLIENT
    spans: StageSpans = field(default_factory=StageSpans)
    watch: Watch = Watch.USE
    stats: tuple[StageStats, ...] = ()
    _measured: dict[int, list[_AttemptReport]] = field(default_factory=dict)
    _operators: dict[int, list[tuple[OperatorProfile, ...]]] = field(default_factory=dict)
    _fragments: dict[int, bytes] = field(default_factory=dict)
    _schemas: dict[int, pa.Schema] = field(default_factory=dict)
    _summaries: dict[int, dict[tuple[int, int], OutputSummary]] = field(default_factory=dict)
    _outputs: dict[int, tuple[OutputLocations, StageOutputs]] = field(default_factory=dict)

    def record(self, done: TaskDone) -> None:
        """Remember an output."""
        key = done.summary.key
        self._schemas.setdefault(key.stage, done.schema)
        self._measured.setdefault(key.stage, []).append(
            _AttemptReport(
                key.task, done.seconds, done.read, done.summary.total_rows, done.summary.total_bytes, done.resource_use
            )
        )
        if done.operators:
            self._operators.setdefault(key.stage, []).append(done.operators)
        self._summaries.setdefault(key.stage, {})[key.task, key.attempt] = done.summary

    def finish(self, stages: tuple[StageStats, ...]) -> None:
        """The result was fetched; only what its stages did is still of interest."""
        self.stats = stages
        for known in (self._fragments, self._schemas, self._summaries, self._outputs):
            known.clear()
        self.spans.end(stages)
        for stage in stages:
            self.metrics.record(f"Stage {stage.stage}", OperatorMetrics(rows=stage.rows, bytes=stage.bytes))
        self.result.finish()

    def fail(self, error: GrismError) -> None:
        """It ended without its result."""
        self.spans.end(error=type(error).__name__)
        self.result.fail(error)

    def profile(self) -> tuple[StageProfile, ...]:
        """What the stages did, once the query has ended."""
        return tuple(
            StageProfile(
                stage.stage,
                stage.tasks or 0,
                stage.attempts,
                stage.rows,
                stage.bytes,
                sum(each.read for each in self._measured.get(stage.stage, ())),
                [each.seconds for each in self._measured.get(stage.stage, ())],
                self.resource_use(stage.stage),
                merge_tasks(self._operators.get(stage.stage, ())),
            )
            for stage in self.stats
        )

    def progress(self, stage: StageStats) -> StageProgress:
        """What a stage did so far."""
        counts = (stage.tasks, stage.running, stage.done, stage.attempts, stage.rows, stage.bytes)
        used = self.resource_use(stage.stage)
        resources = (None, None) if used is None else (used.spilled, used.peak_memory)
        return StageProgress(stage.stage, *counts, *resources)

    def resource_use(self, stage: int) -> ResourceUse | None:
        """What the attempts have used that have ended; None where that is not known."""
        return add_up(each.resource_use for each in list(self._measured.get(stage, ())))

    def used_in_all(self) -> ResourceUse | None:
        """As `resource_use`, of all stages that have tasks which ended."""
        return add_up(self.resource_use(stage) for stage in list(self._measured))

    def tasks(self, told: StageTasks) -> Iterator[TaskProgress]:
        """What the tasks of a stage do, and what came of those that are done."""
        ended = {each.task: each for each in list(self._measured.get(told.stage, ()))}
        for task, (state, attempts, worker) in enumerate(zip(told.states, told.attempts, told.workers, strict=True)):
            measured = ended.get(task) if state == "done" else None
            came = (None,) * 3 if measured is None else (measured.rows, measured.bytes, measured.seconds)
            yield TaskProgress(told.stage, task, state, attempts, None if worker is None else str(worker), *came)

    def spec(self, launch: LaunchTask, locate: Callable[[WorkerId], str]) -> TaskSpec:
        """What the worker needs to run a task."""
        stage, task = launch.stage, launch.task
        inputs = tuple(
            self._input(read, locations, launch.partitions, locate)
            for read, locations in zip(stage.inputs, launch.inputs, strict=True)
        )
        splits = stage.splits[task.task] if stage.splits else None
        boundary = self.boundary if stage is self.graph.result else Boundary.KERNEL
        fragment, trace = self._fragment(stage), self.spans.task_launched(stage.id)
        return TaskSpec(
            task, fragment, splits, inputs, stage.partitions, self.key, self.tables, boundary, trace, self.watch
        )

    def ready(self, output: Output, location: str, outputs: int) -> ReadyOutput:
        """How the reader of the result gets an output of the last stage, which has `outputs` of them."""
        task = output.task
        summary = self._summaries[task.stage][task.task, task.attempt]
        return ReadyOutput(summary, self._schemas[task.stage], output.worker, location, outputs)

    def _fragment(self, stage: Stage) -> bytes:
        if stage.id not in self._fragments:
            self._fragments[stage.id] = pickle.dumps(stage.root)
        return self._fragments[stage.id]

    def _input(
        self, read: ExchangeInput, locations: OutputLocations, partitions: range, locate: Callable[[WorkerId], str]
    ) -> TaskInput:
        wanted = partitions if read.mode is ExchangeMode.SHUFFLE else range(1)
        outputs = self._outputs_of(locations)
        return TaskInput(
            stage=read.stage,
            schema=self._schemas[read.stage],
            ordered=read.mode is ExchangeMode.GATHER,
            partitions=wanted,
            workers=tuple((worker, locate(worker)) for worker in locations.workers),
            holder=locations.holder,
            attempt=locations.attempt,
            rows=outputs.rows(wanted),
            bytes=outputs.bytes(wanted),
        )

    def _outputs_of(self, locations: OutputLocations) -> StageOutputs:
        """The counts of a complete stage; made once for all tasks that read it, and again when it was lost in part."""
        known = self._outputs.get(locations.stage)
        if known is None or known[0] is not locations:
            summaries = self._summaries[locations.stage]
            placed = enumerate(zip(locations.holder, locations.attempt, strict=True))
            counts = [summaries[task, attempt] if holder >= 0 else None for task, (holder, attempt) in placed]
            partitions = next(stage.partitions for stage in self.graph if stage.id == locations.stage)
            known = self._outputs[locations.stage] = (locations, StageOutputs(counts, partitions))
        return known[1]


class Coordinator(ClusterUser):
    """Runs queries on a cluster. Methods without a note are for its own thread; `run`, `tell` and `close` for any."""

    def __init__(self, options: ClusterOptions, config: WorkerConfig, scheduling: SchedulerOptions) -> None:
        self.ready_workers = 0
        self.counts = ClusterCounts(0, 0, 0)
        self._start_failure: str | None = None
        self._options = options
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._scheduler = Scheduler(scheduling)
        self._executions: dict[str, Execution] = {}
        self._joined = threading.Condition()
        self._gate = threading.Lock()
        self._closing = self._closed = self._gone = False
        self._cluster = Cluster(options, config, self, self._enqueue)
        self.host, self.size = self._cluster.host, self._cluster.size
        self._thread = threading.Thread(target=self._loop, name="coordinator", daemon=True)
        self._thread.start()
        self._inbox.put(self._cluster.start)

    # --- for any thread ----------------------------------------------------------------------------------------------

    def wait_ready(self) -> None:
        """Wait until all workers have started.

        Raises WorkerLostError where one could not begin, or none has begun within the time for that.
        """
        with self._joined:
            self._joined.wait_for(
                lambda: self.ready_workers >= self.size or self._start_failure, self._options.start_timeout
            )
            if self._start_failure is not None:
                raise WorkerLostError(self._start_failure)
            if not self.ready_workers:
                raise WorkerLostError(
                    f"No worker started within {self._options.start_timeout:g} seconds; look at the Ray cluster's logs."
                )

    def wait_for_worker(self) -> None:
        """Wait until a worker is ready, or this is closed."""
        with self._joined:
            self._joined.wait_for(lambda: self.ready_workers or self._closed)

    def run(self, execution: Execution) -> None:
        """Start a query; what comes of it goes to `execution.result`."""
        self._enqueue(partial(self._submit, execution))

    def tell(self, event: Event) -> None:
        """Hand an event to the scheduler."""
        self._enqueue(partial(self._handle, event))

    def cancel(self, query: str, error: GrismError) -> None:
        """Stop a query."""
        self.tell(Cancel(query, error))

    def stages(self, execution: Execution) -> tuple[StageProgress, ...]:
        """What the stages of a query did so far, or in all."""
        found = execution.stats
        if not found:
            with suppress(TimeoutError):  # who looks does not wait for a thread that is busy
                found = self._ask(lambda: self._scheduler.stats(execution.query), _PATIENCE)
        return tuple(execution.progress(stage) for stage in found or execution.stats)

    def tasks(self, execution: Execution) -> list[TaskProgress]:
        """What the tasks of a query do that runs."""
        found: tuple[StageTasks, ...] = ()
        with suppress(TimeoutError):  # as in `stages`
            found = self._ask(lambda: self._scheduler.tasks(execution.query), _PATIENCE)
        return [task for stage in found for task in execution.tasks(stage)]

    def workers(self) -> dict[WorkerId, WorkerDescription]:
        """The workers that are ready, and where they are."""
        return self._ask(self._cluster.workers)

    def status(self, timeout: float = 5.0) -> dict[WorkerId, WorkerStatus]:
        """What each worker holds; those that do not answer within `timeout` seconds are left out."""
        asked = self._ask(self._cluster.ask_status)
        answered = wait(asked.values(), timeout).done
        return {w: answer.result() for w, answer in asked.items() if answer in answered and not answer.exception()}

    def close(self) -> None:
        """Stop all queries and workers, and the thread. A second call changes nothing."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._inbox.put(self._close)
        with self._joined:
            self._joined.notify_all()
        self._thread.join()
        with self._gate:
            self._gone = True
        while not self._inbox.empty():
            self._run_guarded(self._inbox.get())

    def _enqueue(self, action: Callable[[], None]) -> None:
        """Have the thread run `action`. Once the thread is gone it runs here, and finds everything closed."""
        with self._gate:
            if not self._gone:
                self._inbox.put(action)
                return
        self._run_guarded(action)

    def _ask(self, question: Callable[[], T], timeout: float | None = None) -> T:
        """The answer to a question that only the coordinator's thread may ask. Raises TimeoutError."""
        answer: Future[T] = Future()
        self._enqueue(lambda: answer.set_result(question()))
        return answer.result(timeout)

    # --- the thread --------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        next_tick = 0.0
        while not self._closing:
            wait = next_tick - time.monotonic()
            if wait <= 0:
                next_tick = time.monotonic() + _TICK
                self._run_guarded(self._tick)
                continue
            try:
                action = self._inbox.get(timeout=wait)
            except queue.Empty:
                continue
            self._run_guarded(action)

    def _run_guarded(self, action: Callable[[], None]) -> None:
        """A mistake of ours ends the queries that run, for it may have cost them an event, and not the service."""
        try:
            action()
        except Exception:
            incident = secrets.token_hex(4)
            log.exception("incident %s in the coordinator", incident)
            error = ExecutionError(f"The coordinator failed unexpectedly; its log has it as incident {incident}.")
            for query in list(self._executions):
                self._handle(Cancel(query, error))

    def _submit(self, execution: Execution) -> None:
        if self._closing:
            execution.result.fail(CancelledError("The runtime is closed."))
            return
        self._executions[execution.query] = execution
        self._handle(Submit(execution.query, execution.graph, execution.deadline))

    def _tick(self) -> None:
        self._cluster.tick()
        self._handle(Tick(time.monotonic()))

    def _close(self) -> None:
        self._closing = True
        for query in list(self._executions):
            self._handle(Cancel(query, CancelledError("The runtime was closed.")))
        self._cluster.close()

    def _handle(self, event: Event) -> None:
        for decision in self._scheduler.handle(event):
            self._do(decision)

    def _do(self, decision: Decision) -> None:
        match decision:
            case LaunchTask():
                self._launch(decision)
            case CancelTask(task, worker):
                self._cluster.cancel(worker, task)
            case ResultReady(output, outputs):
                execution = self._executions[output.task.query]
                execution.result.output_ready(execution.ready(output, self._locate(output.worker), outputs))
            case ResultLost(task):
                self._executions[task.query].result.output_lost(task)
            case DropQuery(query, workers):
                for worker in workers:
                    self._cluster.drop(worker, query)
            case QueryDone(query, stages):
                self._executions.pop(query).finish(stages)
            case QueryFailed(query, error):
                self._executions.pop(query).fail(error)

    def _launch(self, launch: LaunchTask) -> None:
        task, worker = launch.task, launch.worker
        counts = self.counts
        self.counts = replace(counts, tasks=counts.tasks + 1, repeated=counts.repeated + (task.attempt > 0))
        try:
            self._cluster.launch(worker, self._executions[task.query].spec(launch, self._locate))
        except Exception:
            log.exception("%s could not be launched on %s", task, worker)
            error = ExecutionError("A task could not be handed to its worker; the coordinator's log has the cause.")
            self._inbox.put(partial(self._handle, TaskFailed(task, worker, error)))

    def _locate(self, worker: WorkerId) -> str:
        description = self._cluster.describe(worker)
        if description is None:
            raise RuntimeError(f"the scheduler knows {worker}, and the cluster does not")
        return description.location

    # --- what the cluster tells --------------------------------------------------------------------------------------

    def worker_joined(self, worker: WorkerId, slots: int) -> None:
        """A worker is ready."""
        with self._joined:
            self.ready_workers += 1
            self._joined.notify_all()
        self._handle(WorkerJoined(worker, slots))

    def worker_lost(self, worker: WorkerId, reason: str) -> None:
        """A worker is gone."""
        with self._joined:
            self.ready_workers -= 1
        self.counts = replace(self.counts, lost_workers=self.counts.lost_workers + 1)
        self._handle(WorkerLost(worker, reason))

    def worker_failed(self, worker: WorkerId, reason: str) -> None:
        """A worker could not begin. While the cluster starts, that ends it: the next one would fare no better."""
        with self._joined:
            self._start_failure = self._start_failure or f"The {worker} did not start: {reason}"
            self._joined.notify_all()

    def task_ended(self, task: OutputKey, worker: WorkerId, outcome: TaskDone | GrismError) -> None:
        """An attempt came to its end."""
        execution = self._executions.get(task.query)
        if execution is not None:
            execution.spans.task_ended(task.stage, failed=not isinstance(outcome, TaskDone))
        match outcome:
            case TaskDone(summary):
                if execution is not None:
                    execution.record(outcome)
                self._handle(TaskSucceeded(task, worker, TaskSummary(summary.total_rows, summary.bytes)))
            case OutputFailedError() | SourceLostError():
                missing = tuple(Output(key, outcome.worker) for key in outcome.outputs)
                self._handle(OutputsMissing(task, worker, missing, outcome))
            case _:
                self._handle(TaskFailed(task, worker, outcome))
