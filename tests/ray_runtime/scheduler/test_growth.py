"""The coordinator's work and state grow with tasks: counted in executed lines and in bytes, not in seconds."""

import gc
import multiprocessing
import sys
import tracemalloc
from array import array
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from engine.errors import ExchangeFailedError
from ray_runtime.scheduler import (
    Event,
    LaunchTask,
    Output,
    OutputsMissing,
    QueryDone,
    ResultFetched,
    ResultReady,
    Scheduler,
    SchedulerOptions,
    Submit,
    TaskSucceeded,
    TaskSummary,
    WorkerId,
    WorkerJoined,
    WorkerLost,
)
from ray_runtime.stages import StageGraph
from tests.ray_runtime.scheduler.graphs import GATHER, SHUFFLE, stage


def deep(tasks):
    """Three stages of as many tasks each, and a gather."""
    return StageGraph(
        (
            stage(0, tasks=tasks, partitions=tasks),
            stage(1, (0, SHUFFLE), partitions=tasks),
            stage(2, (1, SHUFFLE)),
            stage(3, (2, GATHER)),
        )
    )


def drive(tasks, workers, lose_every=0):
    """Run the graph; every so many tasks a worker dies and another one joins. Returns the launches."""
    scheduler = Scheduler(SchedulerOptions(task_bytes=0, retries=100, requeues=100))
    sizes = array("q", [1]) * tasks
    events: list[Event] = [WorkerJoined(WorkerId(f"w{n}"), 4) for n in range(workers)]
    events.append(Submit("q", deep(tasks)))
    launches = ended = 0
    running: dict[LaunchTask, None] = {}
    while events:
        for decision in scheduler.handle(events.pop(0)):
            match decision:
                case LaunchTask():
                    launches += 1
                    running[decision] = None
                case ResultReady(Output(task)):
                    events.append(ResultFetched(task))
                case QueryDone():
                    return launches
        if not events:
            launch = next(iter(running))
            del running[launch]
            ended += 1
            written = TaskSummary(1, sizes[: launch.stage.partitions])
            events.append(TaskSucceeded(launch.task, launch.worker, written))
            if lose_every and ended % lose_every == 0:
                worker = launch.worker
                events += [WorkerLost(worker, "x"), WorkerJoined(WorkerId(worker.name, worker.incarnation + 1), 4)]
                running = {one: None for one in running if one.worker != worker}
    raise AssertionError("the query did not end")


@contextmanager
def counted_lines():
    """Counts the lines of the scheduler that are executed, generated ones of its dataclasses too."""
    count = [0]

    def trace_line(frame, event, arg):
        count[0] += event == "line"
        return trace_line

    def trace_call(frame, event, arg):
        return trace_line if "ray_runtime" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace_call)
    try:
        yield count
    finally:
        sys.settrace(before)


def lines(tasks, workers, **faults):
    with counted_lines() as count:
        drive(tasks, workers, **faults)
    return count[0]


def test_work_grows_with_tasks():
    small, large = lines(100, 20), lines(400, 20)
    assert small > 100 * 3 * 20, "the counter counts"
    assert large / small < 4.4


def test_work_for_a_task_does_not_grow_with_workers():
    assert lines(200, 160) / lines(200, 10) < 1.3


def test_work_for_losses_grows_with_what_was_lost():
    """Every 50th task takes a worker with it; the work for each launched task stays the same in a larger query."""
    small = lines(100, 20, lose_every=50) / drive(100, 20, lose_every=50)
    large = lines(400, 80, lose_every=50) / drive(400, 80, lose_every=50)
    assert large / small < 1.3


def state_bytes(tasks):
    """Bytes that the scheduler holds when all but the last stage has run; for a process without other threads.

    `tracemalloc.stop` frees its tables under threads that are about to note an allocation (python/cpython#128679).
    """
    scheduler = Scheduler(SchedulerOptions(task_bytes=0))
    sizes = array("q", [1]) * tasks
    gc.collect()
    tracemalloc.start()
    for n in range(10):
        scheduler.handle(WorkerJoined(WorkerId(f"w{n}"), 4))
    launches = [d for d in scheduler.handle(Submit("q", deep(tasks))) if isinstance(d, LaunchTask)]
    while launches and launches[0].stage.id < 3:
        launch = launches.pop(0)
        written = TaskSummary(1, sizes[: launch.stage.partitions])
        decided = scheduler.handle(TaskSucceeded(launch.task, launch.worker, written))
        launches += [d for d in decided if isinstance(d, LaunchTask)]
    launches.clear()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert not scheduler.idle
    return held


def test_state_grows_with_tasks_and_not_with_tasks_times_partitions():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        small, large = alone.map(state_bytes, (250, 1000))
    assert large / small < 4.5
    assert large < 1000 * 3 * 500


def test_readers_of_one_absent_output_cost_it_one_more_run():
    """A thousand readers complain about the same output."""
    scheduler = Scheduler(SchedulerOptions(task_bytes=0))
    scheduler.handle(WorkerJoined(WorkerId("w"), 2000))
    graph = StageGraph((stage(0, tasks=2, partitions=1000), stage(1, (0, SHUFFLE)), stage(2, (1, GATHER))))
    maps = scheduler.handle(Submit("q", graph))
    readers = []
    for launch in maps:
        readers = scheduler.handle(TaskSucceeded(launch.task, launch.worker, TaskSummary(1, [1] * 1000)))
    assert len(readers) == 1000
    gone = Output(maps[0].task, maps[0].worker)
    error = ExchangeFailedError("absent")
    decided = [d for r in readers for d in scheduler.handle(OutputsMissing(r.task, r.worker, (gone,), error))]
    assert [(d.task.stage, d.task.task, d.task.attempt) for d in decided] == [(0, 0, 1)]
