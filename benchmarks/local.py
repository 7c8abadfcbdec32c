"""``python -m benchmarks.local --scale 1``: TPC-H through a server process and ADBC, beside DuckDB in this process.

Both read the same Parquet files with all cores. The two take turns, query by query and run by run; the best run of
each query counts. CPU seconds of grism are those of the server and of the ADBC client together.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import duckdb

from benchmarks.measure import Measured, machine, measure, tpch, tpch_parser
from tests.harness.compare import difference
from tests.harness.server import serve
from tests.tpch import dataset

__all__ = ["main"]


@dataclass
class Runs:
    """The runs of one query on both sides."""

    grism: list[Measured] = field(default_factory=list)
    duckdb: list[Measured] = field(default_factory=list)

    def best(self) -> tuple[Measured, Measured]:
        """The fastest run of each side."""
        return min(self.grism, key=lambda run: run.wall), min(self.duckdb, key=lambda run: run.wall)


def main() -> int:
    """Print the results as Markdown."""
    parser = tpch_parser("TPC-H through a server and ADBC, beside DuckDB in process.", runs=5)
    parser.add_argument("--queries", type=int, nargs="*", default=list(dataset.QUERIES), help="only these queries")
    options = parser.parse_args()
    data = tpch(options.scale, options.data)
    results: dict[int, Runs] = {number: Runs() for number in options.queries}
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(data, Path(folder) / "server.log") as (uri, pid),
        flightsql.connect(uri, autocommit=True) as client,
        duckdb.connect() as database,
    ):
        for name in dataset.TABLES:
            database.execute(f"CREATE VIEW {name} AS FROM read_parquet('{data / name}.parquet')")
        for run in range(options.runs):
            for number, runs in results.items():
                _measure(number, runs, client, database, pid)
            print(f"run {run + 1} of {options.runs}", file=sys.stderr)
    print(_report(results, options.runs))
    return 0


def _measure(
    number: int, runs: Runs, client: flightsql.Connection, database: duckdb.DuckDBPyConnection, server: int
) -> None:
    text = dataset.query_text(number)
    with client.cursor() as cursor, measure(server) as grism:
        cursor.execute(text)
        got = cursor.fetch_arrow_table()
    with measure() as beside:
        want = database.sql(text).to_arrow_table()
    drift = difference(got, want, ordered=True)
    if drift is not None:
        raise SystemExit(f"query {number} gives other rows through grism: {drift}")
    runs.grism.append(grism)
    runs.duckdb.append(beside)


def _report(results: dict[int, Runs], runs: int) -> str:
    lines = [
        f"TPC-H, Parquet, best of {runs}. {machine()}.",
        "",
        "| query | grism s | DuckDB s | ratio | grism CPU s | DuckDB CPU s |",
        "|---|---|---|---|---|---|",
    ]
    bests = {f"{number}": runs.best() for number, runs in results.items()}
    total = tuple(
        Measured(
            *(sum(getattr(best[side], name) for best in bests.values()) for name in ("wall", "own_cpu", "server_cpu"))
        )
        for side in (0, 1)
    )
    for name, (ours, theirs) in [*bests.items(), ("**total**", total)]:
        cells = (f"{ours.wall:.3f}", f"{theirs.wall:.3f}", f"{ours.wall / theirs.wall:.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} | {ours.cpu:.2f} | {theirs.cpu:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
