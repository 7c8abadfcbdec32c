"""What the benchmarks measure with: wall time, user CPU time of processes, the machine, and the data."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa

from tests.tpch import dataset

__all__ = [
    "Measured",
    "ask_unprepared",
    "in_turns",
    "machine",
    "measure",
    "tpch",
    "tpch_parser",
    "tree_seconds",
    "user_seconds",
]

_PACKAGES = ("duckdb", "pyarrow", "pylance", "adbc-driver-flightsql")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """One measured piece of work: seconds of wall time, and of user CPU time here and in another process."""

    wall: float = 0.0
    own_cpu: float = 0.0
    server_cpu: float = 0.0

    @property
    def cpu(self) -> float:
        """User CPU seconds of both sides."""
        return self.own_cpu + self.server_cpu


def user_seconds(pid: int) -> float:
    """User CPU seconds that a process, with all its threads, has used. Reads /proc, so only on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / _TICKS


def tree_seconds(pid: int) -> float:
    """User CPU seconds that a process and all that it has started have used, as far as they run. Only on Linux."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that has just ended
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    total, pending = 0.0, [pid]
    while pending:
        one = pending.pop()
        pending += children.get(one, [])
        with suppress(OSError):
            total += user_seconds(one)
    return total


@contextmanager
def measure(server: int | None = None) -> Iterator[Measured]:
    """Measure the block, with the CPU time of the process `server` beside that of this one."""
    result = Measured()
    other = 0.0 if server is None else user_seconds(server)
    own, start = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
    yield result
    result.wall = time.perf_counter() - start
    result.own_cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime - own
    result.server_cpu = 0.0 if server is None else user_seconds(server) - other


def in_turns(works: Mapping[str, Callable[[int], object]], runs: int, burst: int = 1) -> dict[str, list[float]]:
    """The seconds of the runs of each work, which gets the number of its run; `burst` runs of one, then of the next.

    After a scan of millions of rows by another work a run finds cold caches; in a burst it finds those that it left.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for first in range(0, runs, burst):
        for name, work in works.items():
            for run in range(first, first + burst):
                with measure() as result:
                    work(run)
                seconds[name].append(result.wall)
    return seconds


def ask_unprepared(cursor: flightsql.Cursor, text: str) -> pa.Table:
    """What a text gives that is sent in two calls. `Cursor.execute` prepares each new text first, by two more."""
    statement = cursor.adbc_statement
    statement.set_sql_query(text)
    stream, _ = statement.execute_query()
    return pa.RecordBatchReader._import_from_c(stream.address).read_all()


def machine() -> str:
    """The machine and the versions of what matters, in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, {system}, {packages}"


def tpch_parser(description: str, *, runs: int, counts: str = "best") -> argparse.ArgumentParser:
    """A parser of the options `scale` and `data` of `tpch`, and of how many `runs` there are, of which one counts."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--scale", type=float, default=1.0, help="scale factor of the data (default 1)")
    parser.add_argument(
        "--data", type=Path, help="a folder with the tables as Parquet files, instead of generated ones"
    )
    parser.add_argument("--runs", type=int, default=runs, help=f"runs of each; the {counts} counts (default {runs})")
    return parser


def tpch(scale: float, data: Path | None) -> Path:
    """A folder with the TPC-H tables as Parquet files: `data`, or one that is generated once and kept."""
    if data is not None:
        return data
    folder = Path(tempfile.gettempdir()) / f"grism-tpch-{scale:g}"
    if not all((folder / f"{name}.parquet").exists() for name in dataset.TABLES):
        folder.mkdir(exist_ok=True)
        dataset.generate(folder, scale)
    return folder
