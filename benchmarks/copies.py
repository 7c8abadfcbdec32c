"""``python -m benchmarks.copies --scale 1``: CREATE TABLE AS SELECT of all of `lineitem`, locally and on Ray, in turns.

Both servers have the same folder. On Ray two workers store the rows that they read; the best of the runs counts. Beside
them pylance, in this process, copies the dataset by its own scan.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import lance
import pyarrow.parquet as pq

from benchmarks.measure import in_turns, machine, tpch, tpch_parser
from tests.harness.server import serve

__all__ = ["main"]

_SERVERS = {"local": (), "Ray, 2 workers": ("--runtime", "ray", "--workers", "2")}
_QUERIES = {
    "all rows": "SELECT * FROM lineitem",
    "in an order": "SELECT * FROM lineitem ORDER BY l_shipdate, l_orderkey, l_linenumber",
    "joined": "SELECT l.*, o_orderdate, o_totalprice FROM lineitem AS l JOIN orders ON l_orderkey = o_orderkey",
}


def main() -> int:
    """Print the results as Markdown."""
    parser = tpch_parser("CREATE TABLE AS through servers and ADBC, locally and on Ray.", runs=3)
    options = parser.parse_args()
    source = tpch(options.scale, options.data)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name, "data")
        folder.mkdir()
        for table in ("lineitem", "orders"):
            lance.write_dataset(pq.read_table(source / f"{table}.parquet"), str(folder / f"{table}.lance"))
        cursors = {}
        for number, (server, arguments) in enumerate(_SERVERS.items()):
            uri, _ = stack.enter_context(serve(folder, Path(name, f"{number}.log"), *arguments))
            connection = stack.enter_context(flightsql.connect(uri, autocommit=True))
            cursors[server] = stack.enter_context(connection.cursor())
        print(f"{machine()}\n\n| CREATE TABLE AS | {' | '.join(cursors)} | ratio | pylance |\n|---|---|---|---|---|")
        for query, sql in _QUERIES.items():
            best = _best({server: _creation(cursor, sql) for server, cursor in cursors.items()}, options.runs)
            if sql == _QUERIES["all rows"]:
                best |= _best({"pylance": lambda _: _copy(folder)}, options.runs)
            shown = [f"{seconds:.2f} s" for seconds in best.values()]
            ratio = best["Ray, 2 workers"] / best["local"]
            print(f"| {query} | {shown[0]} | {shown[1]} | {ratio:.2f} | {' '.join(shown[2:])} |", flush=True)
    return 0


def _creation(cursor: flightsql.Cursor, sql: str) -> Callable[[int], object]:
    def create(_: int) -> None:
        cursor.execute(f"CREATE OR REPLACE TABLE made AS {sql}")

    return create


def _copy(folder: Path) -> None:
    rows = lance.dataset(str(folder / "lineitem.lance")).scanner().to_reader()
    lance.write_dataset(rows, str(folder.parent / "copy.lance"), mode="overwrite")


def _best(works: dict[str, Callable[[int], object]], runs: int) -> dict[str, float]:
    """The seconds of the fastest run of each."""
    return {name: min(seconds) for name, seconds in in_turns(works, runs).items()}


if __name__ == "__main__":
    sys.exit(main())
