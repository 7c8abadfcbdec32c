"""What a hash shuffle through the Exchange costs: write, serve and read apart, beside a bare Flight transfer.

    python -m benchmarks.exchange --parquet lineitem.parquet --partitions 8

One worker process holds the table, with partition ids computed beforehand, and writes it into its store; this process
then reads every partition from it. The bare transfer is pyarrow.flight's own server with the same rows in batches of
the same size. Each line is the best of `--repeat`; rates are bytes of Arrow data per second of CPU (user and system)
that the named process spent.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import flight

from flight_server.endpoint import ConnectionPool, Endpoint
from ray_runtime.exchange import (
    ExchangeHandler,
    ExchangeReader,
    ExchangeSource,
    ExchangeStore,
    OutputKey,
    OutputSummary,
    QueryKeys,
    ReadOptions,
    WorkerId,
    group_rows,
    payload_schema,
)
from ray_runtime.task import StageOutputs, TaskInput

__all__ = ["main"]

IDS = "partition_id"
KEY = b"benchmark key of 32 bytes ......"
SYNTHETIC = """
SELECT range AS id, (range * 7919) % 200000 AS part, (range % 50)::DECIMAL(15, 2) AS quantity,
       (range % 100000 / 7)::DECIMAL(15, 2) AS price, DATE '1992-01-01' + (range % 2500)::INTEGER AS shipped,
       ['AIR', 'TRUCK', 'MAIL', 'SHIP'][range % 4 + 1] AS mode, 'comment on the row ' || range AS comment
FROM range({rows})
"""


@dataclass
class Task:
    """What the worker process is to hold."""

    parquet: str | None
    rows: int
    partitions: int
    memory: int
    compression: str | None


def cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def load(task: Task) -> pa.Table:
    """The table, with partition ids, in the batches that the kernel gives."""
    source = f"SELECT * FROM '{task.parquet}'" if task.parquet else SYNTHETIC.format(rows=task.rows)
    connection = duckdb.connect(config={"threads": 2})
    first = connection.sql(f"SELECT * FROM ({source}) LIMIT 0").columns[0]
    ids = "UTINYINT" if task.partitions <= 256 else "USMALLINT"
    return connection.sql(
        f'SELECT *, (hash("{first}") % {task.partitions})::{ids} AS {IDS} FROM ({source})'
    ).to_arrow_table(122_880)


class BareServer(flight.FlightServerBase):
    """pyarrow.flight with a table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        super().__init__("grpc://127.0.0.1:0")

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.RecordBatchStream:
        del context, ticket
        return flight.RecordBatchStream(self._table)


def worker(pipe: Connection, task: Task) -> None:
    """Answers ``write``, ``bare``, ``cpu`` and ``stop`` over the pipe."""
    table = load(task)
    schema = payload_schema(table.schema)
    with tempfile.TemporaryDirectory() as folder:
        store = ExchangeStore(WorkerId("w", 1), Path(folder), task.memory, compression=task.compression)  # type: ignore[arg-type]
        keys = QueryKeys()
        bare = BareServer(table.drop_columns([IDS]))
        with Endpoint(ExchangeHandler(store, keys)) as endpoint:
            number = 0
            while (command := pipe.recv()) != "stop":
                if command == "write":
                    store.remove_query(str(number))
                    number += 1
                    keys.add(str(number), KEY)
                    started, began = cpu(), time.perf_counter()
                    with store.writer(OutputKey(str(number), 0, 0, 0), schema, task.partitions) as writer:
                        for piece in group_rows(table.to_reader(), task.partitions):
                            writer.append(piece)
                        summary = writer.commit()
                    spent, took = cpu() - started, time.perf_counter() - began
                    pipe.send(
                        (Placement(store.worker, endpoint.location, summary), schema, spent, took, store.disk_usage)
                    )
                elif command == "bare":
                    pipe.send(f"grpc://127.0.0.1:{bare.port}")
                else:
                    pipe.send(cpu())
        bare.shutdown()
        store.close()


@dataclass
class Placement:
    """The worker's only output, and where it is."""

    worker: WorkerId
    location: str
    summary: OutputSummary

    def sources(self, schema: pa.Schema, partitions: range) -> list[ExchangeSource]:
        """What a task asks for that reads some of its partitions."""
        counts = StageOutputs([self.summary], self.summary.partitions)
        rows, size = counts.rows(partitions), counts.bytes(partitions)
        only, where = array("i", [0]), ((self.worker, self.location),)
        return TaskInput(0, schema, False, partitions, where, only, only, rows, size).sources(self.summary.key.query)


@dataclass
class Measured:
    """Seconds of one run: CPU of the serving and the reading process, and wall."""

    served: float
    read: float
    wall: float


def measure(pipe: Connection, read: Callable[[], int]) -> tuple[int, Measured]:
    """Run `read`, which gives the bytes that came."""
    pipe.send("cpu")
    server, own, began = pipe.recv(), cpu(), time.perf_counter()
    size = read()
    took, spent = time.perf_counter() - began, cpu() - own
    pipe.send("cpu")
    return size, Measured(pipe.recv() - server, spent, took)


def read_partitions(placed: Placement, schema: pa.Schema, partitions: int, streams: int) -> int:
    """Every partition, `streams` at once, each dropped when it was read."""
    sizes: list[int] = []
    remaining = iter(range(partitions))
    lock = threading.Lock()

    def reduce_task() -> None:
        while True:
            with lock:
                partition = next(remaining, None)
            if partition is None:
                return
            sources = placed.sources(schema, range(partition, partition + 1))
            stream = ExchangeReader(schema, sources, KEY, pool, options=ReadOptions()).stream()
            sizes.append(sum(batch.get_total_buffer_size() for batch in stream))

    with ConnectionPool() as pool:
        threads = [threading.Thread(target=reduce_task) for _ in range(streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return sum(sizes)


def read_bare(location: str) -> int:
    """The whole table in one stream."""
    with flight.FlightClient(location) as client:
        return sum(chunk.data.get_total_buffer_size() for chunk in client.do_get(flight.Ticket(b"")))


def main() -> None:
    """Print the table of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parquet", help="a Parquet file; without it, a made-up table of --rows rows")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--streams", type=int, default=2, help="reduce tasks at once")
    parser.add_argument("--memory", type=int, default=8 << 30, help="bytes of the store; 0 writes all to disk")
    parser.add_argument("--compression", choices=["lz4", "zstd"])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    task = Task(options.parquet, options.rows, options.partitions, options.memory, options.compression)
    process = context.Process(target=worker, args=(other, task))
    process.start()
    writes, exchanged, bare = [], [], []
    size = on_disk = 0
    for _ in range(options.repeat):
        pipe.send("write")
        placed, schema, spent, took, on_disk = pipe.recv()
        writes.append((spent, took))
        size, run = measure(pipe, lambda: read_partitions(placed, schema, options.partitions, options.streams))  # noqa: B023
        exchanged.append(run)
        pipe.send("bare")
        location = pipe.recv()
        bare.append(measure(pipe, lambda: read_bare(location))[1])  # noqa: B023
    pipe.send("stop")
    process.join()

    def line(what: str, cpu_seconds: float, wall: float) -> None:
        print(f"{what:<24}{cpu_seconds:>8.2f}{size / cpu_seconds / 1e6:>12.0f}{wall:>10.2f}{size / wall / 1e6:>10.0f}")

    print(f"{size / 1e6:.0f} MB, {options.partitions} partitions, {on_disk / 1e6:.0f} MB on disk")
    print(f"{'':<24}{'CPU s':>8}{'MB/CPU s':>12}{'wall s':>10}{'MB/s':>10}")
    write = min(writes)
    line("exchange write", *write)
    line("exchange serve", min(run.served for run in exchanged), min(run.wall for run in exchanged))
    line("exchange read", min(run.read for run in exchanged), min(run.wall for run in exchanged))
    both = min(run.served + run.read for run in exchanged)
    line("exchange, all three", write[0] + both, write[1] + min(run.wall for run in exchanged))
    line("bare Flight, serve", min(run.served for run in bare), min(run.wall for run in bare))
    line("bare Flight, read", min(run.read for run in bare), min(run.wall for run in bare))
    plain = min(run.served + run.read for run in bare)
    print(f"transfer: {both / plain:.2f} times the CPU of bare Flight")


if __name__ == "__main__":
    main()
