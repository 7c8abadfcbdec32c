"""`make demo`: TPC-H at scale 0.1, from an empty folder to rows at a client, in one go.

Generates the data, loads it into Lance, starts a server process, runs three queries through the ADBC driver and stops.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.storage import DirectoryStorage
from engine.storage.protocol import TableName, WriteMode

__all__ = ["main"]

SCALE = "0.1"
FOLDER = Path(".demo")
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0

console = Console(width=None if sys.stdout.isatty() else 110, soft_wrap=False)


@dataclass(frozen=True)
class Query:
    """One query of the demo; `shown` is how many of its rows are printed."""

    title: str
    sql: str
    shown: int = 10


QUERIES = (
    Query(
        "Joins: revenue by nation in Asia in 1994, over six tables (TPC-H 5)",
        """
SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
FROM customer
JOIN orders ON o_custkey = c_custkey
JOIN lineitem ON l_orderkey = o_orderkey
JOIN supplier ON s_suppkey = l_suppkey AND s_nationkey = c_nationkey
JOIN nation ON n_nationkey = s_nationkey
JOIN region ON r_regionkey = n_regionkey
WHERE r_name = 'ASIA' AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01'
GROUP BY n_name
ORDER BY revenue DESC
""",
    ),
    Query(
        "Aggregates: the pricing summary (TPC-H 1)",
        """
SELECT l_returnflag AS flag, l_linestatus AS status, sum(l_quantity) AS quantity,
       sum(l_extendedprice * (1 - l_discount)) AS discounted, avg(l_discount) AS avg_discount, count(*) AS orders
FROM lineitem
WHERE l_shipdate <= DATE '1998-09-02'
GROUP BY ALL
ORDER BY ALL
""",
    ),
    Query("Bulk read: every row of the largest table", "SELECT * FROM lineitem", shown=3),
)


def main() -> int:
    """Run the demo; returns the exit status."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    source, data = FOLDER / "tpch", FOLDER / "data"
    source.mkdir(parents=True)
    data.mkdir()
    console.rule("grism")
    generate(source)
    load(source, data)
    with server(data) as uri:
        console.print(f"server: {uri}")
        with flight_sql.connect(uri, autocommit=True) as connection:
            for query in QUERIES:
                show(connection, query)
        how_to_connect()
    console.print("server stopped")
    return 0


def generate(folder: Path) -> None:
    """TPC-H as Parquet files."""
    started = time.perf_counter()
    with progress() as bar:
        task = bar.add_task(f"generating TPC-H at scale {SCALE}", total=len(TABLES))
        for table in TABLES:
            command = ["tpchgen-cli", "parquet", "-s", SCALE, "--tables", table, "--output-dir", str(folder)]
            command[0] = str(Path(sys.executable).with_name(command[0]))
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            bar.advance(task)
    console.print(f"generated TPC-H at scale {SCALE} in {time.perf_counter() - started:.1f} s")


def load(source: Path, data: Path) -> None:
    """The Parquet files as Lance tables in the data folder."""
    storage = DirectoryStorage(data)
    files = {table: pq.ParquetFile(source / f"{table}.parquet") for table in TABLES}
    total = sum(file.metadata.num_rows for file in files.values())
    started = time.perf_counter()
    with progress() as bar:
        task = bar.add_task("loading into Lance", total=total)

        def batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
            for batch in file.iter_batches():
                yield batch
                bar.advance(task, batch.num_rows)

        for table, file in files.items():
            reader = pa.RecordBatchReader.from_batches(file.schema_arrow, batches(file))
            storage.write(TableName("main", table), reader, WriteMode.CREATE)
    console.print(f"loaded {total:,} rows into {len(files)} Lance tables in {time.perf_counter() - started:.1f} s")


@contextmanager
def server(data: Path) -> Iterator[str]:
    """A server process on `data`; gives its URI and stops it in the end."""
    command = [sys.executable, "-m", "flight_server.cli", "serve", "--data", str(data), "--port", "0"]
    process = subprocess.Popen([*command, "--log-level", "warning"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        if not ready:
            raise SystemExit(f"the server did not start; its exit status is {process.wait(START_TIMEOUT)}")
        yield ready[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(STOP_TIMEOUT)
    if status != 0:
        raise SystemExit(f"the server stopped with exit status {status}")


def show(connection: flight_sql.Connection, query: Query) -> None:
    """Run a query and print its first rows, how many there are, and how long they took."""
    console.print()
    console.print(f"[bold]{query.title}[/bold]")
    code(query.sql)
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(query.sql)
        result = cursor.fetch_arrow_table()
    seconds = time.perf_counter() - started
    columns = result.column_names[:6]
    table = Table(*columns)
    for row in result.slice(0, query.shown).select(columns).to_pylist():
        table.add_row(*map(str, row.values()))
    console.print(table)
    more = "" if result.num_columns == len(columns) else f", {result.num_columns} columns"
    rate = f", {result.nbytes / 1e6:.0f} MB at {result.nbytes / 1e6 / seconds:.0f} MB/s" if query.shown < 10 else ""
    console.print(f"{result.num_rows:,} rows{more} in {seconds * 1000:.0f} ms{rate}")


def how_to_connect() -> None:
    """What to type to do the same."""
    console.print()
    console.print("[bold]Do it yourself[/bold]")
    serve = f"grism serve --data {FOLDER / 'data'}"
    code(f".venv/bin/{serve}")
    python = """
import adbc_driver_flightsql.dbapi as flight_sql

with flight_sql.connect("grpc://127.0.0.1:31337", autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM lineitem WHERE l_quantity > ?", (30,))
        print(cursor.fetch_arrow_table())
"""
    code(python)
    console.print()


def code(text: str) -> None:
    """Print a piece of code as it is, dimmed."""
    console.print(text.strip(), style="dim", markup=False, highlight=False)


def progress() -> Progress:
    """A progress bar, which is seen on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


if __name__ == "__main__":
    sys.exit(main())
