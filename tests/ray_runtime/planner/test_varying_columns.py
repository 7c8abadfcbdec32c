"""Which columns come out differently when a task runs again, and what a sort and a UNION ALL make of that."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.physical import Hash, RoundRobin, walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.varying_columns import VaryingColumns
from ray_runtime.stages import ExchangeMode, Stage

TABLE = pa.table({"k": [1, 2], "n": [1, 2], "x": [0.5, 1.5]})
SPREAD = DistributedOptions(slots=2, partitions=4, broadcast_bytes=0, split_rows=1, sort_gather_bytes=0)


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage({"t": TABLE}), threads=1) as runtime:
        yield runtime


def planner(runtime: LocalRuntime) -> DistributedPlanner:
    return DistributedPlanner(runtime.kernel, runtime.storage, SPREAD)


columns = {
    "SELECT k, x, x * 2 AS y FROM t WHERE n > 1": (),
    "SELECT k, sum(n) AS a, avg(n) AS b, max(x) AS c, count(x) AS d FROM t GROUP BY k": (),
    "SELECT k, sum(x) AS a, avg(x) + 1 AS b, any_value(n) AS c FROM t GROUP BY k": ("a", "b", "c"),
    "SELECT k, sum(x) FILTER (WHERE n > 1) AS a, max(n) FILTER (WHERE n > 1) AS b FROM t GROUP BY k": ("a",),
    "SELECT k, list(n) AS a FROM t GROUP BY k": ("a",),
    "SELECT k, row_number() OVER (ORDER BY n) AS a FROM t": ("a",),
    "SELECT k, random() AS a FROM t": ("a",),
    "SELECT a.k, s FROM t AS a JOIN (SELECT k, sum(x) AS s FROM t GROUP BY k) AS b ON a.k = b.k": ("s",),
    "SELECT k, n FROM t UNION ALL SELECT k, any_value(n) AS a FROM t GROUP BY k": ("n",),
    "SELECT DISTINCT k, n FROM t": (),
    "SELECT k FROM t WHERE random() < 0.5": None,
    "SELECT k FROM t LIMIT 1": None,
    "SELECT k FROM t ORDER BY n LIMIT 1": None,
    "SELECT s, count(*) AS c FROM (SELECT sum(x) AS s FROM t GROUP BY k) GROUP BY s": None,
    "SELECT k FROM (SELECT k, sum(x) AS s FROM t GROUP BY k) WHERE s > 1": None,
    "SELECT DISTINCT s FROM (SELECT sum(x) AS s FROM t GROUP BY k)": None,
}


@pytest.mark.parametrize("sql", columns)
def test_columns_that_vary(runtime: LocalRuntime, sql: str) -> None:
    root = dict(planner(runtime).passes(runtime.frontend.plan(sql)))["two_phase_aggregates"]
    found = VaryingColumns(ColumnTypes(runtime.kernel)).of(root)
    wanted = columns[sql]
    assert found == (None if wanted is None else {root.schema[i] for i in positions(sql, wanted)})


def positions(sql: str, names: tuple[str, ...]) -> list[int]:
    """Where the named columns stand: the plan may call them otherwise."""
    selected = ["".join(item.split()[-1:]) for item in sql.removeprefix("SELECT ").partition(" FROM ")[0].split(", ")]
    return [selected.index(name) for name in names]


def stages(runtime: LocalRuntime, sql: str) -> list[Stage]:
    plan = runtime.frontend.plan(sql)
    return list(planner(runtime).plan(plan).stages)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t ORDER BY x",
        "SELECT a.k, b.n FROM t a JOIN t b ON a.k = b.k ORDER BY b.n",
        "SELECT k, sum(x) AS s FROM t GROUP BY k ORDER BY k",
        "SELECT a.k FROM t a JOIN t b ON a.k = b.k UNION ALL SELECT a.n FROM t a JOIN t b ON a.n = b.n ORDER BY 1",
    ],
)
def test_a_sort_by_what_does_not_vary_can_run_again_in_part(runtime: LocalRuntime, sql: str) -> None:
    assert all(stage.deterministic for stage in stages(runtime, sql))


def test_a_sort_by_what_varies_keeps_its_input_by_row_number(runtime: LocalRuntime) -> None:
    unsteady = [s for s in stages(runtime, "SELECT k, sum(x) AS s FROM t GROUP BY k ORDER BY s") if not s.deterministic]
    assert [stage.output for stage in unsteady] == [RoundRobin(4)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT s, count(*) AS c FROM (SELECT k, sum(x) AS s FROM t GROUP BY k) GROUP BY s",
        "SELECT a.k FROM (SELECT k, sum(x) AS s FROM t GROUP BY k) AS a JOIN t AS b ON a.s = b.x",
        "SELECT sum(x) AS s FROM t GROUP BY k INTERSECT SELECT x FROM t",
        "SELECT k, count(*) OVER (PARTITION BY s) AS c FROM (SELECT k, sum(x) AS s FROM t GROUP BY k)",
    ],
)
def test_a_shuffle_by_what_varies_cannot_run_again_in_part(runtime: LocalRuntime, sql: str) -> None:
    unsteady = [stage for stage in stages(runtime, sql) if not stage.deterministic]
    assert unsteady
    assert all(isinstance(stage.output, Hash) for stage in unsteady)


def test_what_is_partitioned_by_hash_stays_so_for_the_sort(runtime: LocalRuntime) -> None:
    found = [s.output for s in stages(runtime, "SELECT k, sum(n) AS s FROM t GROUP BY k ORDER BY s")]
    first, kept, *_ = [spec for spec in found if isinstance(spec, Hash)]
    assert first == kept


def test_a_side_of_a_union_that_every_task_would_read_whole_is_spread(runtime: LocalRuntime) -> None:
    once = "WITH c AS MATERIALIZED (SELECT count(*) AS m FROM t) "
    sql = once + "SELECT m FROM c UNION ALL SELECT k FROM t, c WHERE k < m"
    union = next(s for s in stages(runtime, sql) if "SetOpExec" in {type(node).__name__ for node in walk(s.root)})
    assert {i.mode for i in union.inputs} == {ExchangeMode.SHUFFLE}
