"""``python -m benchmarks.python_calls``: how many Python functions a server calls for a query, by module.

For short queries that is most of what they cost, and what keeps many clients from being served at once, since one
thread at a time runs Python. It is counted by asking the same many times over, so it says the same on a busy machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import lance
import pyarrow as pa

from benchmarks.measure import ask_unprepared
from tests.harness.counted_server import Calls, serve_counted

__all__ = ["main"]

_ROWS = 100_000
_WARM_UP = 30  # queries, after which whatever is remembered is known


def _select(cursor: flightsql.Cursor, number: int) -> None:
    del number
    _ask(cursor, "SELECT 1", 1)


def _bound(cursor: flightsql.Cursor, number: int) -> None:
    _ask(cursor, "SELECT ?", number, number)


def _key(cursor: flightsql.Cursor, number: int) -> None:
    _ask(cursor, "SELECT name FROM keyed WHERE id = ?", f"n{number}", number)


def _key_in_the_text(cursor: flightsql.Cursor, number: int) -> None:
    text = f"SELECT name FROM keyed WHERE id = {number}"
    _require(text, f"n{number}", ask_unprepared(cursor, text)["name"].to_pylist())


def _ask(cursor: flightsql.Cursor, text: str, expected: object, *parameters: object) -> None:
    cursor.execute(text, parameters or None)
    _require(text, expected, [value for (value,) in cursor.fetchall()])


def _require(text: str, expected: object, rows: list[object]) -> None:
    if rows != [expected]:
        raise SystemExit(f"{text} gave {rows}, not {expected}")


_WORKLOADS: Mapping[str, Callable[[flightsql.Cursor, int], None]] = {
    "SELECT 1": _select,
    "SELECT ?, prepared": _bound,
    "a key with an index, prepared": _key,
    "a key with an index, in the text": _key_in_the_text,
}


def main() -> int:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description="Python functions called for each query.")
    parser.add_argument("--queries", type=int, default=200, help="of each kind (default 200)")
    parser.add_argument("--functions", action="store_true", help="tell of single functions, not of modules")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        numbers = range(_ROWS)
        rows = pa.table({"id": numbers, "name": [f"n{number}" for number in numbers]})
        lance.write_dataset(rows, str(folder / "data" / "keyed.lance"))
        with serve_counted(folder / "data", folder) as (uri, calls), flightsql.connect(uri, autocommit=True) as client:
            with client.cursor() as cursor:
                cursor.execute("CREATE INDEX keys ON keyed (id)")
            found = {name: _count(client, ask, calls, options.queries) for name, ask in _WORKLOADS.items()}
    print(_report(found, options.queries, options.functions))
    return 0


def _count(
    client: flightsql.Connection, ask: Callable[[flightsql.Cursor, int], None], calls: Callable[[], Calls], queries: int
) -> Calls:
    with client.cursor() as cursor:
        for number in range(_WARM_UP):
            ask(cursor, number)
        calls()
        for number in range(queries):
            ask(cursor, number)
        return calls()


def _report(found: Mapping[str, Calls], queries: int, functions: bool) -> str:
    """A line for each module or function, those first that are called most in all workloads together."""
    columns: list[Counter[str]] = []
    for counts in found.values():
        column: Counter[str] = Counter()
        for (module, function), count in counts.items():
            column[f"{module} {function}" if functions else module] += count
        columns.append(column)
    total = sum(columns, Counter[str]())
    lines = [f"| called | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for name, _ in total.most_common():
        cells = [column[name] / queries for column in columns]
        if max(cells) >= 0.5:
            lines.append(f"| {name} | {' | '.join(f'{cell:.1f}' for cell in cells)} |")
    sums = [f"{column.total() / queries:.1f}" for column in columns]
    return "\n".join([*lines, f"| **all** | {' | '.join(sums)} |"])


if __name__ == "__main__":
    sys.exit(main())
