"""What the scheduler is told (events) and what it answers (decisions).

Events may come twice, late or out of order: a result counts only while the attempt that it names is the current one
and its worker has not been declared lost.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.errors import GrismError
from ray_runtime.exchange.identity import OutputKey, WorkerId
from ray_runtime.stages import Stage, StageGraph

__all__ = [
    "Cancel",
    "CancelTask",
    "Decision",
    "DropQuery",
    "Event",
    "LaunchTask",
    "Output",
    "OutputLocations",
    "OutputsMissing",
    "QueryDone",
    "QueryFailed",
    "ResultFetched",
    "ResultLost",
    "ResultMissing",
    "ResultReady",
    "StageStats",
    "StageTasks",
    "Submit",
    "TaskFailed",
    "TaskId",
    "TaskSucceeded",
    "TaskSummary",
    "Tick",
    "WorkerId",
    "WorkerJoined",
    "WorkerLost",
]


TaskId = OutputKey
"""One attempt of one task, which is also the name of its output. Attempts count from 0 and are never reused."""


@dataclass(frozen=True, slots=True)
class Output:
    """The committed output of an attempt, and the worker that holds it."""

    task: TaskId
    worker: WorkerId


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """What a task wrote: its rows, and the bytes of each partition of its output."""

    rows: int
    partition_bytes: Sequence[int]


@dataclass(frozen=True, eq=False)
class OutputLocations:
    """Where the outputs of a complete stage are; one object for all the tasks that read them.

    For task t, `workers[holder[t]]` holds attempt `attempt[t]`. Where `holder[t]` is negative the task was not
    needed (the stage had enough rows without it) and there is nothing to read.
    """

    stage: int
    workers: tuple[WorkerId, ...]
    holder: array[int]
    attempt: array[int]

    def by_worker(self) -> dict[WorkerId, list[tuple[int, int]]]:
        """For each worker the (task, attempt) pairs that it holds, in the order of the tasks."""
        found: dict[WorkerId, list[tuple[int, int]]] = {worker: [] for worker in self.workers}
        for task, (holder, attempt) in enumerate(zip(self.holder, self.attempt, strict=True)):
            if holder >= 0:
                found[self.workers[holder]].append((task, attempt))
        return found


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submit:
    """Run a query. `deadline` is in the clock of `Tick`."""

    query: str
    graph: StageGraph
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a query; `error` is what its caller gets."""

    query: str
    error: GrismError


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker is ready for `slots` tasks at a time. An older incarnation of its name is lost with that."""

    worker: WorkerId
    slots: int


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker died or fell silent, and all its outputs are gone."""

    worker: WorkerId
    reason: str


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    """An attempt committed its output."""

    task: TaskId
    worker: WorkerId
    summary: TaskSummary


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """An attempt failed, or ended because it was told to."""

    task: TaskId
    worker: WorkerId
    error: GrismError


@dataclass(frozen=True, slots=True)
class OutputsMissing:
    """An attempt failed because outputs that it needs are absent or truncated."""

    task: TaskId
    worker: WorkerId
    missing: tuple[Output, ...]
    error: GrismError


@dataclass(frozen=True, slots=True)
class ResultMissing:
    """The reader of the result found an output of the last stage absent or truncated."""

    output: Output
    error: GrismError


@dataclass(frozen=True, slots=True)
class ResultFetched:
    """The reader of the result has the whole output of one task of the last stage and needs it no more."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class Tick:
    """The time, in seconds of a monotonic clock. Without ticks neither deadlines nor the grace period end."""

    now: float


Event = (
    Submit
    | Cancel
    | WorkerJoined
    | WorkerLost
    | TaskSucceeded
    | TaskFailed
    | OutputsMissing
    | ResultMissing
    | ResultFetched
    | Tick
)


# --- decisions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LaunchTask:
    """Run a task. `partitions` is the range that it reads of shuffled inputs; `inputs` stand as in `stage.inputs`."""

    task: TaskId
    worker: WorkerId
    stage: Stage
    partitions: range
    inputs: tuple[OutputLocations, ...]


@dataclass(frozen=True, slots=True)
class CancelTask:
    """Stop an attempt whose result is not wanted any more. Its slot is free when the worker says that it ended."""

    task: TaskId
    worker: WorkerId


@dataclass(frozen=True, slots=True)
class ResultReady:
    """One of the `outputs` outputs of the last stage may be read. A reader that has another attempt of the task
    already ignores it.
    """

    output: Output
    outputs: int


@dataclass(frozen=True, slots=True)
class ResultLost:
    """An output of the last stage that was ready is not to be read any more; another attempt will be ready later."""

    task: TaskId


@dataclass(frozen=True, slots=True)
class DropQuery:
    """Stop all tasks of a query on these workers and remove its outputs there."""

    query: str
    workers: tuple[WorkerId, ...]


@dataclass(frozen=True, slots=True)
class StageStats:
    """What a stage did: tasks (None until they are known), attempts launched for them, rows and bytes written; and how
    many of its tasks run, or need not run any more."""

    stage: int
    tasks: int | None
    attempts: int
    rows: int
    bytes: int
    running: int
    done: int


@dataclass(frozen=True, slots=True)
class StageTasks:
    """What the tasks of a stage are at, how often each was started, and where last (None before the first time, and
    where that worker is gone)."""

    stage: int
    states: tuple[str, ...]
    attempts: array[int]
    workers: tuple[WorkerId | None, ...]


@dataclass(frozen=True, slots=True)
class QueryDone:
    """All results were fetched."""

    query: str
    stages: tuple[StageStats, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class QueryFailed:
    """The query ended without its result."""

    query: str
    error: GrismError


Decision = LaunchTask | CancelTask | ResultReady | ResultLost | DropQuery | QueryDone | QueryFailed
