"""TPC-H data, queries and answers.

The answers belong to the tables beside this module, which the `tpch` extension of DuckDB 1.5 made with
``CALL dbgen(sf = 0.01)``. Other generators give the same keys, numbers and dates, but other addresses and comments,
and so other answers to the queries 2, 10, 13, 15 and 20.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import lance
import pyarrow.parquet as pq

__all__ = ["DATA", "QUERIES", "TABLES", "answer", "as_lance", "generate", "query_text"]

TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
QUERIES = tuple(range(1, 23))

_HERE = Path(__file__).parent
DATA = _HERE / "data"


def generate(directory: Path, scale: float) -> Path:
    """Write the eight tables with tpchgen-cli as Parquet files into the directory, which is returned."""
    program = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or "tpchgen-cli"
    arguments = [program, "parquet", "--scale-factor", str(scale), "--output-dir", str(directory)]
    subprocess.run(arguments, check=True, capture_output=True, timeout=600)
    return directory


def as_lance(parquet: Path, directory: Path) -> Path:
    """Write the Parquet tables of one directory as Lance datasets into another, which is returned."""
    directory.mkdir(parents=True)
    for name in TABLES:
        lance.write_dataset(pq.read_table(parquet / f"{name}.parquet"), str(directory / f"{name}.lance"))
    return directory


def query_text(number: int) -> str:
    """The text of a query, with the validation parameters."""
    return (_HERE / "queries" / f"q{number:02}.sql").read_text(encoding="utf-8")


def answer(number: int) -> tuple[list[str], list[tuple[str | None, ...]]]:
    """Column names and rows of the answer at scale 0.01; None is NULL."""
    with (_HERE / "answers" / f"q{number:02}.csv").open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file, delimiter="|")
    return names, [tuple(cell or None for cell in row) or (None,) for row in rows]
