"""Breaking real worker processes, and waiting for the moment to do it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import pyarrow as pa

from engine.context import Cancellation
from engine.runtime import QueryOptions
from ray_runtime.exchange import WorkerId
from ray_runtime.runtime import RayRuntime
from ray_runtime.worker import WorkerStatus

T = TypeVar("T")

SLOW = "list_sum(list_transform(range(2500), lambda x: (x * v) % 7))"
"""Takes some seconds for the whole of the table `t`."""


def until(condition: Callable[[], T], timeout: float = 20.0) -> T:
    """What `condition` gives once it is true."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to pass"
        threading.Event().wait(0.01)
    return found


def in_background(runtime: RayRuntime, sql: str, cancellation: Cancellation | None = None) -> Future[pa.Table]:
    """The result of a query that runs in a thread."""
    answer: Future[pa.Table] = Future()
    options = QueryOptions(cancellation or Cancellation())

    def run() -> None:
        try:
            answer.set_result(runtime.execute(runtime.plan(runtime.frontend.plan(sql)), options).read_all())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer


def kill(runtime: RayRuntime, worker: WorkerId, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a worker's process."""
    os.kill(runtime.executor.workers()[worker].pid, how)


def first(runtime: RayRuntime, holds: Callable[[WorkerStatus], bool]) -> WorkerId:
    """Wait for a worker of which `holds` is true."""
    return until(lambda: next((w for w, status in runtime.executor.status().items() if holds(status)), None))


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
    except FileNotFoundError:
        return False
