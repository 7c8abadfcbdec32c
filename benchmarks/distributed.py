"""``python -m benchmarks.distributed --scale 1 --workers 2``: TPC-H on Ray workers beside the local runtime.

Both run in process over the same Parquet files; the two take turns, query by query and run by run, and the best run of
each query counts. Shuffle volume is what the stages wrote for other stages to read. CPU seconds are user time of this
process and of all that it has started.

``--suite tpcds --data FOLDER`` runs TPC-DS instead, over a folder with its tables as Parquet files and the texts of its
queries beside them (``q01.sql`` to ``q99.sql``): DuckDB's extension of the name makes both, by ``CALL dsdgen(sf = 1)``
and ``tpcds_queries()``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from benchmarks.measure import machine, measure, tpch, tpch_parser, tree_seconds
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime
from ray_runtime.cluster import ClusterOptions
from ray_runtime.executor import DistributedResult, ExecutorOptions
from ray_runtime.runtime import RayOptions, RayRuntime
from tests.harness.compare import difference
from tests.tpch import dataset

__all__ = ["main"]


@dataclass
class Runs:
    """The runs of one query: wall and CPU seconds on both runtimes, and what its stages wrote."""

    local: list[tuple[float, float]] = field(default_factory=list)
    ray: list[tuple[float, float]] = field(default_factory=list)
    stages: int = 0
    tasks: int = 0
    shuffled: int = 0


def main() -> int:
    """Print the results as Markdown."""
    parser = tpch_parser("TPC-H or TPC-DS on Ray workers beside the local runtime.", runs=3)
    parser.add_argument("--suite", choices=("tpch", "tpcds"), default="tpch", help="which queries (default tpch)")
    parser.add_argument("--workers", type=int, default=2, help="Ray workers (default 2)")
    parser.add_argument("--slots", type=int, default=1, help="tasks that a worker runs at once (default 1)")
    parser.add_argument("--queries", type=int, nargs="*", default=[], help="only these queries")
    options = parser.parse_args()
    if options.suite == "tpcds" and options.data is None:
        parser.error("--suite tpcds needs --data, a folder with the tables and the texts of the queries")
    data = options.data if options.suite == "tpcds" else tpch(options.scale, options.data)
    texts = _texts(options.suite, data)
    results = {number: Runs() for number in options.queries or texts}
    cluster = ClusterOptions(workers=options.workers, slots=options.slots)
    storage = DirectoryStorage(data)
    with (
        LocalRuntime(storage) as local,
        RayRuntime(storage, RayOptions(executor=ExecutorOptions(cluster)), threads=1) as ray,
    ):
        for run in range(options.runs):
            for number, runs in results.items():
                # TPC-DS leaves ties under a LIMIT in no order.
                _measure(number, texts[number], runs, local, ray, ordered=options.suite == "tpch")
            print(f"run {run + 1} of {options.runs}", file=sys.stderr)
    print(f"{options.suite}, Parquet, {options.workers} workers, best of {options.runs}. {machine()}.\n")
    print(_report(results))
    return 0


def _texts(suite: str, data: Path) -> dict[int, str]:
    if suite == "tpch":
        return {number: dataset.query_text(number) for number in dataset.QUERIES}
    return {int(file.stem[1:]): file.read_text(encoding="utf-8") for file in sorted(data.glob("q*.sql"))}


def _measure(number: int, text: str, runs: Runs, local: LocalRuntime, ray: RayRuntime, *, ordered: bool) -> None:
    own = os.getpid()
    before = tree_seconds(own)
    with measure() as here:
        want: pa.Table = local.sql(text).read_all()
    between = tree_seconds(own)
    with measure() as there:
        result = ray.sql(text)
        got = result.read_all()
    after = tree_seconds(own)
    drift = difference(got, want, ordered=ordered)
    if drift is not None:
        raise SystemExit(f"query {number} gives other rows on Ray: {drift}")
    assert isinstance(result, DistributedResult)
    stats = result.stats()
    runs.local.append((here.wall, between - before))
    runs.ray.append((there.wall, after - between))
    runs.stages, runs.tasks = len(stats), sum(stage.tasks or 0 for stage in stats)
    runs.shuffled = sum(stage.bytes for stage in stats[:-1])


def _report(results: dict[int, Runs]) -> str:
    lines = [
        "| query | Ray s | local s | ratio | Ray CPU s | local CPU s | stages | tasks | shuffled MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for number, result in results.items():
        volume = f"{result.stages} | {result.tasks} | {result.shuffled / 1e6:.1f}"
        lines.append(f"| {number} | {_times(min(result.ray), min(result.local))} | {volume} |")
    ray, local = (
        tuple(map(sum, zip(*(min(runs) for runs in side), strict=True)))
        for side in ([r.ray for r in results.values()], [r.local for r in results.values()])
    )
    shuffled = sum(result.shuffled for result in results.values())
    lines.append(f"| **total** | {_times(ray, local)} | | | {shuffled / 1e6:.1f} |")
    return "\n".join(lines)


def _times(ray: tuple[float, ...], local: tuple[float, ...]) -> str:
    return f"{ray[0]:.3f} | {local[0]:.3f} | {ray[0] / local[0]:.2f} | {ray[1]:.2f} | {local[1]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
