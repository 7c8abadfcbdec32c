"""The tasks of one stage of a running query, in arrays: a few bytes for each task, no object.

A task moves through these states::

    PENDING ──launch──> RUNNING ──succeed──> DONE ──result fetched──> DELIVERED
       ^ ^                 │                  │
       │ └──requeue / fail──┘                  │        SKIPPED: not done when the stage had enough rows
       └──────────lose / take back────────────┘

The bytes of each partition are added up over the tasks when they arrive and not kept for each task.
"""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np
import numpy.typing as npt

from engine.errors import GrismError
from ray_runtime.scheduler.events import OutputLocations, StageStats, StageTasks, TaskSummary
from ray_runtime.scheduler.worker_pool import WorkerPool
from ray_runtime.stages import Stage

__all__ = ["DELIVERED", "DONE", "PENDING", "RUNNING", "SKIPPED", "StageRun"]

PENDING, RUNNING, DONE, SKIPPED, DELIVERED = range(5)
_NAMES = ("pending", "running", "done", "skipped", "done")

_PLACEMENT_CELLS = 1 << 18  # bytes by worker and partition are kept up to so many numbers: 2 MB for a stage


class StageRun:
    """One stage of one running query. Changes its own tasks only; what follows from that is the query's matter.

    The tasks of the last stage all run, since its outputs are read one after the other.
    """

    def __init__(self, stage: Stage, last: bool = False) -> None:
        self.stage = stage
        self._enough = None if last else stage.enough_rows
        self.offered = False  # its tasks are needed and may be launched
        self.ranges: tuple[range, ...] = ()
        self.favourites: list[int] = []  # for each task the worker that holds most of its input, or -1
        self.count: int | None = None  # how many tasks; None until the inputs are complete
        self.state = bytearray()
        self.attempts = array("i")  # launched so far; the current attempt is the last of them
        self.worker = array("i")  # where the last attempt ran, by index; -1 before the first
        self.rows = array("q")  # of the last attempt that succeeded; -1 before the first
        self.pending = self.running = self.skipped = self.delivered = 0
        self.done_rows = 0
        self.partition_bytes: npt.NDArray[np.int64] = np.zeros(stage.partitions, np.int64)
        self.worker_bytes: dict[int, npt.NDArray[np.int64]] | None = {}
        self.owed: list[tuple[int, GrismError]] = []  # failures and lost outputs that were not charged for yet
        self.causes: dict[int, list[GrismError]] = {}  # what each task was charged for
        self.requeues: dict[int, int] = {}  # how often a task found an input absent
        self.floor: array[int] | None = None  # attempts below this were taken back
        self._fresh = 0  # tasks from here on were never queued: they are all pending
        self._again: deque[int] = deque()
        self._locations: OutputLocations | None = None

    @property
    def complete(self) -> bool:
        """Whether every task that is needed has its output in place."""
        return self.count is not None and self.pending == 0 and self.running == 0

    @property
    def is_finished(self) -> bool:
        """Whether the reader of the result has everything."""
        return self.complete and self.delivered + self.skipped == self.count

    @property
    def is_untouched(self) -> bool:
        """Whether no task runs or has run to its end."""
        return self.pending == (self.count or 0)

    def size_to(self, count: int, ranges: tuple[range, ...] = ()) -> None:
        """Fix the tasks: `count` of them, reading `ranges` where the stage has shuffled inputs."""
        self.count = self.pending = count
        self.ranges = ranges
        self.state = bytearray(count)
        self.attempts = array("i", [0]) * count
        self.worker = array("i", [-1]) * count
        self.rows = array("q", [-1]) * count

    def partitions(self, task: int) -> range:
        """The range that the task reads of shuffled inputs; the only partition of others."""
        return self.ranges[task] if self.ranges else range(1)

    def favourite(self, task: int) -> int:
        """The index of the worker where most of the task's input lies, or -1."""
        return self.favourites[task] if self.favourites else -1

    def take(self) -> int:
        """The next task to launch; there must be a pending one. Those that ran before come first."""
        while self._again:
            task = self._again.popleft()
            if self.state[task] == PENDING:
                return task
        task, self._fresh = self._fresh, self._fresh + 1
        while self.state[task] != PENDING or self.attempts[task] > 0:
            task, self._fresh = self._fresh, self._fresh + 1
        return task

    def launch(self, task: int, worker: int) -> int:
        """The task runs; returns the number of its attempt."""
        self.state[task] = RUNNING
        self.pending -= 1
        self.running += 1
        self.worker[task] = worker
        self.attempts[task] += 1
        return self.attempts[task] - 1

    def runs(self, task: int, attempt: int) -> bool:
        """Whether that attempt is the one that runs now."""
        return self.state[task] == RUNNING and self.attempts[task] == attempt + 1

    def holds(self, task: int, attempt: int) -> bool:
        """Whether the output of that attempt is the one that consumers read."""
        return self.state[task] == DONE and self.attempts[task] == attempt + 1

    def succeed(self, task: int, summary: TaskSummary) -> list[int]:
        """The running attempt committed its output; returns the running tasks that are not needed after that."""
        if self.rows[task] < 0:
            self._add_bytes(self.worker[task], summary)
        self.state[task] = DONE
        self.running -= 1
        self.rows[task] = summary.rows
        self.done_rows += summary.rows
        self._locations = None
        return self._stop_early()

    def requeue(self, task: int) -> None:
        """The running attempt came to nothing."""
        self.state[task] = PENDING
        self.running -= 1
        self.pending += 1
        self._again.append(task)

    def fail(self, task: int, cause: GrismError) -> None:
        """The running attempt failed; it is charged for when the stage is needed."""
        self.requeue(task)
        self.owed.append((task, cause))

    def lose(self, task: int, cause: GrismError) -> None:
        """The output of a task that was done is gone; it is charged for when the stage is needed again."""
        self._undo(task)
        self.owed.append((task, cause))

    def deliver(self, task: int) -> None:
        """The reader of the result has the task's output, whatever became of it since."""
        state = self.state[task]
        self.pending -= state == PENDING
        self.running -= state == RUNNING
        self.skipped -= state == SKIPPED
        self.delivered += state != DELIVERED
        self.state[task] = DELIVERED

    def take_back(self) -> tuple[list[int], list[int]]:
        """Undo all tasks because their input changed; returns those that were running and those that were done."""
        running, done = self._tasks(RUNNING), self._tasks(DONE)
        for task in running:
            self.requeue(task)
        for task in done:
            self._undo(task)
        self._unskip()
        self.owed.clear()
        self.floor = array("i", self.attempts)
        return running, done

    def charge(self, task: int, cause: GrismError) -> list[GrismError]:
        """Note a failure that counts; returns all of the task's so far."""
        causes = self.causes.setdefault(task, [])
        causes.append(cause)
        return causes

    def was_taken_back(self, task: int, attempt: int) -> bool:
        """Whether the attempt read an input that was changed afterwards."""
        return self.floor is not None and attempt < self.floor[task]

    def locations(self, pool: WorkerPool) -> OutputLocations:
        """Where the outputs are; the stage must be complete. The same object until something changes."""
        if self._locations is None:
            holder = np.array(self.worker, np.int32)
            holder[np.frombuffer(self.state, np.uint8) == SKIPPED] = -1
            used = np.unique(holder[holder >= 0])
            named = np.where(holder >= 0, np.searchsorted(used, holder), -1).astype(np.int32)
            self._locations = OutputLocations(
                stage=self.stage.id,
                workers=tuple(pool.id_at(index) for index in used.tolist()),
                holder=array("i", named.tobytes()),
                attempt=array("i", (np.array(self.attempts, np.int32) - 1).tobytes()),
            )
        return self._locations

    def stats(self) -> StageStats:
        """What the stage did so far."""
        written = int(self.partition_bytes.sum())
        done = 0 if self.count is None else self.count - self.pending - self.running
        return StageStats(self.stage.id, self.count, sum(self.attempts), self.done_rows, written, self.running, done)

    def tasks(self, pool: WorkerPool) -> StageTasks:
        """What its tasks do now."""
        return StageTasks(
            self.stage.id,
            tuple(_NAMES[state] for state in self.state),
            array("i", self.attempts),
            tuple(None if (found := pool.at(index)) is None else found.id for index in self.worker),
        )

    def _tasks(self, state: int) -> list[int]:
        return [task for task, current in enumerate(self.state) if current == state]

    def _undo(self, task: int) -> None:
        self.state[task] = PENDING
        self.pending += 1
        self.done_rows -= self.rows[task]
        self._again.append(task)

    def _stop_early(self) -> list[int]:
        """Where there are enough rows leave out what is not done; take it up should there be too few after all."""
        enough = self._enough
        running: list[int] = []
        if enough is None:
            return running
        if self.done_rows >= enough and not self.complete:
            running = self._tasks(RUNNING)
            for task in running + self._tasks(PENDING):
                self.state[task] = SKIPPED
            self.skipped += self.pending + self.running
            self.pending = self.running = 0
        elif self.done_rows < enough and self.complete:
            self._unskip()
        return running

    def _unskip(self) -> None:
        for task in self._tasks(SKIPPED):
            self.state[task] = PENDING
            self._again.append(task)
        self.pending += self.skipped
        self.skipped = 0

    def _add_bytes(self, worker: int, summary: TaskSummary) -> None:
        sizes = np.asarray(summary.partition_bytes, np.int64)
        self.partition_bytes += sizes
        if self.worker_bytes is None:
            return
        if worker in self.worker_bytes:
            self.worker_bytes[worker] += sizes
        elif (len(self.worker_bytes) + 1) * len(sizes) > _PLACEMENT_CELLS:
            self.worker_bytes = None
        else:
            self.worker_bytes[worker] = sizes.copy()
