"""What a hash shuffle costs as a whole, beside the shuffles of Ray Data and Daft, on the same Ray workers' machine.

    python -m benchmarks.shuffle_peers --parquet lineitem.parquet --key l_orderkey

Each engine reads the Parquet file, shuffles its rows by the hash of a column, and leaves the partitions materialised at
its workers; reading is part of all three. Each run has processes of its own, and the engines take turns. CPU seconds
(user and system) are those of the driver and all its descendants between the begin of the shuffle and its end, so that
starting Ray does not count. Needs the extra ``bench``; an engine that is not installed is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from benchmarks.measure import machine

__all__ = ["main"]

_TICKS = os.sysconf("SC_CLK_TCK")
NEEDS = {"grism": "ray", "Ray Data": "ray.data", "Daft": "daft"}


def tree_seconds() -> float:
    """CPU seconds of this process and its descendants, those that have ended included."""
    found: dict[int, tuple[int, float]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        found[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:15])) / _TICKS
    total = 0.0
    for pid, (_, seconds) in found.items():
        ancestor = pid
        while ancestor in found and ancestor != os.getpid():
            ancestor = found[ancestor][0]
        total += seconds if ancestor == os.getpid() else 0.0
    return total


@contextmanager
def report_seconds() -> Iterator[None]:
    """Print the CPU and wall seconds of the block as JSON."""
    before, began = tree_seconds(), time.perf_counter()
    yield
    print(json.dumps({"wall": time.perf_counter() - began, "cpu": tree_seconds() - before}), flush=True)


def with_grism(file: Path, key: str, partitions: int) -> None:
    """A scan behind a shuffle, whose reduce tasks keep their rows."""
    from sqlglot import exp

    from engine.lowering import lower
    from engine.physical import Hash, Single
    from engine.storage import DirectoryStorage
    from engine.storage.protocol import TableName
    from ray_runtime.cluster import ClusterOptions
    from ray_runtime.context import DistributedExecutionContext
    from ray_runtime.executor import ExecutorOptions
    from ray_runtime.operators import ExchangeExec
    from ray_runtime.planner import DistributedOptions
    from ray_runtime.planner.column_types import ColumnTypes
    from ray_runtime.planner.result_parts import result_parts
    from ray_runtime.planner.split_stages import split_stages
    from ray_runtime.runtime import RayOptions, RayRuntime
    from ray_runtime.scheduler import SchedulerOptions
    from ray_runtime.stages import ExchangeMode

    storage = DirectoryStorage(file.parent)
    executor = ExecutorOptions(ClusterOptions(workers=2, slots=1), SchedulerOptions(task_bytes=0))
    with RayRuntime(storage, RayOptions(executor, exchange_memory=4 << 30), threads=1) as runtime:
        scan = lower(runtime.frontend.table_plan(TableName("main", file.stem)))
        shuffled = ExchangeExec(scan, ExchangeMode.SHUFFLE, Hash((exp.column(key, quoted=True),), partitions))
        root = ExchangeExec(shuffled, ExchangeMode.GATHER, Single())
        graph = result_parts(
            split_stages(root, ColumnTypes(runtime.kernel), storage, DistributedOptions(slots=2)), scan.schema
        )
        assert graph is not None
        context = DistributedExecutionContext(storage, runtime.kernel)
        with report_seconds():
            result = runtime.executor.run_to_parts(graph, 60.0, context)
        assert sum(part.rows for part in result.parts) == pq.read_metadata(file).num_rows
        assert len(result.parts) == partitions


def with_ray_data(file: Path, key: str, partitions: int) -> None:
    """`repartition` by a key, with the hash shuffle."""
    import ray
    from ray.data.context import DataContext, ShuffleStrategy

    ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False)
    DataContext.get_current().shuffle_strategy = ShuffleStrategy.HASH_SHUFFLE
    DataContext.get_current().enable_progress_bars = False
    with report_seconds():
        shuffled = ray.data.read_parquet(str(file)).repartition(partitions, keys=[key]).materialize()
    assert shuffled.count() == pq.read_metadata(file).num_rows


def with_daft(file: Path, key: str, partitions: int) -> None:
    """`repartition` by a column, on Ray."""
    import daft
    import ray

    ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False)
    daft.set_runner_ray(noop_if_initialized=True)
    with report_seconds():
        shuffled = daft.read_parquet(str(file)).repartition(partitions, key).collect()
    assert len(shuffled) == pq.read_metadata(file).num_rows


ENGINES: dict[str, Callable[[Path, str, int], None]] = {
    "grism": with_grism,
    "Ray Data": with_ray_data,
    "Daft": with_daft,
}


def is_installed(engine: str) -> bool:
    """Whether an engine can be run here."""
    try:
        return find_spec(NEEDS[engine]) is not None
    except ImportError:
        return False


def run(engine: str, arguments: list[str]) -> tuple[float, float] | None:
    """Wall and CPU seconds of a run in processes of its own; None where it failed, which is told on stderr."""
    command = [sys.executable, "-m", "benchmarks.shuffle_peers", *arguments, "--engine", engine]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"wall"')]
    if done.returncode != 0 or not lines:
        print(f"{engine} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    found = json.loads(lines[-1])
    return found["wall"], found["cpu"]


def main() -> None:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parquet", type=Path, required=True, help="the file whose rows are shuffled")
    parser.add_argument("--key", required=True, help="the column to shuffle by")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--engine", choices=list(ENGINES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        ENGINES[options.engine](options.parquet, options.key, options.partitions)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shuffled.parquet"
        size = copy(options.parquet, file)
        compare(file, size, options)


def copy(source: Path, target: Path) -> int:
    """Write the rows with plain texts, since not everybody reads string views; returns their bytes in Arrow."""
    with duckdb.connect() as connection:
        connection.sql(f"SELECT * FROM read_parquet('{source}')").write_parquet(str(target), row_group_size=122_880)
        table = connection.sql(f"SELECT * FROM read_parquet('{target}')").to_arrow_table()
    return int(table.nbytes)


def compare(file: Path, size: int, options: argparse.Namespace) -> None:
    """Let the engines take turns, and print the best of each."""
    arguments = ["--parquet", str(file), "--key", options.key, "--partitions", str(options.partitions)]
    runs: dict[str, list[tuple[float, float]]] = {engine: [] for engine in ENGINES if is_installed(engine)}
    for _ in range(options.repeat):
        for engine, results in runs.items():
            result = run(engine, arguments)
            if result is not None:
                results.append(result)
    print(f"{size / 1e6:.0f} MB of Arrow, {options.partitions} partitions, best of {options.repeat}. {machine()}.\n")
    print("| engine | wall s | CPU s | MB per CPU s |\n|---|---|---|---|")
    for engine, results in runs.items():
        if results:
            wall, spent = min(wall for wall, _ in results), min(spent for _, spent in results)
            print(f"| {engine} | {wall:.2f} | {spent:.2f} | {size / spent / 1e6:.0f} |")


if __name__ == "__main__":
    main()
