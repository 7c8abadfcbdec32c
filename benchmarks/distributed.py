"""``python -m benchmarks.distributed --scale 1 --workers 2``: TPC-H on Ray workers beside the local runtime.

Both run in process over the same Parquet files; the two take turns, query by query and run by run, and the best run of
each query counts. Shuffle volume is what the stages wrote for other stages to read.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from benchmarks.measure import machine, measured, tpch
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime
from ray_runtime.cluster import ClusterOptions
from ray_runtime.executor import ExecutorOptions
from ray_runtime.runtime import RayOptions, RayRuntime
from tests.harness.compare import difference
from tests.tpch import dataset

__all__ = ["main"]


@dataclass
class Runs:
    """The runs of one query: seconds on both runtimes, and what its stages wrote."""

    local: list[float] = field(default_factory=list)
    ray: list[float] = field(default_factory=list)
    stages: int = 0
    tasks: int = 0
    shuffled: int = 0


def main() -> int:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description="TPC-H on Ray workers beside the local runtime.")
    parser.add_argument("--scale", type=float, default=1.0, help="scale factor of the data (default 1)")
    parser.add_argument("--data", type=Path, help="a folder with the tables, instead of generated Parquet files")
    parser.add_argument("--workers", type=int, default=2, help="Ray workers (default 2)")
    parser.add_argument("--slots", type=int, default=1, help="tasks that a worker runs at once (default 1)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each query; the best counts (default 3)")
    parser.add_argument("--queries", type=int, nargs="*", default=list(dataset.QUERIES), help="only these queries")
    options = parser.parse_args()
    storage = DirectoryStorage(tpch(options.scale, options.data))
    results = {number: Runs() for number in options.queries}
    cluster = ClusterOptions(workers=options.workers, slots=options.slots)
    with (
        LocalRuntime(storage) as local,
        RayRuntime(storage, RayOptions(executor=ExecutorOptions(cluster)), threads=1) as ray,
    ):
        for run in range(options.runs):
            for number, runs in results.items():
                _measure(number, runs, local, ray)
            print(f"run {run + 1} of {options.runs}", file=sys.stderr)
    print(_report(results, options.runs, options.workers))
    return 0


def _measure(number: int, runs: Runs, local: LocalRuntime, ray: RayRuntime) -> None:
    text = dataset.query_text(number)
    with measured() as here:
        want: pa.Table = local.sql(text).read_all()
    with measured() as there:
        result = ray.sql(text)
        got = result.read_all()
    drift = difference(got, want, ordered=True)
    if drift is not None:
        raise SystemExit(f"query {number} gives other rows on Ray: {drift}")
    stats = result.stats()
    runs.local.append(here.wall)
    runs.ray.append(there.wall)
    runs.stages, runs.tasks = len(stats), sum(stage.tasks for stage in stats)
    runs.shuffled = sum(stage.bytes for stage in stats[:-1])


def _report(results: dict[int, Runs], runs: int, workers: int) -> str:
    lines = [
        f"TPC-H, Parquet, {workers} workers, best of {runs}. {machine()}.",
        "",
        "| query | Ray s | local s | ratio | stages | tasks | shuffled MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, result in results.items():
        ray, local = min(result.ray), min(result.local)
        volume = f"{result.stages} | {result.tasks} | {result.shuffled / 1e6:.1f}"
        lines.append(f"| {number} | {ray:.3f} | {local:.3f} | {ray / local:.2f} | {volume} |")
    ray = sum(min(result.ray) for result in results.values())
    local = sum(min(result.local) for result in results.values())
    shuffled = sum(result.shuffled for result in results.values())
    lines.append(f"| **total** | {ray:.3f} | {local:.3f} | {ray / local:.2f} | | | {shuffled / 1e6:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
