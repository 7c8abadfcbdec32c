"""``python -m benchmarks.watching``: what it costs to watch a server.

Servers over the same files, all at once: some that nothing looks at, and others with scraped metrics, with spans, with
the table of queries, and all of that. They are asked one after the other in an order that is drawn for each run, first
TPC-H queries, then by many clients that ask `SELECT 1` at the same time.
Of each kind there are several processes: one that is like another in all that we know still takes some per cent more or
less CPU than that, for as long as it runs. A side's value is the mean of its processes.
CPU seconds are those of the server, in the system too: on a machine that is not quiet they say more than wall time.
What a server does once its clients have their rows, as sending spans or appending to its table, counts to the run.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql

from benchmarks.measure import machine, tpch
from tests.harness.server import serve
from tests.harness.waiting import until
from tests.tpch import dataset

__all__ = ["main"]

_SCRAPES = 15.0  # seconds between two, as many have it; Prometheus's own default is 60
_AFTERWARDS = 6.0  # seconds in which what waits is sent and written
_HTTP = ("--http-port", "0")
_TRACES = ("--traces", "otlp")
_TABLE = ("--query-log-table", "watched.queries")
SIDES: Mapping[str, Sequence[str]] = {
    "nothing": ("--query-history", "0"),
    "scrapes": _HTTP,
    "traces": _TRACES,
    "table": _TABLE,
    "everything": (*_HTTP, *_TRACES, *_TABLE),
}


@dataclass
class Server:
    """A server process, its clients, and what its runs took: seconds of wall and of CPU by workload."""

    pid: int
    clients: list[flightsql.Connection]
    wall: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    _afterwards: threading.Timer | None = None

    def run(self, workload: str, work: Callable[[list[flightsql.Connection]], None]) -> None:
        """Measure one run, and go on while what is left of it is done."""
        self.settle()
        cpu, start = _cpu(self.pid), time.perf_counter()
        work(self.clients)
        self.wall.setdefault(workload, []).append(time.perf_counter() - start)
        self._afterwards = threading.Timer(_AFTERWARDS, self._count, (workload, cpu))
        self._afterwards.start()

    def settle(self) -> None:
        """Wait until the last run is counted."""
        if self._afterwards is not None:
            self._afterwards.join()

    def _count(self, workload: str, since: float) -> None:
        self.cpu.setdefault(workload, []).append(_cpu(self.pid) - since)


def main() -> int:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description="What metrics, traces and the table of queries cost.")
    parser.add_argument("--scale", type=float, default=0.1, help="scale factor of TPC-H (default 0.1)")
    parser.add_argument("--runs", type=int, default=15, help="runs of each server (default 15)")
    parser.add_argument("--processes", type=int, default=3, help="servers of each side (default 3)")
    parser.add_argument("--clients", type=int, default=64, help="clients that ask SELECT 1 at once (default 64)")
    parser.add_argument("--asks", type=int, default=20, help="SELECT 1 of each client in a run (default 20)")
    parser.add_argument("--queries", type=int, nargs="*", default=list(dataset.QUERIES), help="only these queries")
    parser.add_argument("--sides", nargs="*", default=list(SIDES), choices=list(SIDES), help="only these")
    options = parser.parse_args()
    texts = [dataset.query_text(number) for number in options.queries]
    work = {"TPC-H": lambda clients: _tpch(clients[0], texts)} if texts else {}
    work[f"{options.clients} x SELECT 1"] = lambda clients: _ask(clients, options.asks)
    with ExitStack() as opened:
        endpoint = opened.enter_context(_collector())
        sides: dict[str, list[Server]] = {
            name: [
                opened.enter_context(_server(name, tpch(options.scale, None), endpoint, options.clients))
                for _ in range(options.processes)
            ]
            for name in options.sides
        }
        servers = [server for side in sides.values() for server in side]
        for run in range(options.runs + 1):
            for workload, each in work.items():
                for server in random.sample(servers, len(servers)):
                    server.run(workload, each)
            print(f"run {run} of {options.runs}", file=sys.stderr)
        for server in servers:
            server.settle()
        print(_report(sides, list(work), options.runs), flush=True)  # to close all clients takes a while
    return 0


@contextmanager
def _server(side: str, tables: Path, endpoint: str, clients: int) -> Iterator[Server]:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        data, log = folder / "data", folder / "log"
        data.mkdir()
        for table in tables.glob("*.parquet"):
            shutil.copy(table, data)
        uri, pid = opened.enter_context(serve(data, log, *SIDES[side], variables=variables))
        if "--http-port" in SIDES[side]:
            found = until(lambda: re.search(r"http=(\S+)", log.read_text()))
            assert found is not None
            opened.enter_context(_scrape(f"{found[1]}/metrics"))
        yield Server(pid, [opened.enter_context(flightsql.connect(uri, autocommit=True)) for _ in range(clients)])


@contextmanager
def _scrape(url: str) -> Iterator[None]:
    stopped = threading.Event()

    def scrape() -> None:
        while not stopped.wait(_SCRAPES):
            with urllib.request.urlopen(url) as answer:
                answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@contextmanager
def _collector() -> Iterator[str]:
    """The endpoint of a process that takes spans and forgets them."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_forget, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _forget(told: Connection) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tell nobody."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.send(server.server_port)
        server.serve_forever()


def _tpch(client: flightsql.Connection, texts: Sequence[str]) -> None:
    with client.cursor() as cursor:
        for text in texts:
            cursor.execute(text)
            cursor.fetch_arrow_table()


def _ask(clients: Sequence[flightsql.Connection], times: int) -> None:
    def ask(client: flightsql.Connection) -> None:
        with client.cursor() as cursor:
            for _ in range(times):
                cursor.execute("SELECT 1")
                cursor.fetchall()

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(ask, clients))


def _cpu(pid: int) -> float:
    """CPU seconds of a process, its own and the system's for it."""
    return time.clock_gettime(~pid << 3 | 2)  # its clock, as clock_getcpuclockid(3) names it on Linux


def _report(sides: Mapping[str, Sequence[Server]], workloads: Sequence[str], runs: int) -> str:
    count = len(next(iter(sides.values())))
    told = (
        f"Means of {runs} runs of {count} servers a side, and of the runs' ratios to the first side (standard error)."
    )
    lines = [
        f"{told} {machine()}.",
        "",
        "| workload | watched | wall s | server CPU s | wall ratio | CPU ratio | CPU ratio of each server |",
        "|---|---|---|---|---|---|---|",
    ]
    first = next(iter(sides.values()))
    for workload in workloads:
        for name, side in sides.items():
            wall, cpu = ([getattr(server, of)[workload][1:] for server in side] for of in ("wall", "cpu"))
            beside_wall, beside_cpu = (_means([getattr(s, of)[workload][1:] for s in first]) for of in ("wall", "cpu"))
            each = " ".join(f"{statistics.mean(taken) / statistics.mean(beside_cpu):.3f}" for taken in cpu)
            cells = [f"{statistics.mean(_means(taken)):.3f}" for taken in (wall, cpu)]
            cells += [_ratio(_means(wall), beside_wall), _ratio(_means(cpu), beside_cpu), each]
            lines.append(f"| {workload} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _means(servers: Sequence[Sequence[float]]) -> list[float]:
    """Of each run the mean of the servers; the first run, a warm-up, is left out before."""
    return [statistics.mean(run) for run in zip(*servers, strict=True)]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """The mean of the runs' ratios, and its standard error."""
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    return f"{statistics.mean(ratios):.3f} ± {statistics.stdev(ratios) / len(ratios) ** 0.5:.3f}"


if __name__ == "__main__":
    sys.exit(main())
