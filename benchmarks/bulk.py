"""``python -m benchmarks.bulk``: do_get of a 1 GB table, beside a bare pyarrow.flight server that holds its batches.

The table is TPC-H's lineitem (scale 1 is 1 GB of Arrow). Four server processes hold it: the bare one as the very
batches that grism sends, and grism in memory, as Parquet and as Lance. One bare pyarrow.flight client reads them in
turns, run by run, and drops what it has read; the best run of each counts.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import flight

from benchmarks.measure import Measured, machine, measure, tpch, tpch_parser
from tests.harness.server import serve

__all__ = ["main"]

TABLE = "lineitem"
BARE = "bare Flight"


def main() -> int:
    """Print the results as Markdown."""
    parser = tpch_parser("Throughput of do_get beside a bare pyarrow.flight server.", runs=5)
    options = parser.parse_args()
    source = tpch(options.scale, options.data) / f"{TABLE}.parquet"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = _start(Path(folder), source, stack)
        clients = {name: stack.enter_context(flight.connect(uri)) for name, (uri, _) in servers.items()}
        runs: dict[str, list[Measured]] = {name: [] for name in servers}
        sizes: dict[str, tuple[int, int]] = {}
        for run in range(options.runs):
            for name, (_, pid) in servers.items():
                with measure(pid) as result:
                    sizes[name] = _read(clients[name])
                runs[name].append(result)
            print(f"run {run + 1} of {options.runs}", file=sys.stderr)
    print(_report(runs, sizes, options.runs))
    return 0


def _start(folder: Path, source: Path, stack: ExitStack) -> dict[str, tuple[str, int]]:
    """URI and process id of each server, the bare one first."""

    def start(name: str, module: str) -> tuple[str, int]:
        return stack.enter_context(serve(folder / name, folder / f"{name}.log", module=module))

    for name in ("parquet", "lance", "bare"):
        (folder / name).mkdir()
    shutil.copy(source, folder / "parquet" / source.name)
    lance.write_dataset(pq.read_table(source), str(folder / "lance" / f"{TABLE}.lance"))
    (folder / "memory").symlink_to(folder / "parquet")
    memory = start("memory", "tests.harness.memory_server")
    with flight.connect(memory[0]) as client:
        reader = _stream(client)
        with pa.ipc.new_file(str(folder / "bare" / "batches.arrow"), reader.schema) as file:
            for chunk in reader:
                file.write_batch(chunk.data)
    return {
        BARE: start("bare", "benchmarks.bare_flight"),
        "memory": memory,
        "Parquet": start("parquet", "flight_server.cli"),
        "Lance": start("lance", "flight_server.cli"),
    }


def _stream(client: flight.FlightClient) -> flight.FlightStreamReader:
    info = client.get_flight_info(flight.FlightDescriptor.for_path(TABLE))
    return client.do_get(info.endpoints[0].ticket)


def _read(client: flight.FlightClient) -> tuple[int, int]:
    """Read the whole table and drop it; gives rows and bytes."""
    rows = size = 0
    for chunk in _stream(client):
        rows += chunk.data.num_rows
        size += chunk.data.nbytes
    return rows, size


def _report(runs: dict[str, list[Measured]], sizes: dict[str, tuple[int, int]], count: int) -> str:
    if len({rows for rows, _ in sizes.values()}) != 1:
        raise SystemExit(f"the servers gave different numbers of rows: {sizes}")
    best = {name: min(results, key=lambda run: run.wall) for name, results in runs.items()}
    rates = {name: sizes[name][1] / best[name].wall / 1e6 for name in runs}
    rows, size = sizes[BARE]
    lines = [
        f"{rows:,} rows, {size / 1e9:.2f} GB of Arrow, best of {count}. {machine()}.",
        "",
        "| source | s | MB/s | of bare Flight | server CPU s | client CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for name, run in best.items():
        cells = (f"{run.wall:.2f}", f"{rates[name]:.0f}", f"{rates[name] / rates[BARE]:.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} | {run.server_cpu:.2f} | {run.own_cpu:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
