"""Tables that one task reads, or every task: which Exchanges and stages that spares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from engine.operators import TableScanExec
from engine.physical import walk
from engine.schema import Column
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.fragment import fragment_scans, with_splits
from ray_runtime.operators import ReplicaExec
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from ray_runtime.planner.scan_parts import parts_of
from ray_runtime.stages import ExchangeMode, StageGraph
from tests.engine.plans import scan

TABLES = {
    "many": pa.table({"k": [n % 10 for n in range(100)], "v": list(range(100))}),
    "few": pa.table({"k": [1, 2, 3], "name": ["a", "b", "c"]}),
    "two": pa.table({"k": [1, 2], "w": [10, 20]}),
    "wide": pa.table({"k": list(range(90)), **{f"s{i}": ["text"] * 90 for i in range(9)}}),
}


@pytest.fixture(scope="module")
def local() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage(TABLES), threads=1) as made:
        yield made


def stages(local: LocalRuntime, sql: str, **options: int) -> StageGraph:
    chosen = DistributedOptions(**{"slots": 2, "partitions": 4, "split_rows": 25, **options})
    return DistributedPlanner(local.kernel, local.storage, chosen).plan(local.frontend.plan(sql)).stages


def modes(graph: StageGraph) -> list[ExchangeMode]:
    return [i.mode for stage in graph for i in stage.inputs]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM few ORDER BY name LIMIT 2",
        "SELECT name, w FROM few LEFT JOIN two ON few.k = two.k",
        "SELECT name, sum(w) FROM few, two WHERE few.k <= two.k GROUP BY name ORDER BY 2",
        "SELECT k FROM few UNION SELECT k FROM two",
        "SELECT name FROM few WHERE k NOT IN (SELECT k FROM two)",
    ],
)
def test_small_tables_meet_in_one_task(local: LocalRuntime, sql: str) -> None:
    (stage,) = stages(local, sql)
    (task,) = stage.splits
    assert [len(splits) for splits in task] == [1] * len(fragment_scans(stage.root))


@pytest.mark.parametrize(
    ("sql", "replicas"),
    [
        ("SELECT v, name FROM many JOIN few ON many.k = few.k", 1),
        ("SELECT v, name, w FROM many LEFT JOIN few ON many.k = few.k LEFT JOIN two ON many.k = two.k + 1", 2),
        ("SELECT v FROM many WHERE k IN (SELECT k FROM few WHERE name > 'a')", 1),
    ],
)
def test_every_task_reads_a_small_table(local: LocalRuntime, sql: str, replicas: int) -> None:
    graph = stages(local, sql)
    assert modes(graph) == [ExchangeMode.GATHER]
    first = graph.stages[0]
    assert [scan.table.name.table for scan in fragment_scans(first.root)] == ["many"]
    found = [node for node in walk(first.root) if isinstance(node, ReplicaExec)]
    assert len(found) == replicas
    task = with_splits(first.root, first.splits[0])
    scans = [node for node in walk(task) if isinstance(node, TableScanExec)]
    assert {scan.table.name.table for scan in scans if scan.splits is None} <= {"few", "two"}


@pytest.mark.parametrize(
    ("sql", "options"),
    [
        ("SELECT v, name FROM many JOIN few ON many.k = few.k", {"replicated_bytes": 0}),
        ("SELECT v, n FROM many JOIN (SELECT k, count(*) AS n FROM few GROUP BY k) AS f ON many.k = f.k", {}),
        ("SELECT v, r FROM many JOIN (SELECT k, random() AS r FROM few) AS f ON many.k = f.k", {}),
    ],
)
def test_what_is_large_work_or_differs_each_time_is_sent(
    local: LocalRuntime, sql: str, options: dict[str, int]
) -> None:
    assert modes(stages(local, sql, **options)) == [ExchangeMode.BROADCAST, ExchangeMode.GATHER]


def test_a_small_side_that_is_large_enough_to_be_hashed_is_hashed(local: LocalRuntime) -> None:
    graph = stages(local, "SELECT * FROM many FULL JOIN few ON many.k = few.k", gather_bytes=0)
    assert modes(graph).count(ExchangeMode.SHUFFLE) == 2


def test_a_distributed_side_that_is_small_comes_to_the_one_task(local: LocalRuntime) -> None:
    graph = stages(local, "SELECT * FROM few LEFT JOIN many ON many.k = few.k")
    assert modes(graph) == [ExchangeMode.GATHER]
    assert [len(stage.splits) for stage in graph] == [4, 1]


def test_tables_beside_each_other_have_their_own_tasks(local: LocalRuntime) -> None:
    first = stages(local, "SELECT k FROM few UNION ALL SELECT k + 1 FROM two UNION ALL SELECT v FROM many").stages[0]
    assert [tuple(map(len, task)) for task in first.splits] == [(1, 0, 0), (0, 1, 0), *[(0, 0, 1)] * 4]


def test_small_tables_that_meet_beside_a_large_one_do_so_in_each_task(local: LocalRuntime) -> None:
    """In UNION ALL all tasks run the fragment, and most have none of the rows of `few`; `two` is there for each."""
    for met, before in (
        ("few, two WHERE few.k < two.k", []),
        ("few LEFT JOIN (SELECT k, v AS w FROM many) AS m ON few.k = m.k", [ExchangeMode.BROADCAST]),
    ):
        graph = stages(local, f"SELECT w FROM {met} UNION ALL SELECT v FROM many", gather_bytes=0)
        assert modes(graph) == [*before, ExchangeMode.GATHER]
        assert [tuple(map(len, task)) for task in graph.stages[-2].splits] == [(1, 0), *[(0, 1)] * 4]


def test_groups_of_a_small_table_do_not_stand_beside_a_large_one(local: LocalRuntime) -> None:
    for side in ("SELECT count(*) FROM few", "SELECT DISTINCT k FROM few", "(SELECT k FROM few ORDER BY k LIMIT 1)"):
        graph = stages(local, f"{side} UNION ALL SELECT v FROM many")
        assert modes(graph) == [ExchangeMode.SHUFFLE, ExchangeMode.SHUFFLE, ExchangeMode.GATHER]


def test_a_shared_part_is_computed_once_on_both_sides(local: LocalRuntime) -> None:
    shared = "WITH n AS MATERIALIZED (SELECT k, count(*) AS c FROM few GROUP BY k)"
    graph = stages(
        local, f"{shared} SELECT c FROM n, two WHERE n.k = two.k UNION ALL SELECT v FROM many, n WHERE v = c"
    )
    scans = [scan.table.name.table for stage in graph for scan in fragment_scans(stage.root)]
    assert sorted(scans) == ["few", "many", "two"]


@pytest.mark.parametrize(("sql", "sent"), [("wide JOIN many", "many"), ("wide LEFT JOIN many", "many")])
def test_of_two_sides_that_may_be_sent_the_one_with_much_less_is(local: LocalRuntime, sql: str, sent: str) -> None:
    graph = stages(local, f"SELECT * FROM {sql} ON wide.k = many.k")
    first, second = (fragment_scans(stage.root)[0].table.name.table for stage in graph.stages[:2])
    assert modes(graph) == [ExchangeMode.BROADCAST, ExchangeMode.GATHER]
    assert (first, second) == (sent, "wide")


def test_a_scan_has_as_many_tasks_as_give_each_enough_to_do() -> None:
    def parts(rows: int | None, columns: int) -> int:
        table = replace(scan("k", "t").table, rows=rows)
        kept = tuple(Column(f"c{i}", "VARCHAR") for i in range(columns))
        plan = TableScanExec(table, kept, tuple(c.name for c in kept))
        return parts_of(plan, DistributedOptions(slots=4))

    assert [parts(rows, 1) for rows in (None, 0, 100_000, 499_999, 500_000, 5_000_000)] == [1, 1, 1, 1, 2, 4]
    assert [parts(100_000, columns) for columns in (1, 5, 6, 20)] == [1, 1, 2, 4]
