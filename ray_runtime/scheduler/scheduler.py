"""The scheduler: events in, decisions out, no clock, no thread and no I/O of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.errors import DeadlineExceededError, GrismError, WorkerLostError
from ray_runtime.scheduler.events import (
    Cancel,
    Decision,
    DropQuery,
    Event,
    OutputsMissing,
    QueryDone,
    QueryFailed,
    ResultFetched,
    ResultMissing,
    StageStats,
    StageTasks,
    Submit,
    TaskFailed,
    TaskSucceeded,
    Tick,
    WorkerId,
    WorkerJoined,
    WorkerLost,
)
from ray_runtime.scheduler.load_order import LoadOrder
from ray_runtime.scheduler.options import SchedulerOptions
from ray_runtime.scheduler.query_run import QueryRun
from ray_runtime.scheduler.worker_pool import PooledWorker, WorkerPool

__all__ = ["Scheduler"]


class Scheduler:
    """Several queries on one pool of workers. Not thread-safe: one thread hands it one event after the other."""

    def __init__(self, options: SchedulerOptions | None = None) -> None:
        self.options = options or SchedulerOptions()
        self._pool = WorkerPool()
        self._queries: dict[str, QueryRun] = {}
        self._turns: LoadOrder[str] = LoadOrder()  # queries with tasks to launch, by the slots that they hold
        self._lost: dict[str, int] = {}  # for each worker name the newest incarnation that was lost
        self._decisions: list[Decision] = []

    @property
    def idle(self) -> bool:
        """Whether no query is known."""
        return not self._queries

    def stats(self, query: str) -> tuple[StageStats, ...]:
        """What the stages of a query did so far; nothing where it has ended."""
        run = self._queries.get(query)
        return () if run is None else run.stats()

    def tasks(self, query: str) -> tuple[StageTasks, ...]:
        """What the tasks of a query do; nothing where it has ended."""
        run = self._queries.get(query)
        return () if run is None else run.tasks()

    def handle(self, event: Event) -> list[Decision]:
        """What follows from `event`, in the order in which it is to be done."""
        match event:
            case TaskSucceeded() | TaskFailed() | OutputsMissing():
                self._task_ended(event)
            case Submit():
                self._submit(event)
            case Cancel(query, error):
                self._fail(query, error)
            case WorkerJoined():
                self._worker_joined(event)
            case WorkerLost(worker, reason):
                self._worker_lost(worker, reason)
            case ResultFetched(task):
                if run := self._queries.get(task.query):
                    self._change(run, partial(run.output_fetched, task))
            case ResultMissing(output, error):
                if run := self._queries.get(output.task.query):
                    self._change(run, partial(run.found_missing, None, [output], error))
            case Tick(now):
                self._tick(now)
        self._launch()
        decisions, self._decisions = self._decisions, []
        return decisions

    def _submit(self, event: Submit) -> None:
        if event.query in self._queries:
            raise ValueError(f"Query {event.query} is running already.")
        query = QueryRun(event, self._pool, self.options, self._decide)
        self._queries[event.query] = query
        self._take_turn(query)

    def _decide(self, decision: Decision) -> None:
        self._decisions.append(decision)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _task_ended(self, event: TaskSucceeded | TaskFailed | OutputsMissing) -> None:
        worker = self._pool.get(event.worker)
        if worker is None or not self._pool.release(worker, event.task):
            return
        query = self._queries.get(event.task.query)
        if query is None:
            return  # it ended, and this attempt was stopped
        query.slots -= 1
        match event:
            case TaskSucceeded(task, _, summary):
                self._change(query, partial(query.task_succeeded, task, worker, summary))
            case TaskFailed(task, _, error):
                self._change(query, partial(query.task_failed, task, error))
            case OutputsMissing(task, _, missing, error):
                self._change(query, partial(query.found_missing, task, missing, error))

    def _change(self, query: QueryRun, change: Callable[[], None]) -> None:
        """Let something happen to a query, which may end with it."""
        try:
            change()
        except GrismError as error:
            self._fail(query.id, error)
            return
        if query.is_finished:
            self._end(query, QueryDone(query.id, query.stats()))
        else:
            self._take_turn(query)

    # --- workers -----------------------------------------------------------------------------------------------------

    def _worker_joined(self, event: WorkerJoined) -> None:
        worker = event.worker
        if worker.incarnation <= self._lost.get(worker.name, -1):
            return
        former = self._pool.find(worker.name)
        if former is not None:
            if former.id.incarnation >= worker.incarnation:
                return
            self._worker_lost(former.id, "it was replaced")
        self._pool.add(worker, event.slots)
        for query in self._queries.values():
            query.starved_since = None

    def _worker_lost(self, worker_id: WorkerId, reason: str) -> None:
        self._lost[worker_id.name] = max(worker_id.incarnation, self._lost.get(worker_id.name, -1))
        worker = self._pool.get(worker_id)
        if worker is None:
            return
        self._pool.remove(worker)
        cause = WorkerLostError(f"The {worker_id} was lost: {reason}.")
        for query in self._affected_queries(worker):
            query.used.discard(worker.index)
            self._change(query, partial(query.worker_lost, worker, cause))

    def _affected_queries(self, worker: PooledWorker) -> list[QueryRun]:
        """The queries that ran something on the worker or held something there."""
        touched = dict.fromkeys(worker.outputs)
        for task in worker.running:
            touched[task.query] = None
            if task.query in self._queries:
                self._queries[task.query].slots -= 1
        return [self._queries[query] for query in touched if query in self._queries]

    # --- time --------------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        """Linear in the number of queries."""
        for query in list(self._queries.values()):
            if query.deadline is not None and now >= query.deadline:
                self._fail(
                    query.id,
                    DeadlineExceededError("The query ran out of time; raise its timeout or narrow the query."),
                )
            elif len(self._pool) == 0:
                if query.starved_since is None:
                    query.starved_since = now
                if now - query.starved_since >= self.options.grace:
                    self._fail(query.id, self._no_worker())

    def _no_worker(self) -> WorkerLostError:
        return WorkerLostError(
            f"All workers were lost and none came back within {self.options.grace:g} seconds; "
            "look at the cluster, then run the query again."
        )

    # --- turns and ends ----------------------------------------------------------------------------------------------

    def _take_turn(self, query: QueryRun) -> None:
        """Keep the query among those that have something to launch, behind those that hold fewer slots."""
        if query.runnable:
            self._turns.put(query.id, query.slots)
        else:
            self._turns.discard(query.id)

    def _launch(self) -> None:
        """Fill the free slots; each goes to the query that holds the fewest."""
        while self._pool.has_free_slot and (turn := self._turns.first()) is not None:
            query = self._queries[turn]
            query.launch()
            query.slots += 1
            self._take_turn(query)

    def _fail(self, query: str, error: GrismError) -> None:
        run = self._queries.get(query)
        if run is not None:
            self._end(run, QueryFailed(query, error))

    def _end(self, query: QueryRun, decision: QueryDone | QueryFailed) -> None:
        """Forget the query. Slots of its running tasks come back as their workers say that they ended."""
        del self._queries[query.id]
        self._turns.discard(query.id)
        held: list[WorkerId] = []
        for worker in map(self._pool.at, query.used):
            if worker is not None:
                worker.outputs.pop(query.id, None)
                held.append(worker.id)
        self._decisions += [decision, DropQuery(query.id, tuple(held))]
