"""``python -m benchmarks.parquet_writers --scale 1``: what it costs not to trust what writers leave beside the values.

TPC-H and a table of floats, as files of several writers. Each query runs over the files as grism reads them, and as the
kernel reads them by itself, in turns in one process; the best run by CPU time counts.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Measured, machine, measure, tpch, tpch_parser
from engine.storage import DirectoryStorage, ScanRequest, TableName
from engine.storage.protocol import KernelSource, Source
from tests.tpch import dataset

__all__ = ["main"]

FLOAT_ROWS = 5_000_000
FLOAT_QUERIES = (
    "SELECT count(*) FROM floats WHERE ordered > 4990000",
    "SELECT count(*) FROM floats WHERE ordered < 10000",
    "SELECT sum(id) FROM floats WHERE ordered BETWEEN 1000000 AND 1010000",
    "SELECT max(ordered), min(ordered) FROM floats",
    "SELECT id FROM floats ORDER BY ordered LIMIT 3",
    "SELECT id FROM floats ORDER BY ordered DESC LIMIT 3",
    "SELECT sum(ordered), sum(mixed) FROM floats",
)


def main() -> int:
    """Print the results as Markdown."""
    parser = tpch_parser("Files of several writers, guarded and not.", runs=3)
    options = parser.parse_args()
    source = tpch(options.scale, options.data)
    print(f"CPU seconds, best of {options.runs}. {machine()}.\n")
    print("| files of | queries | guarded | as the kernel reads them | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for writer, copy in WRITERS.items():
            folder = Path(temporary) / writer
            folder.mkdir()
            for name in dataset.TABLES:
                copy(source / f"{name}.parquet", folder / f"{name}.parquet")
            _print(writer, "TPC-H, 22", *_total(folder, [dataset.query_text(n) for n in dataset.QUERIES], options.runs))
            shutil.rmtree(folder)
        for writer in ("kernel", "pyarrow"):
            folder = Path(temporary) / writer
            folder.mkdir()
            _write_floats(writer, folder / "floats.parquet")
            for query in FLOAT_QUERIES:
                _print(writer, f"`{query}`", *_total(folder, [query], options.runs))
    return 0


def _by_kernel(source: Path, target: Path) -> None:
    duckdb.sql(f"COPY (FROM '{source}') TO '{target}'")


def _by_pyarrow(source: Path, target: Path) -> None:
    pq.write_table(pq.read_table(source), target, row_group_size=122_880)


def _as_it_is(source: Path, target: Path) -> None:
    shutil.copy(source, target)


WRITERS: dict[str, Callable[[Path, Path], None]] = {
    "tpchgen": _as_it_is,
    "kernel": _by_kernel,
    "pyarrow": _by_pyarrow,
}


def _write_floats(writer: str, path: Path) -> None:
    mixed = np.random.default_rng(1).permutation(FLOAT_ROWS).astype("f4")
    floats = pa.table({"id": np.arange(FLOAT_ROWS), "ordered": np.arange(FLOAT_ROWS, dtype="f8"), "mixed": mixed})
    if writer == "kernel":
        with duckdb.connect() as database:
            database.register("floats", floats)
            database.execute(f"COPY floats TO '{path}'")
    else:
        pq.write_table(floats, path, row_group_size=122_880)


def _select(source: Source) -> str:
    assert isinstance(source, KernelSource)  # as Parquet files are
    return source.query.sql("duckdb")


def _total(folder: Path, queries: list[str], runs: int) -> Iterator[float]:
    """CPU seconds of the queries over the files as grism reads them, and as they are."""
    storage = DirectoryStorage(folder)
    names = [name.table for name in storage.tables()]
    best: dict[tuple[bool, str], Measured] = {}
    with duckdb.connect() as guarded, duckdb.connect() as plain:
        for name in names:
            handle = storage.snapshot().table(TableName("main", name))
            columns = duckdb.sql(_select(storage.probe(handle))).columns
            select = _select(storage.open(handle, ScanRequest(tuple(columns))))
            guarded.execute(f"CREATE VIEW {name} AS {select}")
            plain.execute(f"CREATE VIEW {name} AS FROM read_parquet('{folder / name}.parquet')")
        for _ in range(runs):
            for query in queries:
                for is_guarded, database in ((True, guarded), (False, plain)):
                    with measure() as run:
                        database.sql(query).fetchall()
                    known = best.get((is_guarded, query), run)
                    best[is_guarded, query] = min(known, run, key=lambda m: m.cpu)
    for is_guarded in (True, False):
        yield sum(run.cpu for (of, _), run in best.items() if of is is_guarded)


def _print(writer: str, queries: str, guarded: float, plain: float) -> None:
    print(f"| {writer} | {queries} | {guarded:.3f} | {plain:.3f} | {guarded / plain:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
