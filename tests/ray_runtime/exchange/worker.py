"""A worker without Ray, for tests: a store with known outputs behind a Flight endpoint, in a process of its own.

    python -m tests.ray_runtime.exchange.worker NAME DIRECTORY MEMORY TASKS

prints its location and serves until its standard input closes.
"""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from flight_server.endpoint import Endpoint
from ray_runtime.exchange import (
    ExchangeHandler,
    ExchangeSource,
    ExchangeStore,
    OutputKey,
    OutputSummary,
    QueryKeys,
    WorkerId,
    group_rows,
    payload_schema,
)
from ray_runtime.task import StageOutputs, TaskInput

__all__ = [
    "KEY",
    "PARTITIONS",
    "QUERY",
    "ROWS",
    "SCHEMA",
    "PlacedOutput",
    "Worker",
    "expected",
    "process",
    "rows_of",
    "serve",
    "sources",
]

QUERY = "query"
STAGE = 1
KEY = b"k" * 32
PARTITIONS = 4
ROWS = 20_000
BATCHES = 5


def rows_of(task: int) -> list[pa.RecordBatch]:
    """What a task writes, with partition ids: partition 3 is empty."""
    batches = []
    for batch in range(BATCHES):
        first = (task * BATCHES + batch) * ROWS
        numbers = range(first, first + ROWS)
        batches.append(
            pa.record_batch(
                {
                    "n": pa.array(numbers, pa.int64()),
                    "s": pa.array([f"row {n}" for n in numbers]),
                    "id": pa.array([n % (PARTITIONS - 1) for n in numbers], pa.uint8()),
                }
            )
        )
    return batches


SCHEMA = payload_schema(rows_of(0)[0].schema)


def expected(tasks: list[int], partition: int) -> list[int]:
    """The numbers of a partition, in the order of the tasks."""
    return [
        n
        for task in tasks
        for n in range(task * BATCHES * ROWS, (task + 1) * BATCHES * ROWS)
        if n % (PARTITIONS - 1) == partition
    ]


@dataclass(frozen=True)
class PlacedOutput:
    """A committed output and the worker that holds it, whose endpoint is at `location`."""

    worker: WorkerId
    location: str
    summary: OutputSummary


def sources(outputs: list[PlacedOutput], partitions: range = range(1), ordered: bool = False) -> list[ExchangeSource]:
    """What a task asks for that reads some partitions of these outputs."""
    workers = list(dict.fromkeys((output.worker, output.location) for output in outputs))
    tasks = 1 + max(output.summary.key.task for output in outputs)
    summaries: list[OutputSummary | None] = [None] * tasks
    holder, attempt = array("i", [-1]) * tasks, array("i", [0]) * tasks
    for output in outputs:
        task = output.summary.key.task
        summaries[task], attempt[task] = output.summary, output.summary.key.attempt
        holder[task] = workers.index((output.worker, output.location))
    counts = StageOutputs(summaries, PARTITIONS)
    rows, size = counts.rows(partitions), counts.bytes(partitions)
    read = TaskInput(STAGE, SCHEMA, ordered, partitions, tuple(workers), holder, attempt, rows, size)
    return read.sources(QUERY)


@dataclass
class Worker:
    """A worker of this process."""

    store: ExchangeStore
    endpoint: Endpoint
    keys: QueryKeys

    def placed(self, summary: OutputSummary) -> PlacedOutput:
        """An output of this worker as readers find it."""
        return PlacedOutput(self.store.worker, self.endpoint.location, summary)

    def write(self, task: int, attempt: int = 0) -> PlacedOutput:
        """Run a map task."""
        batches = rows_of(task)
        reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
        with self.store.writer(OutputKey(QUERY, STAGE, task, attempt), SCHEMA, PARTITIONS) as writer:
            for piece in group_rows(reader, PARTITIONS):
                writer.append(piece)
            return self.placed(writer.commit())


@contextmanager
def serve(name: str, directory: Path, memory: int = 1 << 30) -> Iterator[Worker]:
    """A worker in this process."""
    store = ExchangeStore(WorkerId(name, 1), directory, memory)
    keys = QueryKeys()
    keys.add(QUERY, KEY)
    try:
        with Endpoint(ExchangeHandler(store, keys)) as endpoint:
            yield Worker(store, endpoint, keys)
    finally:
        store.close()


@dataclass
class WorkerProcess:
    """A worker in a process of its own, with what it committed."""

    process: subprocess.Popen[str]
    outputs: list[PlacedOutput]

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def process(name: str, directory: Path, tasks: list[int], memory: int = 1 << 30) -> Iterator[WorkerProcess]:
    """Starts a worker process that ran `tasks`."""
    arguments = [name, str(directory), str(memory), ",".join(map(str, tasks))]
    with (
        subprocess.Popen(
            [sys.executable, "-m", __name__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as running,
        serve(name, directory / "twin") as twin,
    ):
        assert running.stdout is not None
        location = running.stdout.readline().strip()
        assert location.startswith("grpc://"), "the worker did not start"
        outputs = [PlacedOutput(o.worker, location, o.summary) for o in (twin.write(task) for task in tasks)]
        try:
            yield WorkerProcess(running, outputs)
        finally:
            assert running.stdin is not None
            running.stdin.close()
            running.wait(20)


def main() -> None:
    """Serve until standard input closes."""
    name, directory, memory, tasks = sys.argv[1:]
    with serve(name, Path(directory), int(memory)) as worker:
        for task in tasks.split(","):
            worker.write(int(task))
        print(worker.endpoint.location, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
