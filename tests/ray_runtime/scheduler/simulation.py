"""A cluster in one process without real work: tasks read and write sets of rows, workers die, hang and lose outputs.

A row names where it was made and every attempt of a non-deterministic task that it went through; by that name it is
put into a partition. So a query's result shows whether each row came through once, and whether all of them saw the
same run of what comes out differently each time.
"""

from __future__ import annotations

import heapq
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from engine.errors import CancelledError, ExchangeFailedError, GrismError, InvalidValueError, WorkerLostError
from ray_runtime.scheduler import (
    Cancel,
    CancelTask,
    DropQuery,
    Event,
    Heartbeats,
    LaunchTask,
    Output,
    OutputLocations,
    OutputsMissing,
    QueryDone,
    QueryFailed,
    ResultFetched,
    ResultLost,
    ResultMissing,
    ResultReady,
    Scheduler,
    SchedulerOptions,
    Submit,
    TaskFailed,
    TaskId,
    TaskSucceeded,
    TaskSummary,
    Tick,
    WorkerId,
    WorkerJoined,
    WorkerLost,
)
from ray_runtime.stages import ExchangeMode, StageGraph

ROWS_PER_SOURCE = 6
TICK = 1.0
HEARTBEAT_TIMEOUT = 3.0
END_OF_TIME = 2_000.0

Row = tuple[tuple[int, int, int], tuple[tuple[int, int, int], ...]]


@dataclass(frozen=True)
class Faults:
    """How likely each fault is, for each task that runs, and how many faults there may be in all."""

    kill: float = 0.0
    hang: float = 0.0
    lose_output: float = 0.0
    transient: float = 0.0
    user_error: float = 0.0
    duplicate: float = 0.0
    limit: int = 1_000
    replace: bool = True


@dataclass
class SimulatedWorker:
    id: WorkerId
    slots: int
    alive: bool = True
    hung: bool = False
    running: dict[TaskId, LaunchTask] = field(default_factory=dict)
    cancelled: set[TaskId] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    store: dict[TaskId, list[list[Row]]] = field(default_factory=dict)


class SimulatedCluster:
    """Workers, the reader of the results, the network between them, and the scheduler under test."""

    def __init__(
        self, options: SchedulerOptions, seed: int, workers: int = 3, slots: int = 2, faults: Faults | None = None
    ) -> None:
        self.scheduler = Scheduler(options)
        self.options = options
        self.random = Random(seed)
        self.faults = faults or Faults()
        self.faults_left = self.faults.limit
        self.now = 0.0
        self.fired: Counter[str] = Counter()
        self.launched: Counter[tuple[str, int, int]] = Counter()
        self.launches: list[LaunchTask] = []
        self.outcomes: dict[str, QueryDone | QueryFailed] = {}
        self.rows: defaultdict[str, dict[int, list[Row]]] = defaultdict(dict)
        self.workers: dict[WorkerId, SimulatedWorker] = {}
        self.declared_lost: set[WorkerId] = set()
        self.heartbeats = Heartbeats(HEARTBEAT_TIMEOUT)
        self._graphs: dict[str, StageGraph] = {}
        self._wanted: dict[tuple[str, int], TaskId] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        for n in range(workers):
            self.join(WorkerId(f"w{n}"), slots)
        self.later(self._tick, TICK)

    # --- what a test does ---------------------------------------------------------------------------------------------

    def submit(self, query: str, graph: StageGraph, deadline: float | None = None) -> None:
        self._graphs[query] = graph
        self.tell(Submit(query, graph, deadline))

    def join(self, worker: WorkerId, slots: int = 2) -> None:
        self.workers[worker] = SimulatedWorker(worker, slots)
        self.heartbeats.watch(worker, self.now)
        self.tell(WorkerJoined(worker, slots))

    def run(self) -> None:
        """Until every query has ended and nothing is on its way any more."""
        while (unfinished := self._graphs.keys() - self.outcomes.keys()) or self._tasks_on_live_workers():
            assert self.now < END_OF_TIME, f"{unfinished} hang"
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        for worker in self.workers.values():
            assert not worker.alive or worker.hung or not worker.store, "outputs of ended queries were left behind"

    def kill(self, worker: SimulatedWorker, notice: float = 0.5) -> None:
        """The process is gone; the coordinator hears of it later."""
        worker.alive = False
        worker.store.clear()
        self.heartbeats.forget(worker.id)
        self.later(lambda: self._declare_lost(worker, "it died"), self.random.uniform(0, notice))

    def result(self, query: str) -> Counter[tuple[int, int, int]]:
        """Where the rows of the result were made; checks that they saw one run of each non-deterministic task."""
        rows = [row for task in self.rows[query].values() for row in task]
        seen: dict[tuple[int, int], int] = {}
        for _, versions in rows:
            for stage, task, attempt in versions:
                assert seen.setdefault((stage, task), attempt) == attempt, "the result mixes two runs of one task"
        return Counter(origin for origin, _ in rows)

    # --- events in, decisions out -------------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        for decision in self.scheduler.handle(event):
            match decision:
                case LaunchTask():
                    self._launch(decision)
                case CancelTask(task, worker):
                    self.workers[worker].cancelled.add(task)
                case ResultReady(output):
                    self._wanted[output.task.query, output.task.task] = output.task
                    self.later(lambda output=output: self._fetch(output))
                case ResultLost(task):
                    self._wanted.pop((task.query, task.task), None)
                case DropQuery(query, workers):
                    assert query in self.outcomes
                    for worker in workers:
                        self._drop(self.workers[worker], query)
                case QueryDone(query) | QueryFailed(query):
                    assert query not in self.outcomes
                    self.outcomes[query] = decision

    def _send(self, event: Event) -> None:
        """Deliver an event later, perhaps twice."""
        self.later(lambda: self.tell(event))
        if self.random.random() < self.faults.duplicate:
            self.fired["duplicate"] += 1
            self.later(lambda: self.tell(event), delay=20.0)

    def later(self, action: Callable[[], None], delay: float | None = None) -> None:
        self._sequence += 1
        when = self.now + (self.random.uniform(0, 2.0) if delay is None else delay)
        heapq.heappush(self._agenda, (when, self._sequence, action))

    def _tick(self) -> None:
        for worker in self.workers.values():
            if worker.alive and not worker.hung:
                self.heartbeats.beat(worker.id, self.now)
        for silent in self.heartbeats.silent(self.now):
            self._declare_lost(self.workers[silent], "it was silent")
        self.tell(Tick(self.now))
        self.later(self._tick, TICK)

    def _declare_lost(self, worker: SimulatedWorker, reason: str) -> None:
        if worker.id in self.declared_lost:
            return
        self.declared_lost.add(worker.id)
        self.tell(WorkerLost(worker.id, reason))
        if self.faults.replace:
            self.later(lambda: self.join(WorkerId(worker.id.name, worker.id.incarnation + 1), worker.slots), delay=5.0)

    # --- tasks --------------------------------------------------------------------------------------------------------

    def _launch(self, launch: LaunchTask) -> None:
        task, worker = launch.task, self.workers[launch.worker]
        assert task.query not in self.outcomes, "a task was launched for a query that has ended"
        assert launch.worker not in self.declared_lost, "a task was launched on a lost worker"
        assert task not in worker.running
        worker.running[task] = launch
        assert len(worker.running) <= worker.slots, "a worker was given more tasks than it has slots"
        for locations in launch.inputs:
            assert self.declared_lost.isdisjoint(locations.workers), "a task was sent to read from a lost worker"
        self.launches.append(launch)
        self.launched[task.query, task.stage, task.task] += 1
        if all(stage.deterministic for stage in self._graphs[task.query]):
            allowed = 1 + self.options.retries + self.options.requeues
            assert self.launched[task.query, task.stage, task.task] <= allowed, "a task ran more often than allowed"
        self.later(lambda: self._work(worker, launch))

    def _work(self, worker: SimulatedWorker, launch: LaunchTask) -> None:
        """What happens on the worker, in one step."""
        self._maybe_break(worker, launch)
        if not worker.alive:
            return
        if worker.hung:
            self.later(lambda: self._wake_up(worker, launch), delay=50.0)
            return
        self._end_task(worker, launch, self._attempt(worker, launch))

    def _wake_up(self, worker: SimulatedWorker, launch: LaunchTask) -> None:
        """A hung worker goes on long after it was declared lost; nobody may believe it."""
        event = self._attempt(worker, launch)
        worker.running.pop(launch.task, None)
        self.tell(event)

    def _end_task(self, worker: SimulatedWorker, launch: LaunchTask, event: Event) -> None:
        def deliver() -> None:
            worker.running.pop(launch.task, None)
            self.tell(event)

        self.later(deliver)
        if self.random.random() < self.faults.duplicate:
            self.fired["duplicate"] += 1
            self.later(lambda: self.tell(event), delay=20.0)

    def _attempt(self, worker: SimulatedWorker, launch: LaunchTask) -> Event:
        task = launch.task
        if task in worker.cancelled or task.query in worker.dropped:
            return TaskFailed(task, worker.id, CancelledError("stopped"))
        if self._happens("user_error"):
            return TaskFailed(task, worker.id, InvalidValueError("'x' is not a number"))
        if self._happens("transient"):
            return TaskFailed(task, worker.id, WorkerLostError("out of luck"))
        try:
            rows = self._read(launch)
        except _MissingError as missing:
            error = ExchangeFailedError("an output is absent")
            return OutputsMissing(task, worker.id, missing.outputs, error)
        partitions = self._write(worker, launch, rows)
        return TaskSucceeded(task, worker.id, TaskSummary(len(rows), array("q", map(len, partitions))))

    def _read(self, launch: LaunchTask) -> list[Row]:
        task, stage, graph = launch.task, launch.stage, self._graphs[launch.task.query]
        rows: list[Row] = []
        if stage.splits or not stage.inputs:
            rows += [((stage.id, task.task, n), ()) for n in range(ROWS_PER_SOURCE)]
        missing: list[Output] = []
        for source, locations in zip(stage.inputs, launch.inputs, strict=True):
            wanted = launch.partitions if source.mode is ExchangeMode.SHUFFLE else range(1)
            read, absent = self._read_input(task.query, locations, wanted)
            missing += absent
            if source.mode is not ExchangeMode.BROADCAST:
                rows += read
            elif not absent:
                assert Counter(origin for origin, _ in read) == expected(graph, source.stage)
        if missing:
            raise _MissingError(tuple(missing))
        return rows

    def _read_input(self, query: str, locations: OutputLocations, wanted: range) -> tuple[list[Row], list[Output]]:
        read: list[Row] = []
        absent: list[Output] = []
        for holder, outputs in locations.by_worker().items():
            for number, attempt in outputs:
                task = TaskId(query, locations.stage, number, attempt)
                partitions = self._fetch_output(Output(task, holder))
                if partitions is None:
                    absent.append(Output(task, holder))
                else:
                    read += [row for p in wanted for row in partitions[p]]
        return read, absent

    def _write(self, worker: SimulatedWorker, launch: LaunchTask, rows: list[Row]) -> list[list[Row]]:
        task, stage = launch.task, launch.stage
        partitions: list[list[Row]] = [[] for _ in range(stage.partitions)]
        for origin, versions in rows:
            row = (origin, versions if stage.deterministic else (*versions, (stage.id, task.task, task.attempt)))
            partitions[zlib.crc32(repr((row, stage.id)).encode()) % stage.partitions].append(row)
        worker.store[task] = partitions
        return partitions

    def _fetch_output(self, output: Output) -> list[list[Row]] | None:
        worker = self.workers[output.worker]
        reachable = worker.alive and not worker.hung and worker.id not in self.declared_lost
        return worker.store.get(output.task) if reachable else None

    def _fetch(self, output: Output) -> None:
        """The reader of the result takes an output whole."""
        task = output.task
        if self._wanted.get((task.query, task.task)) != task or task.query in self.outcomes:
            return
        if task.task in self.rows[task.query]:
            return  # the scheduler had this task run again before it was told that its output had been read
        partitions = self._fetch_output(output)
        if partitions is None:
            self._send(ResultMissing(output, ExchangeFailedError("a result is absent")))
        else:
            del self._wanted[task.query, task.task]
            self.rows[task.query][task.task] = partitions[0]
            self._send(ResultFetched(task))

    def _drop(self, worker: SimulatedWorker, query: str) -> None:
        worker.dropped.add(query)
        for task in [task for task in worker.store if task.query == query]:
            del worker.store[task]

    # --- faults -------------------------------------------------------------------------------------------------------

    def _happens(self, fault: str) -> bool:
        if self.faults_left <= 0 or self.random.random() >= getattr(self.faults, fault):
            return False
        self.faults_left -= 1
        self.fired[fault] += 1
        return True

    def _maybe_break(self, worker: SimulatedWorker, launch: LaunchTask) -> None:
        usable = worker.alive and not worker.hung
        if usable and self._happens("kill"):
            self.kill(worker)
        elif usable and self._happens("hang"):
            worker.hung = True
        for locations in launch.inputs:
            if locations.workers and self._happens("lose_output"):
                holder = self.workers[self.random.choice(locations.workers)]
                if holder.store:
                    del holder.store[self.random.choice(list(holder.store))]

    def _tasks_on_live_workers(self) -> bool:
        return any(worker.alive and not worker.hung and worker.running for worker in self.workers.values())


class _MissingError(Exception):
    def __init__(self, outputs: tuple[Output, ...]) -> None:
        self.outputs = outputs


def expected(graph: StageGraph, stage_id: int | None = None) -> Counter[tuple[int, int, int]]:
    """The rows of a stage's output, of the last stage where none is named."""
    stage = graph.result if stage_id is None else next(s for s in graph if s.id == stage_id)
    rows: Counter[tuple[int, int, int]] = Counter()
    if stage.splits or not stage.inputs:
        rows.update((stage.id, task, n) for task in range(len(stage.splits) or 1) for n in range(ROWS_PER_SOURCE))
    for source in stage.inputs:
        if source.mode is not ExchangeMode.BROADCAST:
            rows += expected(graph, source.stage)
    return rows


def cancel(query: str, error: GrismError | None = None) -> Cancel:
    return Cancel(query, error or CancelledError("The query was cancelled."))
