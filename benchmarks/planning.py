"""``python -m benchmarks.planning``: what it costs to plan statements, in this process and without running them.

A statement is read, planned and compiled to the kernel's SQL again and again, each time as another text, so that no
plan of it is remembered, but the tables' columns and types are, as on a server. ``--interleave CHECKOUT`` lets another
checkout of this repository take turns with this one. ``--queries FOLDER`` adds the queries of a folder: its ``*.sql``
files over its Parquet files, which may be empty. So TPC-DS is planned: with DuckDB's extension of the name, write its
tables of ``CALL dsdgen(sf = 0)`` and the texts of ``tpcds_queries()`` into a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from engine.execution import compile_statement
from engine.storage import DirectoryStorage, InMemoryStorage
from engine.storage.protocol import Storage
from local_runtime import LocalExecutionContext, LocalRuntime
from tests.tpch import dataset

__all__ = ["main"]

_STEPS = ("read", "plan", "compile")
_LARGE = 5_000  # rows, with which a table of some hundred columns is no small one


@dataclass(frozen=True)
class _Kind:
    """Statements that are planned beside each other, and the storage that they read."""

    name: str
    storage: Storage
    texts: tuple[str, ...]
    items: int = 0  # of one statement; 0 where statements count


def main() -> int:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description="CPU time of planning.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind; the best counts (default 5)")
    parser.add_argument("--queries", type=Path, nargs="*", default=[], help="folders of Parquet files and queries")
    parser.add_argument("--interleave", type=Path, nargs="*", default=[], help="other checkouts, which take turns")
    parser.add_argument("--kinds", nargs="*", default=[], help="only kinds whose names begin so")
    parser.add_argument("--json", action="store_true", help="print the CPU seconds of one run of each kind")
    options = parser.parse_args()
    folders = [folder.resolve() for folder in options.queries]
    if options.json:
        print(json.dumps({kind.name: _measure(kind) for kind in _kinds(folders) if _is_asked(kind, options.kinds)}))
        return 0
    checkouts = [Path(__file__).resolve().parent.parent, *(path.resolve() for path in options.interleave)]
    runs: dict[Path, list[dict[str, list[float]]]] = {checkout: [] for checkout in checkouts}
    for _ in range(options.runs):
        for checkout, found in runs.items():
            found.append(_run(checkout, folders, options.kinds))
    sizes = {kind.name: (len(kind.texts), kind.items) for kind in _kinds(folders)}
    print(f"CPU ms of planning, best of {options.runs}; load average {os.getloadavg()[0]:.0f}.\n")
    print(f"| kind | checkout | all | {' | '.join(_STEPS)} | all, for each |\n|---|---|---{'|---' * len(_STEPS)}|---|")
    for name in runs[checkouts[0]][0]:
        texts, items = sizes[name]
        for checkout, found in runs.items():
            best = min((run[name] for run in found), key=sum)
            each = f"{1000 * sum(best) / (items or texts):.2f} a {'item' if items else 'statement'}"
            cells = " | ".join(f"{1000 * seconds:.0f}" for seconds in best)
            print(f"| {name} | {checkout.name} | {1000 * sum(best):.0f} | {cells} | {each} |")
    return 0


def _kinds(folders: list[Path]) -> Iterator[_Kind]:
    yield _Kind("TPC-H", DirectoryStorage(dataset.DATA), tuple(map(dataset.query_text, dataset.QUERIES)))
    for folder in folders:
        texts = tuple(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.sql")))
        yield _Kind(folder.name, DirectoryStorage(folder), texts)
    numbers = {f"c{i}": pa.array([1, 2, 3], pa.int64()) for i in range(2_000)}
    small = InMemoryStorage({"t": pa.table(numbers)})
    columns = {f"c{i}": pa.array(range(_LARGE), pa.int64()) for i in range(500)}
    large = InMemoryStorage({"t": pa.table(columns)})
    yield _Kind("500 columns", small, (_select("c{0}", 500),), 500)
    yield _Kind("500 columns of much", large, (_select("c{0}", 500),), 500)
    yield _Kind("500 sums of much", large, (_select("sum(c{0}) + {0} AS s{0}", 500),), 500)
    for count in (100, 2_000):
        yield _Kind(f"{count} sums", small, (_select("sum(c{0}) + {0} AS s{0}", count),), count)
    yield _Kind("2000 expressions", small, (_select("c{0} + {0} AS s{0}", 2_000),), 2_000)
    values = ", ".join(f"{i:06}" for i in range(50_000))
    yield _Kind("IN list of 400 KB", small, (f"SELECT c0 FROM t WHERE c0 IN ({values})",), 50_000)


def _select(item: str, count: int) -> str:
    return f"SELECT {', '.join(map(item.format, range(count)))} FROM t"


def _is_asked(kind: _Kind, asked: list[str]) -> bool:
    return not asked or any(kind.name.startswith(name) for name in asked)


def _run(checkout: Path, folders: list[Path], kinds: list[str]) -> dict[str, list[float]]:
    """One run of each kind with the code of `checkout`, in a process of its own."""
    command = [sys.executable, __file__, "--json", "--queries", *map(str, folders), "--kinds", *kinds]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, timeout=600)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def _measure(kind: _Kind) -> list[float]:
    """The CPU seconds that each step takes for all statements of a kind, once the tables are known."""
    with LocalRuntime(kind.storage) as runtime:
        _plan(runtime, kind, "--")
        return _plan(runtime, kind, "-- again")


def _plan(runtime: LocalRuntime, kind: _Kind, comment: str) -> list[float]:
    seconds = [0.0] * len(_STEPS)
    context = LocalExecutionContext(kind.storage, runtime.kernel)
    for text in kind.texts:
        times = [time.process_time()]
        logical = runtime.frontend.plan(f"{text}\n{comment}")
        times.append(time.process_time())
        physical = runtime.plan(logical)
        times.append(time.process_time())
        compile_statement(physical.root, context)
        times.append(time.process_time())
        seconds = [total + times[i + 1] - times[i] for i, total in enumerate(seconds)]
    return seconds


if __name__ == "__main__":
    sys.exit(main())
