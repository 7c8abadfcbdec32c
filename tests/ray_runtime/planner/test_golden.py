"""EXPLAIN of the TPC-H queries over fixed statistics, one file for each; `--golden-update` writes them anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.storage import InMemoryStorage
from engine.storage.indexes import TableIndexes
from engine.storage.protocol import ScanRequest, Snapshot, Source, Split, TableHandle, TableName, Version
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from tests.tpch.dataset import query_text

GOLDEN = Path(__file__).parent / "golden"
ROWS = {
    "lineitem": 600_037_902,
    "orders": 150_000_000,
    "partsupp": 80_000_000,
    "part": 20_000_000,
    "customer": 15_000_000,
    "supplier": 1_000_000,
    "nation": 25,
    "region": 5,
}
ROW_BYTES = 120
CLUSTER = DistributedOptions(slots=16, split_bytes=64 << 20, sample_rows=0)  # the tables have no rows to sample


class FixedStatistics:
    """The tables' columns without rows, and the statistics of scale 100."""

    def __init__(self, directory: Path) -> None:
        self._empty = InMemoryStorage(
            {name: pq.read_schema(directory / f"{name}.parquet").empty_table() for name in ROWS}
        )

    def schemas(self) -> list[str]:
        return self._empty.schemas()

    def tables(self, schema: str | None = None) -> list[TableName]:
        return self._empty.tables(schema)

    def snapshot(self) -> Snapshot:
        return _FixedSnapshot(self._empty.snapshot())

    def probe(self, table: TableHandle) -> Source:
        return self._empty.probe(table)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        return self._empty.open(data, request)

    def indexes(self, table: TableHandle) -> TableIndexes:
        return self._empty.indexes(table)

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        return [Split(table, (i,)) for i in range(target)]

    def directories(self) -> list[str]:
        return []


class _FixedSnapshot:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        handle = self._snapshot.table(name, version, at)
        rows = ROWS[name.table.lower()]
        return replace(handle, rows=rows, bytes=rows * ROW_BYTES)


@pytest.fixture(scope="module")
def runtime(tpch_dir: Path) -> Iterator[LocalRuntime]:
    with LocalRuntime(FixedStatistics(tpch_dir), threads=1) as made:  # type: ignore[arg-type]
        yield made


@pytest.mark.parametrize("number", range(1, 23))
def test_plan_is_stable(runtime: LocalRuntime, number: int, request: pytest.FixtureRequest) -> None:
    planner = DistributedPlanner(runtime.kernel, runtime.storage, CLUSTER)
    text = planner.explain(planner.plan(runtime.frontend.plan(query_text(number)))) + "\n"
    path = GOLDEN / f"q{number:02}.txt"
    if request.config.getoption("--golden-update"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "the plan changed; read the difference, then run with --golden-update"
