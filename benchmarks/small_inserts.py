"""``python -m benchmarks.small_inserts``: a thousand INSERTs of one row, and queries after them, beside pylance.

Three tables grow in turns, a row each: that of a server that leaves it alone, that of one with ``--optimize auto``, and
one that pylance appends to in this process. Times of INSERTs are medians of the first and the last hundred; those of
queries the best of the runs, after all INSERTs, and once more after OPTIMIZE.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import lance
import pyarrow as pa

from benchmarks.measure import machine
from tests.harness.server import serve

__all__ = ["main"]

_SCHEMA = pa.schema([("k", pa.int64()), ("s", pa.string())])
_END = 100  # INSERTs at the beginning and at the end of which the median counts
_ALONE, _AUTO, _PYLANCE = "grism", "grism, --optimize auto", "pylance"


def main() -> int:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description="INSERTs of single rows through a server and ADBC, beside pylance.")
    parser.add_argument("--inserts", type=int, default=1000, help="rows that are inserted (default 1000)")
    parser.add_argument("--runs", type=int, default=7, help="runs of each query; the best counts (default 7)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        cursors = {}
        for name, flags in ((_ALONE, ()), (_AUTO, ("--optimize", "auto"))):
            data = Path(folder, name.split()[-1])
            data.mkdir()
            uri, _ = stack.enter_context(serve(data, Path(folder, f"{data.name}.log"), *flags))
            client = stack.enter_context(flightsql.connect(uri, autocommit=True))
            cursors[name] = stack.enter_context(client.cursor())
            cursors[name].execute("CREATE TABLE t (k BIGINT, s VARCHAR)")
        path = str(Path(folder, "other.lance"))
        lance.write_dataset(pa.table([[], []], schema=_SCHEMA), path)
        inserts: dict[str, Callable[[int], object]] = {
            name: lambda i, cursor=cursor: cursor.execute(f"INSERT INTO t VALUES ({i}, 'text {i}')")  # type: ignore[misc]
            for name, cursor in cursors.items()
        }
        inserts[_PYLANCE] = lambda i: lance.write_dataset(
            pa.table([[i], [f"text {i}"]], schema=_SCHEMA), path, mode="append"
        )
        taken: dict[str, list[float]] = {name: [] for name in inserts}
        for i in range(options.inserts):
            for name, insert in inserts.items():
                taken[name].append(_seconds(lambda insert=insert, i=i: insert(i)))  # type: ignore[misc]
        print(f"{machine()}\n\n{options.inserts:,} INSERTs of one row, milliseconds\n")
        columns = [f"INSERT, first {_END}", f"last {_END}", "whole table", "WHERE k = ?"]
        columns += [f"{column}, optimised" for column in columns[2:]]
        print(f"| table | {' | '.join(columns)} |")
        print("|---|---|---|---|---|---|---|")
        for name, times in taken.items():
            first, last = statistics.median(times[:_END]), statistics.median(times[-_END:])
            cells = [first, last]
            queries = _queries(cursors.get(name), path, options.inserts)
            cells += [min(_seconds(query) for _ in range(options.runs)) for query in queries]
            if name in cursors:
                cursors[name].execute("OPTIMIZE t")
                cursors[name].fetchall()
            else:
                lance.dataset(path).optimize.compact_files()
            cells += [min(_seconds(query) for _ in range(options.runs)) for query in queries]
            print(f"| {name} | " + " | ".join(f"{1000 * seconds:.1f}" for seconds in cells) + " |")
    return 0


def _queries(cursor: flightsql.Cursor | None, path: str, rows: int) -> tuple[Callable[[], object], ...]:
    """What reads the whole table, and one row of it: through a cursor, or by pylance."""
    key = rows // 2
    if cursor is None:
        return lambda: lance.dataset(path).to_table(), lambda: lance.dataset(path).to_table(filter=f"k = {key}")

    def whole() -> object:
        cursor.execute("SELECT * FROM t")
        return cursor.fetch_arrow_table()

    def one() -> object:
        cursor.execute("SELECT * FROM t WHERE k = ?", (key,))
        return cursor.fetch_arrow_table()

    return whole, one


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
