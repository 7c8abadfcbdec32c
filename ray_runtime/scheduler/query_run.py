"""One running query: which stages are needed, what may be launched, and what a loss takes with it.

Needed is what the result still needs: the last stage while it has tasks to do, and the inputs of every needed stage
that has tasks to do. So an output that is lost runs again only where somebody still has to read it, and for that the
lost outputs that it reads itself run again first, and so on.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np

from engine.errors import GrismError, StageFailedError, WorkerLostError
from ray_runtime.scheduler.coalesce import coalesce, favourite_workers, target_bytes
from ray_runtime.scheduler.events import (
    CancelTask,
    Decision,
    LaunchTask,
    Output,
    ResultLost,
    ResultReady,
    StageStats,
    StageTasks,
    Submit,
    TaskId,
    TaskSummary,
)
from ray_runtime.scheduler.options import SchedulerOptions
from ray_runtime.scheduler.stage_run import RUNNING, StageRun
from ray_runtime.scheduler.worker_pool import PooledWorker, WorkerPool

__all__ = ["QueryRun"]


class QueryRun:
    """The state of one query. Methods raise the error that ends the query; decisions go to `emit`."""

    def __init__(
        self, query: Submit, pool: WorkerPool, options: SchedulerOptions, emit: Callable[[Decision], None]
    ) -> None:
        self.id = query.query
        self.deadline = query.deadline
        self.slots = 0  # taken on live workers, by attempts that were cancelled too
        self.used: set[int] = set()  # workers that were given tasks, by index
        self.starved_since: float | None = None  # the first tick that found no worker
        self._pool, self._options, self._emit = pool, options, emit
        self._stages = {stage.id: StageRun(stage, stage is query.graph.result) for stage in query.graph}
        self._result = self._stages[query.graph.result.id]
        self._ready: OrderedDict[StageRun, None] = OrderedDict()  # offered, with pending tasks; launched in turn
        self._refresh()

    @property
    def runnable(self) -> bool:
        """Whether a task could be launched now."""
        return bool(self._ready)

    @property
    def is_finished(self) -> bool:
        """Whether the reader of the result has everything."""
        return self._result.is_finished

    def stats(self) -> tuple[StageStats, ...]:
        """What each stage did."""
        return tuple(run.stats() for run in self._stages.values())

    def tasks(self) -> tuple[StageTasks, ...]:
        """What the tasks of each stage do."""
        return tuple(run.tasks(self._pool) for run in self._stages.values())

    def launch(self) -> tuple[TaskId, PooledWorker]:
        """Launch the next task. There must be one, and a free slot."""
        run = next(iter(self._ready))
        self._ready.move_to_end(run)
        number = run.take()
        worker = self._pool.pick(run.favourite(number), run.worker[number])
        if worker is None:
            raise RuntimeError("launch() was called without a free slot")
        task = TaskId(self.id, run.stage.id, number, run.launch(number, worker.index))
        self._pool.occupy(worker, task)
        self.used.add(worker.index)
        inputs = tuple(self._stages[i.stage].locations(self._pool) for i in run.stage.inputs)
        self._emit(LaunchTask(task, worker.id, run.stage, run.partitions(number), inputs))
        self._show(run)
        return task, worker

    def task_succeeded(self, task: TaskId, worker: PooledWorker, summary: TaskSummary) -> None:
        """An attempt committed its output on `worker`."""
        run = self._stages[task.stage]
        if not run.runs(task.task, task.attempt):
            return
        worker.outputs.setdefault(self.id, array("i")).extend((task.stage, task.task))
        self._cancel(run, run.succeed(task.task, summary))
        if run is self._result:
            self._emit(ResultReady(Output(task, worker.id), len(run.state)))
        if run.complete:
            self._refresh()
        else:
            self._show(run)

    def task_failed(self, task: TaskId, error: GrismError) -> None:
        """An attempt failed; raises `error` where trying again cannot help."""
        run = self._stages[task.stage]
        if not run.runs(task.task, task.attempt):
            return
        if not error.retryable:
            raise error
        run.fail(task.task, error)
        self._refresh()

    def found_missing(self, reader: TaskId | None, missing: Iterable[Output], error: GrismError) -> None:
        """An attempt, or the reader of the result, found these outputs absent or truncated."""
        for output in missing:
            self._lose(output.task.stage, output.task.task, output.task.attempt, error)
        if reader is not None:
            run = self._stages[reader.stage]
            if run.runs(reader.task, reader.attempt):
                times = run.requeues[reader.task] = run.requeues.get(reader.task, 0) + 1
                if times > self._options.requeues:
                    run.fail(reader.task, error)
                else:
                    run.requeue(reader.task)
        self._refresh()

    def worker_lost(self, worker: PooledWorker, cause: WorkerLostError) -> None:
        """A worker is gone, with what this query ran and held there."""
        for task in worker.running:
            if task.query == self.id and self._stages[task.stage].runs(task.task, task.attempt):
                self._stages[task.stage].fail(task.task, cause)
        held = worker.outputs.get(self.id, array("i"))
        for stage, number in zip(held[::2], held[1::2], strict=True):
            run = self._stages[stage]
            if run.worker[number] == worker.index:
                self._lose(stage, number, run.attempts[number] - 1, cause)
        self._refresh()

    def output_fetched(self, task: TaskId) -> None:
        """The reader of the result has the whole output of a task of the last stage."""
        run = self._result
        if run.was_taken_back(task.task, task.attempt):
            raise _result_changed(WorkerLostError("The worker that held an input was lost."))
        if run.state[task.task] == RUNNING:
            self._cancel(run, [task.task])
        run.deliver(task.task)
        self._refresh()

    # --- needs -------------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Offer the tasks that the result needs, as far as their inputs are complete."""
        while self._settle_needs():
            pass

    def _settle_needs(self) -> bool:
        """One pass from the result to the sources; True where it took stages back and the needs changed with that."""
        needed = {self._result.stage.id}
        changed = False
        for run in reversed(self._stages.values()):
            inputs = [self._stages[i.stage] for i in run.stage.inputs]
            wanted = run.stage.id in needed and not run.complete
            if wanted:
                needed.update(i.stage for i in run.stage.inputs)
                changed |= self._settle_failures(run)
            run.offered = wanted and all(i.complete for i in inputs)
            if run.offered and run.count is None:
                self._size(run)
            self._show(run)
        return changed

    def _settle_failures(self, run: StageRun) -> bool:
        """Charge for the failures of a stage that is needed; True where other stages had to be taken back."""
        owed, run.owed = run.owed, []
        for task, cause in owed:
            causes = run.charge(task, cause)
            if len(causes) > self._options.retries:
                raise _failure(run, task, causes)
        return bool(owed) and not run.stage.deterministic and self._take_back_readers(run, owed[-1][1])

    def _take_back_readers(self, changed: StageRun, cause: GrismError) -> bool:
        """Undo all that was computed, directly or not, from a stage whose output will come out differently."""
        affected = {changed.stage.id}
        undone = False
        for run in self._stages.values():
            if affected.isdisjoint(i.stage for i in run.stage.inputs):
                continue
            affected.add(run.stage.id)
            if run.is_untouched:
                continue
            if run.delivered:
                raise _result_changed(cause)
            undone = True
            running, done = run.take_back()
            self._cancel(run, running)
            if run is self._result:
                for task in done:
                    self._emit(ResultLost(TaskId(self.id, run.stage.id, task, run.attempts[task] - 1)))
        return undone

    def _size(self, run: StageRun) -> None:
        """Decide the tasks of a stage, once: its inputs are complete, and so the bytes in them are known."""
        stage = run.stage
        inputs = [self._stages[s] for s in stage.shuffled_stages]
        if not inputs:
            run.size_to(len(stage.splits) or 1)
            if len(stage.splits) < 2:
                run.favourites = self._favourites([self._stages[i.stage] for i in stage.inputs], (range(1),))
            return
        sizes = np.sum([i.partition_bytes for i in inputs], axis=0)
        options = self._options
        target = options.task_bytes and target_bytes(int(sizes.sum()), self._pool.slots, options)
        ranges = coalesce(sizes, target)
        run.size_to(len(ranges), ranges)
        run.favourites = self._favourites(inputs, ranges)

    def _favourites(self, inputs: list[StageRun], ranges: tuple[range, ...]) -> list[int]:
        """Where most of what each task reads lies."""
        by_worker: dict[int, np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = {}
        for run in inputs:
            if run.worker_bytes is None:
                return []
            for worker, sizes in run.worker_bytes.items():
                by_worker[worker] = by_worker[worker] + sizes if worker in by_worker else sizes
        return favourite_workers(by_worker, ranges)

    def _show(self, run: StageRun) -> None:
        """Keep the stage among the ready ones exactly while it has tasks to launch."""
        if not run.offered or not run.pending:
            self._ready.pop(run, None)
        elif run not in self._ready:
            self._ready[run] = None

    # --- losses ------------------------------------------------------------------------------------------------------

    def _lose(self, stage: int, number: int, attempt: int, cause: GrismError) -> None:
        """The output of that attempt is gone; nothing happens where it is not the one that is read."""
        run = self._stages.get(stage)
        if run is None or not run.holds(number, attempt):
            return
        run.lose(number, cause)
        if run is self._result:
            self._emit(ResultLost(TaskId(self.id, stage, number, attempt)))

    def _cancel(self, run: StageRun, tasks: list[int]) -> None:
        """Stop the last attempts of these tasks."""
        for number in tasks:
            task = TaskId(self.id, run.stage.id, number, run.attempts[number] - 1)
            self._emit(CancelTask(task, self._pool.id_at(run.worker[number])))


def _failure(run: StageRun, task: int, causes: list[GrismError]) -> GrismError:
    """The error for a task that may not run again: the only cause, or the list of them."""
    if len(causes) == 1:
        return causes[0]
    listed = "; ".join(f"({n}) {type(cause).__name__}: {cause.message}" for n, cause in enumerate(causes, 1))
    return StageFailedError(
        f"Task {task} of stage {run.stage.id} failed {len(causes)} times, which is all that the option retries allows. "
        f"Causes: {listed}"
    )


def _result_changed(cause: GrismError) -> WorkerLostError:
    """The error where part of a result was sent and the rest would not fit to it any more."""
    return WorkerLostError(
        "Part of the result was sent already, and the rest cannot be computed again so that it fits: the query's rows "
        f"depend on how it runs. Run it again. Cause: {cause.message}"
    )
