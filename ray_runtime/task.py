"""What travels between the coordinator and a worker: a task to run, and what came of it.

Task descriptions go from the coordinator to its own workers through Ray, which pickles them; the Flight endpoints of
workers, which others can reach, take only signed tickets.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.kernel_progress import Watch
from engine.profile import OperatorProfile
from engine.run_progress import ResourceUse
from engine.tracing import SpanContext
from engine.travel_types import Boundary
from ray_runtime.exchange import ExchangeSource, OutputKey, OutputRef, OutputSummary, ReadRequest, WorkerId

__all__ = ["StageOutputs", "TaskDone", "TaskInput", "TaskSpec"]


@dataclass(frozen=True)
class TaskInput:
    """The outputs of one stage, and how many rows and bytes of them are in the `partitions` that a task reads.

    The arrays have an entry for each upstream task: the worker that holds its output, as an index into `workers` (with
    their Flight locations), or -1 where there is none; the attempt that wrote it; rows and bytes.
    """

    stage: int
    schema: pa.Schema
    ordered: bool
    partitions: range
    workers: tuple[tuple[WorkerId, str], ...]
    holder: array[int]
    attempt: array[int]
    rows: array[int]
    bytes: array[int]

    def sources(self, query: str) -> list[ExchangeSource]:
        """What to ask of which worker; nothing for outputs without rows. With `ordered` in the order of the tasks."""
        groups: list[tuple[int, list[int]]] = []
        by_holder: dict[int, list[int]] = {}
        for task, holder in enumerate(self.holder):
            if holder < 0 or not self.rows[task]:
                continue
            if holder not in by_holder or (self.ordered and groups[-1][0] != holder):
                by_holder[holder] = []
                groups.append((holder, by_holder[holder]))
            by_holder[holder].append(task)
        return [self._source(query, holder, tasks) for holder, tasks in groups]

    def _source(self, query: str, holder: int, tasks: list[int]) -> ExchangeSource:
        worker, location = self.workers[holder]
        outputs = tuple(OutputRef(task, self.attempt[task], self.rows[task]) for task in tasks)
        request = ReadRequest(query, self.stage, self.partitions, outputs)
        return ExchangeSource(worker, location, request, sum(self.bytes[task] for task in tasks))


@dataclass(frozen=True)
class TaskSpec:
    """One attempt: the stage's pickled `fragment`, its share of the tables and of upstream outputs.

    `splits` is the task's entry of `Stage.splits`, None where the stage has none. `partitions` is into how many the
    output is cut. `key` signs and opens the query's exchange tickets. `tables` is where the coordinator serves tables
    that it holds in memory, None where there are none. `boundary` says who reads the output, `trace` for which span the
    task works, `watch` what the kernel notes of it.
    """

    task: OutputKey
    fragment: bytes
    splits: tuple[Any, ...] | None
    inputs: tuple[TaskInput, ...]
    partitions: int
    key: bytes
    tables: str | None = None
    boundary: Boundary = Boundary.KERNEL
    trace: SpanContext | None = None
    watch: Watch = Watch.USE


@dataclass(frozen=True)
class TaskDone:
    """The committed output of an attempt and the Arrow schema of its rows; the seconds that it took, the bytes of other
    stages' outputs that it read, what it has used of its kernel, where that is known, and the operators of the kernel
    where they were watched."""

    summary: OutputSummary
    schema: pa.Schema
    seconds: float
    read: int
    resource_use: ResourceUse | None = None
    operators: tuple[OperatorProfile, ...] = ()


class StageOutputs:
    """The rows and bytes by partition of a complete stage's outputs, in the order of its tasks.

    Two matrices of whole numbers, 16 bytes for each task and partition, kept as running sums along the partitions, so
    that what a reader needs of any range of them is two columns.
    """

    def __init__(self, summaries: list[OutputSummary | None], partitions: int) -> None:
        self._rows = _running_sums([s.rows if s else None for s in summaries], partitions)
        self._bytes = _running_sums([s.bytes if s else None for s in summaries], partitions)

    def rows(self, partitions: range) -> array[int]:
        """The rows of each task's output in a range of partitions."""
        return _between(self._rows, partitions)

    def bytes(self, partitions: range) -> array[int]:
        """The bytes of each task's output in a range of partitions."""
        return _between(self._bytes, partitions)


def _running_sums(counts: list[array[int] | None], partitions: int) -> npt.NDArray[np.int64]:
    sums = np.zeros((len(counts), partitions + 1), np.int64)
    for task, of_task in enumerate(counts):
        if of_task is not None:
            np.cumsum(of_task, out=sums[task, 1:])
    return sums


def _between(sums: npt.NDArray[np.int64], partitions: range) -> array[int]:
    return array("q", (sums[:, partitions.stop] - sums[:, partitions.start]).tobytes())
