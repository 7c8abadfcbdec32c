"""``python -m benchmarks.catalog``: what many tables cost to list, and a statement of many expressions to plan.

Tables are Lance datasets of all kinds of columns. Each listing is asked of a server of its own, so that the first time
is the first; then again. A statement has another constant in each run, so that no plan of it is remembered.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import lance
import pyarrow as pa

from benchmarks.measure import Measured, machine, measure
from tests.harness.server import serve

__all__ = ["main"]

_KINDS = [
    *(pa.int64(), pa.string(), pa.float64(), pa.decimal128(15, 2), pa.timestamp("us"), pa.date32(), pa.bool_()),
    *(pa.list_(pa.int32()), pa.int32(), pa.timestamp("us", tz="UTC")),
]


def main() -> int:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description="Listing many tables, and statements of many columns.")
    parser.add_argument("--tables", type=int, default=150, help="how many tables (default 150)")
    parser.add_argument("--columns", type=int, default=20, help="how many columns each has (default 20)")
    parser.add_argument("--expressions", type=int, default=2000, help="of the statement (default 2000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each; the best counts (default 5)")
    parser.add_argument(
        "--options", nargs="*", default=[], help="options of the servers, as in --options=--runtime=ray"
    )
    options = parser.parse_args()
    print(f"{options.tables} tables of {options.columns} columns, best of {options.runs}. {machine()}.\n")
    with tempfile.TemporaryDirectory() as folder:
        data, wide = Path(folder) / "data", Path(folder) / "wide"
        for table in range(options.tables):
            kinds = [_KINDS[(table + i) % len(_KINDS)] for i in range(options.columns)]
            schema = pa.schema([(f"c{i}", kind) for i, kind in enumerate(kinds)])
            lance.write_dataset(schema.empty_table(), data / f"t{table}.lance")
        numbers = {f"c{i}": pa.array([1, 2, 3], pa.int64()) for i in range(options.expressions)}
        lance.write_dataset(pa.table(numbers), wide / "t.lance")
        _listings(data, options.runs, options.options)
        _statements(wide, options.expressions, options.runs, options.options)
    return 0


def _listings(data: Path, runs: int, options: list[str]) -> None:
    print("| listing | first s | again s | first server CPU s | again server CPU s |\n|---|---|---|---|---|")
    for name, ask in _LISTINGS.items():
        firsts: list[Measured] = []
        others: list[Measured] = []
        for _ in range(runs):
            with _server(data, options) as (client, pid):
                for found in (firsts, others):
                    with measure(pid) as run:
                        ask(client)
                    found.append(run)
        first, again = _best(firsts), _best(others)
        print(f"| {name} | {first.wall:.3f} | {again.wall:.3f} | {first.server_cpu:.2f} | {again.server_cpu:.2f} |")


def _statements(data: Path, expressions: int, runs: int, options: list[str]) -> None:
    print(f"\n| statement of {expressions} expressions | ms for each | server CPU ms for each |\n|---|---|---|")
    for name, item in (("sum(c) + n", "sum(c{0}) + {1} AS s{0}"), ("c + n", "c{0} + {1} AS s{0}")):
        found = []
        with _server(data, options) as (client, pid), client.cursor() as cursor:
            for run in range(runs + 1):
                text = ", ".join(item.format(i, run) for i in range(expressions))
                with measure(pid) as timed:
                    cursor.execute(f"SELECT {text} FROM t")
                    assert cursor.fetch_arrow_table().num_columns == expressions
                found.append(timed)
        best = _best(found[1:])
        cells = (1000 * seconds / expressions for seconds in (best.wall, best.server_cpu))
        print(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")


def _query(text: str) -> Callable[[flightsql.Connection], object]:
    def ask(client: flightsql.Connection) -> pa.Table:
        with client.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetch_arrow_table()

    return ask


_LISTINGS: dict[str, Callable[[flightsql.Connection], object]] = {
    "information_schema.columns": _query("SELECT * FROM information_schema.columns"),
    "information_schema.tables": _query("SELECT * FROM information_schema.tables"),
    "adbc_get_objects": lambda client: client.adbc_get_objects(depth="all").read_all(),
}


@contextmanager
def _server(data: Path, options: list[str]) -> Iterator[tuple[flightsql.Connection, int]]:
    """A client of a new server that has answered once."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(data, Path(folder) / "server.log", *options) as (uri, pid),
        flightsql.connect(uri, autocommit=True) as client,
    ):
        _query("SELECT 1")(client)
        yield client, pid


def _best(runs: list[Measured]) -> Measured:
    return min(runs, key=lambda run: run.wall)


if __name__ == "__main__":
    raise SystemExit(main())
