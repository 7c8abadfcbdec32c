"""The coordinator alone: seconds and bytes that the scheduler takes for 1,000 workers and 10,000 tasks a stage.

No Ray and no data: workers answer at once. Four sizes are run, so that the growth is seen::

    python -m benchmarks.scheduler_simulation [--workers 1000] [--tasks 10000] [--slots 4] [--lost 10]

The query has three stages of so many tasks, joined by shuffles of as many partitions, and a gather. `--lost` workers
die on the way and are replaced; what they held runs again.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from array import array
from collections import deque
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from engine.operators.values import ValuesExec
from engine.physical import Hash
from ray_runtime.scheduler import (
    Event,
    LaunchTask,
    QueryDone,
    QueryFailed,
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
from ray_runtime.stages import ExchangeInput, ExchangeMode, Stage, StageGraph

__all__ = ["Measurement", "main", "simulate"]


@dataclass(frozen=True)
class Measurement:
    """One run: seconds inside the scheduler, the most bytes that Python objects took, and what happened meanwhile."""

    tasks: int
    workers: int
    events: int
    launches: int
    seconds: float
    peak_bytes: int


def query(tasks: int) -> StageGraph:
    """Three stages of `tasks` tasks between shuffles of as many partitions, then a gather."""
    fragment = ValuesExec((), ((),))
    shuffle, gather = ExchangeMode.SHUFFLE, ExchangeMode.GATHER
    cut = Hash((), tasks)
    return StageGraph(
        (
            Stage(0, fragment, output=cut, splits=tuple(range(tasks))),
            Stage(1, fragment, (ExchangeInput(0, shuffle),), cut),
            Stage(2, fragment, (ExchangeInput(1, shuffle),)),
            Stage(3, fragment, (ExchangeInput(2, gather),)),
        )
    )


def simulate(tasks: int, workers: int, slots: int, lost: int, trace_memory: bool = False) -> Measurement:
    """Run the query once, with `lost` workers dying at even distances. Raises RuntimeError where it does not finish."""
    scheduler = Scheduler(SchedulerOptions(task_bytes=0))
    summary = TaskSummary(1000, array("q", [1000]) * tasks)
    last = TaskSummary(1000, array("q", [1000]))
    events: deque[Event] = deque(WorkerJoined(WorkerId(f"w{n}"), slots) for n in range(workers))
    events.append(Submit("q", query(tasks)))
    distance = 3 * tasks // (lost + 1)
    handled = launches = succeeded = 0
    seconds = 0.0
    gc.collect()
    if trace_memory:
        tracemalloc.start()
    try:
        while events:
            event = events.popleft()
            started = time.perf_counter()
            decisions = scheduler.handle(event)
            seconds += time.perf_counter() - started
            handled += 1
            for decision in decisions:
                match decision:
                    case LaunchTask(task, worker, stage):
                        launches += 1
                        events.append(TaskSucceeded(task, worker, summary if stage.partitions > 1 else last))
                    case ResultReady(output):
                        events.append(ResultFetched(output.task))
                    case QueryDone():
                        peak = tracemalloc.get_traced_memory()[1] if trace_memory else 0
                        return Measurement(tasks, workers, handled, launches, seconds, peak)
                    case QueryFailed(_, error):
                        raise RuntimeError("the query failed") from error
            if isinstance(event, TaskSucceeded):
                succeeded += 1
                if lost and succeeded % distance == 0:
                    gone = event.worker
                    events.append(WorkerLost(gone, "it died"))
                    events.append(WorkerJoined(WorkerId(gone.name, gone.incarnation + 1), slots))
    finally:
        if trace_memory:
            tracemalloc.stop()
    raise RuntimeError("the query came to a halt")


def main(arguments: list[str] | None = None) -> int:
    """Print a table of four sizes, the largest as asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--lost", type=int, default=10)
    chosen = parser.parse_args(arguments)
    table = Table("tasks", "workers", "events", "launches", "seconds", "µs/launch", "MB", "B/task")
    for part in (8, 4, 2, 1):
        tasks, workers = max(chosen.tasks // part, 1), max(chosen.workers // part, 1)
        timed = simulate(tasks, workers, chosen.slots, chosen.lost)
        traced = simulate(tasks, workers, chosen.slots, chosen.lost, trace_memory=True)
        table.add_row(
            f"{tasks:,}",
            f"{workers:,}",
            f"{timed.events:,}",
            f"{timed.launches:,}",
            f"{timed.seconds:.2f}",
            f"{timed.seconds / timed.launches * 1e6:.1f}",
            f"{traced.peak_bytes / 1e6:.1f}",
            f"{traced.peak_bytes / (3 * tasks):.0f}",
        )
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
