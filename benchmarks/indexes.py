"""``python -m benchmarks.indexes --scale 1``: what an index saves a query of `lineitem`, beside pylance in process.

To the columns of TPC-H comes `l_id`, a text of 32 characters for each row, as keys are that are made by clients.

Each query runs through a server and ADBC, on a table with indexes and on one without, and as
``lance.dataset(...).to_table(filter=...)`` on the table with indexes, in turns; the median of the runs counts.
`SELECT 1` is what a query takes at all. Texts are sent as they are, in as many calls as that; a value that is bound
takes one more. Single queries in turns find caches as the scan of all rows left them; look-ups are asked in bursts as
well, as by a client that looks up many keys. At last several clients at once ask for keys.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import duckdb
import lance
import pyarrow as pa

from benchmarks.measure import ask_unprepared, in_turns, machine, measure, tpch, tpch_parser
from tests.harness.server import serve

__all__ = ["main"]

_INDEXES = (
    "(l_orderkey)",
    "(l_id)",
    "USING BITMAP (l_shipmode)",
    "USING NGRAM (l_comment)",
    "USING ZONEMAP (l_shipdate)",
)
_CLIENTS = 8
_SECONDS = 4.0
_ROUNDS = 3
_COLUMNS = ["l_orderkey", "l_linenumber", "l_shipmode", "l_extendedprice"]
_QUERIES = {
    "another key each time, bound": "l_orderkey = ?",
    "another key each time, in the text": "l_orderkey = @",
    "a key": "l_orderkey = {key}",
    "another key of text each time, bound": "l_id = ?",
    "another key of text each time, in the text": "l_id = '@'",
    "ten keys": "l_orderkey IN ({keys})",
    "a thousandth, by a range": "l_orderkey BETWEEN {key} AND {key} + 6000",
    "a tenth, by a range": "l_orderkey BETWEEN {key} AND {key} + 600000",
    "nearly all, by a range": "l_orderkey > {few}",
    "a part of a text": "contains(l_comment, 'silent pinto')",
    "a seventh, by a BITMAP": "l_shipmode = 'RAIL'",
    "a key, and a part of a text": "l_orderkey = {key} AND contains(l_comment, 'the')",
}


_LOOK_UPS = tuple(_QUERIES)[:6]
_BURST = 20
_BURSTS = 10


def main() -> int:
    """Print the results as Markdown."""
    parser = tpch_parser("Queries with and without indexes, beside pylance.", runs=15, counts="median")
    options = parser.parse_args()
    lines = duckdb.read_parquet(str(tpch(options.scale, options.data) / "lineitem.parquet"))
    rows = lines.project("*, md5(concat(l_orderkey, '-', l_linenumber)) AS l_id").to_arrow_table()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        for table in ("indexed", "plain"):
            lance.write_dataset(rows, str(data / f"{table}.lance"))
        print(f"{machine()}\n\nlineitem, scale {options.scale:g}: {rows.num_rows:,} rows\n")
        with (
            serve(data, Path(folder) / "server.log") as (uri, _),
            flightsql.connect(uri, autocommit=True) as client,
        ):
            with client.cursor() as cursor:
                _build(cursor)
            path = str(data / "indexed.lance")
            _compare(client, path, rows.num_rows, options.runs)
            print(f"\nThe same in bursts of {_BURST}:")
            _compare(client, path, rows.num_rows, _BURST * _BURSTS, _LOOK_UPS, _BURST)
            _together(uri, rows.num_rows)
    return 0


def _build(cursor: flightsql.Cursor) -> None:
    print("| index | built in | bytes |\n|---|---|---|")
    for number, made in enumerate(_INDEXES):
        with measure() as result:
            cursor.execute(f"CREATE INDEX i{number} ON indexed {made}")
        cursor.execute("SHOW INDEXES FROM indexed")
        size = {row[0]: row[6] for row in cursor.fetchall()}[f"i{number}"]
        print(f"| {made} | {result.wall:.2f} s | {size:,} |", flush=True)


def _compare(
    client: flightsql.Connection,
    path: str,
    rows: int,
    runs: int,
    queries: Collection[str] = tuple(_QUERIES),
    burst: int = 1,
) -> None:
    key = _key(rows)

    def ask(text: str) -> Callable[[int], pa.Table]:
        cursor = client.cursor()

        def run(turn: int) -> pa.Table:
            another = _value(text, key + 32 * turn)
            if "?" not in text:
                return ask_unprepared(cursor, text.replace("@", str(another)))
            cursor.execute(text, (another,))
            return cursor.fetch_arrow_table()

        return run

    print("\n| WHERE | rows | with | without | times | pylance | with, less SELECT 1, to pylance |")
    print("|---|---|---|---|---|---|---|")
    keys = ", ".join(str(key + 32 * each * 1000) for each in range(10))
    for name in queries:
        where = _QUERIES[name].format(key=key, keys=keys, few=rows // 250)
        with_index = ask(f"SELECT {', '.join(_COLUMNS)} FROM indexed WHERE {where}")
        without = ask(f"SELECT {', '.join(_COLUMNS)} FROM plain WHERE {where}")

        def directly(turn: int, where: str = where) -> pa.Table:
            return lance.dataset(path).to_table(columns=_COLUMNS, filter=_with_value(where, key + 32 * turn))

        sides = {"one": ask("SELECT 1"), "with": with_index, "without": without, "pylance": directly}
        found = with_index(0).num_rows
        one, own_time, other, least = (
            1000 * statistics.median(taken) for taken in in_turns(sides, runs, burst).values()
        )
        print(
            f"| {name} | {found:,} | {own_time:.1f} ms | {other:.1f} ms | {other / own_time:.1f} | {least:.1f} ms "
            f"| ({own_time:.1f} - {one:.1f}) / {least:.1f} = {(own_time - one) / least:.2f} |",
            flush=True,
        )


def _value(text: str, key: int) -> int | str:
    """What stands in `text` for an order: its key, or the text by which its first line is known."""
    return hashlib.md5(f"{key}-1".encode()).hexdigest() if "l_id" in text else key


def _with_value(where: str, key: int) -> str:
    value = str(_value(where, key))
    return where.replace("?", f"'{value}'" if "l_id" in where else value).replace("@", value)


def _key(rows: int) -> int:
    """A key in the middle; of every 32 numbers the first eight are keys."""
    return rows // 56 * 32 + 1


def _together(uri: str, rows: int) -> None:
    """How many look-ups a second the server answers while several clients ask, another key each time."""
    rates: dict[str, list[float]] = {"indexed": [], "plain": []}
    with ExitStack() as opened, ThreadPoolExecutor(_CLIENTS) as threads:
        cursors = []
        for _ in range(_CLIENTS):
            client = opened.enter_context(flightsql.connect(uri, autocommit=True))
            cursors.append({table: opened.enter_context(client.cursor()) for table in rates})
        for _ in range(_ROUNDS):
            for table, found in rates.items():
                text = f"SELECT {', '.join(_COLUMNS)} FROM {table} WHERE l_orderkey = ?"
                end = time.perf_counter() + _SECONDS

                def ask(number: int, table: str = table, text: str = text, end: float = end) -> int:
                    count, cursor = 0, cursors[number][table]
                    while time.perf_counter() < end:
                        cursor.execute(text, (_key(rows) + 32 * (number + _CLIENTS * count),))
                        cursor.fetch_arrow_table()
                        count += 1
                    return count

                started = time.perf_counter()
                answered = sum(threads.map(ask, range(_CLIENTS)))
                found.append(answered / (time.perf_counter() - started))
    own, other = map(statistics.median, rates.values())
    told = f"{own:.0f} look-ups a second with the index, {other:.1f} without: {own / other:.1f} times"
    print(f"\n{_CLIENTS} clients: {told}")


if __name__ == "__main__":
    sys.exit(main())
