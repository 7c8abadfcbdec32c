"""A sample says where a partial phase would not shrink its input: then it is left out, and the rows stay the same."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError
from engine.lowering import lower
from engine.operators import AggregateMode, DistinctExec, HashAggregateExec, TableScanExec
from engine.physical import walk
from engine.storage import InMemoryStorage
from engine.storage.protocol import ScanRequest, Source, Split, TableHandle, TableName, WriteMode
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from ray_runtime.planner.sampling import GroupSampler
from tests.ray_runtime.planner.test_passes import check_passes

ROWS = 20_000
SPREAD = DistributedOptions(slots=2, partitions=4, broadcast_bytes=0, split_rows=ROWS // 4, sample_rows=1000)


def table(rows: int = ROWS) -> pa.Table:
    numbers = random.Random(1)
    return pa.table(
        {
            "own": range(rows),
            "many": [numbers.randrange(2500) for _ in range(rows)],
            "few": [n % 7 if n % 9 else None for n in range(rows)],
            "clustered": [n // 5 for n in range(rows)],
            "text": [str(n) for n in range(rows)],
        }
    )


class CountingStorage(InMemoryStorage):
    """Counts how often it is read, and says so."""

    reads = 0
    opened: Callable[[], None] = staticmethod(lambda: None)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        self.reads += 1
        self.opened()
        return super().open(data, request)


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(CountingStorage({"t": table(), "tiny": table(500)}), threads=1) as made:
        yield made


def phases(runtime: LocalRuntime, sql: str, options: DistributedOptions = SPREAD) -> list[str]:
    """The modes of the plan's aggregates, and its DISTINCTs, from the root down."""
    root = DistributedPlanner(runtime.kernel, runtime.storage, options).plan(runtime.frontend.plan(sql)).root
    kinds = {HashAggregateExec: lambda node: node.mode.value, DistinctExec: lambda _: "distinct"}
    return [kinds[type(node)](node) for node in walk(root) if type(node) in kinds]


TWO = [AggregateMode.FINAL.value, AggregateMode.PARTIAL.value]
ONE = [AggregateMode.SINGLE.value]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT own, sum(few), avg(many) FROM t GROUP BY own", ONE),
        ("SELECT own, few, count(*) FROM t GROUP BY ALL", ONE),
        ("SELECT few, count(*) FROM t GROUP BY few", TWO),
        ("SELECT clustered, count(*) FROM t GROUP BY clustered", TWO),
        # Most rows of the sample have a group of their own, a task's rows have not.
        ("SELECT many, max(text) FROM t GROUP BY many", TWO),
        ("SELECT own % 10 AS k, count(*) FROM t GROUP BY k", TWO),
        ("SELECT k, count(*) FROM (SELECT text || '!' AS k, few FROM t WHERE few < 5) GROUP BY k", ONE),
        ("SELECT k, few, count(*) FROM (SELECT text AS k, few FROM t) GROUP BY GROUPING SETS ((k), (few))", TWO),
        ("SELECT sum(own) FROM t", TWO),
        ("SELECT DISTINCT own, few FROM t", ONE),
        ("SELECT DISTINCT few FROM t", ["distinct", "distinct"]),
        ("SELECT count(DISTINCT own) FROM t", [*TWO, *ONE]),
        ("SELECT few, count(DISTINCT own % 10) FROM t GROUP BY few", [*TWO, "distinct", "distinct"]),
        # What cannot be told keeps both phases.
        ("SELECT own, count(*) FROM tiny GROUP BY own", TWO),
        ("SELECT own, count(*) FROM t WHERE own > 19_000 GROUP BY own", TWO),
        ("SELECT (text || 'x')::INTEGER AS k, count(*) FROM t WHERE own > 20_000 GROUP BY k", TWO),
        ("SELECT own, count(*) FROM t JOIN tiny USING (own) GROUP BY own", TWO),
        ("SELECT own + random() AS k, count(*) FROM t GROUP BY k", TWO),
    ],
)
def test_phases(runtime: LocalRuntime, sql: str, expected: list[str]) -> None:
    assert phases(runtime, sql) == expected
    if "random" not in sql:
        check_passes(runtime, runtime.storage, sql, SPREAD)


def test_a_filter_that_keeps_rows_is_applied_to_the_sample(runtime: LocalRuntime) -> None:
    assert phases(runtime, "SELECT own, count(*) FROM t WHERE own % 2 = 0 GROUP BY own") == ONE


def test_without_a_sample_there_are_two_phases(runtime: LocalRuntime) -> None:
    assert phases(runtime, "SELECT own, sum(few) FROM t GROUP BY own", DistributedOptions(sample_rows=0)) == TWO


def test_a_version_of_a_table_is_sampled_once(runtime: LocalRuntime) -> None:
    storage = runtime.storage
    assert isinstance(storage, CountingStorage)
    planner = DistributedPlanner(runtime.kernel, storage, SPREAD)

    def reads(sql: str) -> int:
        before = storage.reads
        planner.plan(runtime.frontend.plan(sql))
        return storage.reads - before

    storage.write(TableName("main", "other"), table().to_reader(), WriteMode.CREATE)
    sql = "SELECT own, few, sum(many) FROM other GROUP BY own, few"
    assert [reads(sql), reads(sql), reads(sql.replace("sum", "avg"))] == [1, 0, 0]
    storage.write(TableName("main", "other"), table().to_reader(), WriteMode.REPLACE)
    assert reads(sql) == 1


def test_who_stops_the_planning_stops_its_sample(runtime: LocalRuntime) -> None:
    planner, stopping = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD), Cancellation()
    slow = (
        "list_sum(list_transform(range(1000), lambda x: list_sum(list_transform(range(1000), lambda y: x * y % own))))"
    )
    logical = runtime.frontend.plan(f"SELECT {slow} AS k, count(*) FROM t WHERE own > 0 GROUP BY k")

    def plan() -> None:
        with stopping.scope():
            planner.plan(logical)

    sampled = threading.Event()
    storage = runtime.storage
    assert isinstance(storage, CountingStorage)
    storage.opened = sampled.set
    try:
        with ThreadPoolExecutor(1) as pool:
            planning = pool.submit(plan)
            assert sampled.wait(60)
            stopping.cancel("enough")
            with pytest.raises(CancelledError, match="enough"):
                planning.result(20)  # the sample takes longer
    finally:
        storage.opened = lambda: None


@pytest.mark.parametrize(
    ("column", "least", "most"),
    [("own", 15_000, ROWS), ("text", 15_000, ROWS), ("many", 2_000, 3_500), ("few", 7, 8), ("clustered", 190, 210)],
)
def test_the_values_of_a_column_are_counted_in_its_first_rows(
    runtime: LocalRuntime, column: str, least: float, most: float
) -> None:
    sampler = GroupSampler(runtime.kernel, runtime.storage, SPREAD)
    found = sampler.distinct(scanned(runtime, "t"), column)
    assert found is not None
    assert least <= found <= most


def test_a_small_table_is_counted_whole_and_without_samples_nothing_is(runtime: LocalRuntime) -> None:
    tiny = scanned(runtime, "tiny")
    assert GroupSampler(runtime.kernel, runtime.storage, SPREAD).distinct(tiny, "own") == 500
    none = GroupSampler(runtime.kernel, runtime.storage, replace(SPREAD, sample_rows=0))
    assert none.distinct(tiny, "own") is None


def scanned(runtime: LocalRuntime, name: str) -> TableScanExec:
    operator = lower(runtime.frontend.table_plan(TableName("main", name)))
    assert isinstance(operator, TableScanExec)
    return operator
