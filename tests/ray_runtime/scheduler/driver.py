"""Step by step: tells the scheduler one event at a time and keeps what it decided."""

from __future__ import annotations

from typing import TypeVar

from engine.errors import ExchangeFailedError, GrismError
from ray_runtime.scheduler import (
    Decision,
    Event,
    LaunchTask,
    Output,
    OutputsMissing,
    QueryFailed,
    ResultFetched,
    ResultReady,
    Scheduler,
    SchedulerOptions,
    Submit,
    TaskFailed,
    TaskSucceeded,
    TaskSummary,
    WorkerId,
    WorkerJoined,
    WorkerLost,
)
from ray_runtime.stages import StageGraph

D = TypeVar("D")


class Driver:
    """A scheduler, workers `w0`, `w1`, ... and the tasks that run on them, by (query, stage, task)."""

    def __init__(self, workers: int = 2, slots: int = 4, **options: float) -> None:
        self.scheduler = Scheduler(SchedulerOptions(**{"task_bytes": 0, **options}))
        self.decisions: list[Decision] = []
        self.running: dict[tuple[str, int, int], LaunchTask] = {}
        self.ready: dict[int, ResultReady] = {}
        for n in range(workers):
            self.tell(WorkerJoined(WorkerId(f"w{n}"), slots))

    def tell(self, event: Event) -> list[Decision]:
        decided = self.scheduler.handle(event)
        self.decisions += decided
        for decision in decided:
            if isinstance(decision, LaunchTask):
                self.running[decision.task.query, decision.task.stage, decision.task.task] = decision
            if isinstance(decision, ResultReady):
                self.ready[decision.output.task.task] = decision
        return decided

    def submit(self, graph: StageGraph, query: str = "q") -> list[Decision]:
        return self.tell(Submit(query, graph))

    def succeed(self, stage: int, task: int, query: str = "q", size: int = 10, rows: int = 1) -> list[Decision]:
        launch = self.running.pop((query, stage, task))
        return self.tell(self.success(launch, size, rows))

    def run_stage(self, stage: int, tasks: int, query: str = "q", size: int = 10, rows: int = 1) -> None:
        """All `tasks` of a stage succeed."""
        for task in range(tasks):
            self.succeed(stage, task, query, size, rows)

    def success(self, launch: LaunchTask, size: int = 10, rows: int = 1) -> TaskSucceeded:
        sizes = [size] * launch.stage.partitions
        return TaskSucceeded(launch.task, launch.worker, TaskSummary(rows, sizes))

    def fail(self, stage: int, task: int, error: GrismError, query: str = "q") -> list[Decision]:
        launch = self.running.pop((query, stage, task))
        return self.tell(TaskFailed(launch.task, launch.worker, error))

    def miss(self, stage: int, task: int, *missing: Output, query: str = "q") -> list[Decision]:
        launch = self.running.pop((query, stage, task))
        error = ExchangeFailedError("an output is absent")
        return self.tell(OutputsMissing(launch.task, launch.worker, missing, error))

    def lose(self, worker: str | WorkerId) -> list[Decision]:
        worker = WorkerId(worker) if isinstance(worker, str) else worker
        self.running = {key: launch for key, launch in self.running.items() if launch.worker != worker}
        return self.tell(WorkerLost(worker, "it died"))

    def fetch(self, task: int) -> list[Decision]:
        return self.tell(ResultFetched(self.ready[task].output.task))

    def finish(self, query: str = "q") -> None:
        """Let everything that runs succeed, and what follows from it, and fetch the results."""
        while keys := [key for key in self.running if key[0] == query]:
            for key in keys:
                self.succeed(key[1], key[2], query)
        for ready in list(self.ready.values()):
            self.tell(ResultFetched(ready.output.task))

    def launches(self, decisions: list[Decision] | None = None) -> list[tuple[int, int]]:
        """(stage, task) of the launches, in order."""
        return [(d.task.stage, d.task.task) for d in only(LaunchTask, decisions or self.decisions)]

    @property
    def failure(self) -> GrismError:
        """The error with which the only query failed."""
        (failed,) = only(QueryFailed, self.decisions)
        return failed.error


def only(kind: type[D], decisions: list[Decision]) -> list[D]:
    return [d for d in decisions if isinstance(d, kind)]
