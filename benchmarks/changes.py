"""``python -m benchmarks.changes --scale 1``: changes of a few rows of `lineitem`, beside pylance in this process.

Both sides change a Lance dataset of their own with the same rows, in turns; the best of the runs counts, and of the CPU
seconds their mean. What is written are the bytes by which the folder grows. Each change begins on the table as it was
written: one with deleted rows is read more slowly.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import adbc_driver_flightsql.dbapi as flightsql
import lance
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.measure import Measured, machine, measure, tpch, tpch_parser
from tests.harness.server import serve

__all__ = ["main"]

_MERGED = 10_000


def main() -> int:
    """Print the results as Markdown."""
    parser = tpch_parser("Changes of single rows through a server and ADBC, beside pylance.", runs=5)
    options = parser.parse_args()
    rows = pq.read_table(tpch(options.scale, options.data) / "lineitem.parquet")
    with tempfile.TemporaryDirectory() as folder:
        own, other = Path(folder, "own", "lineitem.lance"), Path(folder, "other", "lineitem.lance")
        for path in (own, other):
            path.parent.mkdir()
            lance.write_dataset(rows, str(path))
        print(f"{machine()}\n\nlineitem, scale {options.scale:g}: {rows.num_rows:,} rows\n")
        print("| change | grism | CPU | written | pylance | CPU | written | ratio | of CPU |")
        print("|---|---|---|---|---|---|---|---|---|")
        with (
            serve(own.parent, Path(folder) / "server.log") as (uri, server),
            flightsql.connect(uri, autocommit=True) as client,
            client.cursor() as cursor,
        ):
            for name, (sql, direct) in _changes(cursor, str(other), rows).items():
                _report(name, _Side(own, sql, server), _Side(other, direct), options.runs)
    return 0


def _changes(
    cursor: flightsql.Cursor, path: str, rows: pa.Table
) -> dict[str, tuple[Callable[[int], object], Callable[[int], object]]]:
    """For each change what makes its run of a number, through grism and by pylance."""
    keys = pc.unique(rows["l_orderkey"])
    step = len(keys) // 100

    def key(run: int, offset: int = 0) -> int:
        return int(keys[(run + 1) * step + offset].as_py())

    def one(run: int, offset: int = 0) -> str:
        return f"l_orderkey = {key(run, offset)} AND l_linenumber = 1"

    def merged(run: int) -> pa.Table:
        found = rows.slice(run * 3 * _MERGED, _MERGED).select(["l_orderkey", "l_linenumber", "l_comment"])
        return found.set_column(2, "l_comment", pa.array([f"merged in {run}"] * len(found)))

    def merge(run: int) -> None:
        cursor.execute(
            "MERGE INTO lineitem AS t USING merged AS s ON t.l_orderkey = s.l_orderkey AND "
            f"t.l_linenumber = s.l_linenumber AND s.run = {run} WHEN MATCHED THEN UPDATE SET l_comment = s.l_comment"
        )

    def merge_directly(run: int) -> None:
        on = ["l_orderkey", "l_linenumber"]
        lance.dataset(path).merge_insert(on).when_matched_update_all().execute(merged(run))

    sources = [merged(run).append_column("run", pa.array([run] * _MERGED, pa.int32())) for run in range(20)]
    cursor.adbc_ingest("merged", pa.concat_tables(sources), mode="create")
    first = rows.slice(0, 1)
    values = ", ".join(f"'{value}'" for value in first.to_pylist()[0].values())
    return {
        "UPDATE of one row": (
            lambda run: cursor.execute(f"UPDATE lineitem SET l_comment = 'changed' WHERE {one(run)}"),
            lambda run: lance.dataset(path).update({"l_comment": "'changed'"}, where=one(run)),
        ),
        "DELETE of one row": (
            lambda run: cursor.execute(f"DELETE FROM lineitem WHERE {one(run, 5)}"),
            lambda run: lance.dataset(path).delete(one(run, 5)),
        ),
        "INSERT of one row": (
            lambda _: cursor.execute(f"INSERT INTO lineitem VALUES ({values})"),
            lambda _: lance.write_dataset(first, path, mode="append"),
        ),
        "UPDATE of all rows": (
            lambda _: cursor.execute("UPDATE lineitem SET l_tax = 0.01"),
            lambda _: lance.dataset(path).update({"l_tax": "CAST('0.01' AS DECIMAL(15, 2))"}),
        ),
        f"MERGE of {_MERGED:,} rows": (merge, merge_directly),
    }


@dataclass(frozen=True)
class _Side:
    """Who changes the dataset at `path`: a server process, or this one."""

    path: Path
    change: Callable[[int], object]
    server: int | None = None

    def run(self, number: int) -> tuple[Measured, int]:
        """What a change took, and the bytes written."""
        lance.dataset(str(self.path), version=1).restore()
        before = _size(self.path)
        with measure(self.server) as result:
            self.change(number)
        return result, _size(self.path) - before


def _report(name: str, ours: _Side, theirs: _Side, runs: int) -> None:
    pairs = [(ours.run(number), theirs.run(number)) for number in range(runs)]
    sides = list(zip(*pairs, strict=True))
    (best, written), (least, also) = (min(side, key=lambda found: found[0].wall) for side in sides)
    own, other = (fmean(found.cpu for found, _ in side) for side in sides)
    print(
        f"| {name} | {best.wall * 1000:.1f} ms | {own * 1000:.0f} ms | {written:,} | {least.wall * 1000:.1f} ms "
        f"| {other * 1000:.0f} ms | {also:,} | {best.wall / least.wall:.2f} | {own / other:.2f} |",
        flush=True,
    )


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(main())
