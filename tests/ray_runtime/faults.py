"""Breaking real worker processes, and waiting for the moment to do it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.runtime import QueryOptions
from ray_runtime.exchange import WorkerId
from ray_runtime.runtime import RayRuntime
from ray_runtime.scheduler import StageStats
from ray_runtime.worker import WorkerStatus
from tests.harness.kernel_loss import lose
from tests.harness.waiting import until

T = TypeVar("T")

SLOW = "ascii(sha256(repeat(s, 1200 + v % 7)))"
"""Takes a second or more for the whole of the table `t`, and is computed wherever the planner wants it to be."""


def in_background(runtime: RayRuntime, sql: str, cancellation: Cancellation | None = None) -> Future[pa.Table]:
    """The result of a query that runs in a thread."""
    options = QueryOptions(cancellation or Cancellation())
    return _spawn(lambda: runtime.execute(runtime.plan(runtime.frontend.plan(sql)), options).read_all())


def observed(runtime: RayRuntime, sql: str) -> Future[tuple[pa.Table, tuple[StageStats, ...]]]:
    """The result of a query that runs in a thread, and what its stages did."""

    def run() -> tuple[pa.Table, tuple[StageStats, ...]]:
        result = runtime.sql(sql)
        return result.read_all(), until(result.stats)

    return _spawn(run)


def changing(runtime: RayRuntime, sql: str) -> Future[pa.Table]:
    """The answer to a statement of any kind that runs in a thread."""
    return _spawn(lambda: runtime.sql(sql).read_all())


def _spawn(work: Callable[[], T]) -> Future[T]:
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer


def kill(runtime: RayRuntime, worker: WorkerId, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a worker's process."""
    os.kill(runtime.executor.workers()[worker].pid, how)


def first(runtime: RayRuntime, holds: Callable[[WorkerStatus], object]) -> tuple[WorkerId, WorkerStatus]:
    """Wait for a worker of which `holds` is true; with it, what it held then."""
    return until(lambda: next((found for found in runtime.executor.status().items() if holds(found[1])), None))


def running_elsewhere(runtime: RayRuntime, frozen: WorkerId) -> bool:
    """Whether a task runs on another worker than the one that does not answer."""
    statuses = runtime.executor._coordinator.status(timeout=0.1)
    return any(status.running for worker, status in statuses.items() if worker != frozen)


def freeze_readers(runtime: RayRuntime) -> tuple[WorkerId, list[WorkerId]] | None:
    """A worker that is in the middle of sending, and the others, which are stopped so that it stays there.

    None where no stream is open, or none stays open: with its reader stopped, one that is nearly at its end ends.
    """
    workers = list(runtime.executor.workers())
    for sender in workers:
        if not _open_streams(runtime, sender):
            continue
        others = [worker for worker in workers if worker != sender]
        for worker in others:
            kill(runtime, worker, signal.SIGSTOP)
        if _open_streams(runtime, sender):
            return sender, others
        for worker in others:
            kill(runtime, worker, signal.SIGCONT)
    return None


def lose_kernel(runtime: RayRuntime, worker: WorkerId) -> None:
    """What a fatal error of a worker's kernel leaves: an instance on which nothing runs any more."""
    actor = runtime.executor._coordinator._cluster._members[worker].actor
    actor.__ray_call__.options(concurrency_group="control").remote(_close_database).future().result()


def _close_database(actor: Any) -> None:
    lose(actor.worker._kernel._instance)


def _open_streams(runtime: RayRuntime, worker: WorkerId) -> int:
    actor = runtime.executor._coordinator._cluster._members[worker].actor
    asked = actor.__ray_call__.options(concurrency_group="control").remote(_count_streams)
    return int(asked.future().result())


def _count_streams(actor: Any) -> int:
    return len(actor.worker._endpoint._calls)


def idle(runtime: RayRuntime) -> bool:
    """Whether no worker runs or holds anything."""
    return all(
        not (status.running or status.outputs or status.memory or status.disk)
        for status in runtime.executor.status().values()
    )


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it is gone, or goes while it is looked at
        return False
