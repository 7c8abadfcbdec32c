"""Joins that the kernel's binder makes of subqueries: rows as the kernel's own, with NULLs, over several partitions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from engine.errors import GrismError
from engine.logical.nodes import Aggregate, Collect, Distinct, Filter, Join, LogicalPlan, Project, Rename, Scan, Unnest
from engine.operators import AggregateMode, HashAggregateExec, JoinExec
from engine.physical import PhysicalOperator, walk
from engine.storage import InMemoryStorage
from engine.storage.protocol import TableName
from local_runtime import LocalRuntime
from ray_runtime.operators import ExchangeExec
from ray_runtime.planner import DistributedPlanner
from ray_runtime.stages import ExchangeMode
from tests.conftest import SqlRuntime, Tables
from tests.engine.plans import e, items, key
from tests.harness.compare import difference
from tests.harness.oracle import Oracle
from tests.ray_runtime.planner.test_passes import DEFAULT, SPREAD, check_passes

Plan = Callable[[Scan, Scan], LogicalPlan]


def tables() -> dict[str, pa.Table]:
    chance = random.Random(5)

    def numbers(count: int, top: int, nulls: float) -> pa.Array:
        drawn = [None if chance.random() < nulls else chance.randrange(top) for _ in range(count)]
        return pa.array(drawn, pa.int32())

    def right(count: int, nulls: float) -> pa.Table:
        return pa.table({"c": numbers(count, 6, nulls), "d": numbers(count, 40, nulls), "s": pa.array(range(count))})

    keys = [None, *range(5)]
    return {
        "l": pa.table({"a": numbers(60, 8, 0.2), "b": numbers(60, 40, 0.2), "id": pa.array(range(60))}),
        "nulls": right(40, 0.2),
        "whole": right(40, 0.0),
        "none": right(0, 0.0),
        "one": pa.table({"c": pa.array(keys, pa.int32()), "d": pa.array(keys, pa.int32()), "s": range(6)}),
    }


TABLES = tables()
SAME = "a IS NOT DISTINCT FROM c"

MARKS = {
    "b IN (SELECT d FROM r)": "b = d",
    f"EXISTS (SELECT 1 FROM r WHERE {SAME})": SAME,
    f"b IN (SELECT d FROM r WHERE {SAME})": f"{SAME} AND b = d",
    f"b > ANY (SELECT d FROM r WHERE {SAME})": f"{SAME} AND b > d",
    "b >= ANY (SELECT d FROM r)": "b >= d",
    "b + 1 = ANY (SELECT d FROM r)": "b + 1 = d",
    "EXISTS (SELECT 1 FROM r WHERE d IS DISTINCT FROM b)": "b IS DISTINCT FROM d",
}


def marked(condition: str) -> Plan:
    return lambda left, right: Join(left, right, "mark", e(condition), "m")


def kept(condition: str, predicate: str) -> Plan:
    return lambda left, right: Project(Filter(marked(condition)(left, right), e(predicate)), items(id="id"))


def joined(kind: str, condition: str) -> Plan:
    return lambda left, right: Join(left, right, kind, e(condition))


def shared(left: Scan, right: Scan) -> LogicalPlan:
    """What a correlated subquery becomes: the outer rows are read by the join and by the part below it."""
    outer = Collect(Filter(left, e("b % 3 <> 0 OR b IS NULL")), "outer")
    keys = Aggregate(Rename(outer, ("a1", "b1", "id1")), items(k="a1"), ())
    thinned = Join(right, keys, "semi", e("c IS NOT DISTINCT FROM k"))
    sums = Aggregate(thinned, items(g="c"), items(n="sum(d)"))
    return Project(
        Join(Rename(outer, ("a", "b", "id")), sums, "left", e("a IS NOT DISTINCT FROM g")), items(id="id", n="n")
    )


PLANS: dict[str, Plan] = {
    **{f"SELECT *, {text} AS m FROM l": marked(condition) for text, condition in MARKS.items()},
    **{f"SELECT id FROM l WHERE {text}": kept(condition, "m") for text, condition in MARKS.items()},
    **{f"SELECT id FROM l WHERE NOT ({text})": kept(condition, "NOT m") for text, condition in MARKS.items()},
    "SELECT id FROM l WHERE (b IN (SELECT d FROM r)) IS NULL AND id > 3": kept("b = d", "m IS NULL AND id > 3"),
    f"SELECT * FROM l SEMI JOIN r ON {SAME}": joined("semi", SAME),
    f"SELECT * FROM l ANTI JOIN r ON {SAME}": joined("anti", SAME),
    f"SELECT * FROM l SEMI JOIN r ON {SAME} AND b < d": joined("semi", f"{SAME} AND b < d"),
    "SELECT * FROM l ANTI JOIN r ON a = c": joined("anti", "a = c"),
    "SELECT * FROM l ANTI JOIN r ON b < d": joined("anti", "b < d"),
    f"SELECT * FROM l JOIN r ON {SAME}": joined("inner", SAME),
    f"SELECT * FROM l FULL JOIN r ON {SAME}": joined("full", SAME),
    f"SELECT id, (SELECT sum(d) FROM r WHERE {SAME}) AS n FROM l WHERE b % 3 <> 0 OR b IS NULL": shared,
    "SELECT id FROM l WHERE b IN (SELECT DISTINCT d FROM r)": lambda left, right: Project(
        Join(left, Distinct(Project(right, items(d="d"))), "semi", e("b = d")), items(id="id")
    ),
    "SELECT DISTINCT ON (a) a, id FROM l ORDER BY a, id DESC": lambda left, _: Project(
        Distinct(left, (e("a"),), (key("a"), key("id", descending=True))), items(a="a", id="id")
    ),
    "SELECT id, unnest([a, b, 7]) AS x, unnest([id]) AS y FROM l": lambda left, _: Project(
        Unnest(left, items(x="[a, b, 7]", y="[id]")), items(id="id", x="x", y="y")
    ),
}


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    made = Oracle()
    for name, table in TABLES.items():
        made.put(name, table)
    yield made
    made.close()


@pytest.fixture(scope="module")
def local() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage(TABLES), threads=1) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def ray(make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> Iterator[SqlRuntime]:
    runtime, stored = make_runtime("ray", "memory")
    for name, table in TABLES.items():
        stored.put(name, table)
    yield runtime
    for name in TABLES:
        stored.remove(name)


def scans(runtime: SqlRuntime, right: str) -> tuple[Scan, Scan]:
    left, other = (runtime.frontend.table_plan(TableName("main", name)) for name in ("l", right))
    assert isinstance(left, Scan)
    assert isinstance(other, Scan)
    return left, other


@pytest.mark.parametrize("right", ["nulls", "whole", "none"])
@pytest.mark.parametrize("sql", PLANS)
def test_rows_are_those_of_the_kernel(local: LocalRuntime, oracle: Oracle, sql: str, right: str) -> None:
    expected = oracle.run(f"WITH r AS (FROM {right}) {sql}")
    for options in (SPREAD, DEFAULT):
        check_passes(local, local.storage, PLANS[sql](*scans(local, right)), options, expected)


@pytest.mark.parametrize("right", ["nulls", "whole", "none"])
@pytest.mark.parametrize("sql", PLANS)
def test_rows_on_ray_are_those_of_the_kernel(ray: SqlRuntime, oracle: Oracle, sql: str, right: str) -> None:
    expected = oracle.run(f"WITH r AS (FROM {right}) {sql}")
    assert difference(rows(ray, PLANS[sql](*scans(ray, right))), expected, ordered=False) is None


def rows(runtime: SqlRuntime, plan: LogicalPlan) -> pa.Table:
    result = runtime.execute(runtime.plan(plan))
    return pa.Table.from_batches(list(result), result.schema)


def single(condition: str) -> Plan:
    return lambda left, right: Project(Join(left, right, "single", e(condition)), items(id="id", d="d", s="s"))


def test_a_single_join_gives_what_a_scalar_subquery_gives_on_ray(
    local: LocalRuntime, ray: SqlRuntime, oracle: Oracle
) -> None:
    expected = oracle.run("SELECT id, d, s FROM l LEFT JOIN one ON a IS NOT DISTINCT FROM c")
    for options in (SPREAD, DEFAULT):
        check_passes(local, local.storage, single(SAME)(*scans(local, "one")), options, expected)
    assert difference(rows(ray, single(SAME)(*scans(ray, "one"))), expected, ordered=False) is None


def test_a_second_row_of_a_single_join_is_the_kernels_error_on_ray(ray: SqlRuntime) -> None:
    with pytest.raises(GrismError, match="More than one row returned by a subquery"):
        list(ray.execute(ray.plan(single(SAME)(*scans(ray, "whole")))))


def planned(local: LocalRuntime, sql: str) -> PhysicalOperator:
    planner = DistributedPlanner(local.kernel, local.storage, SPREAD)
    return planner.passes(PLANS[sql](*scans(local, "nulls")))[-1][1]


def test_a_mark_join_by_hash_is_told_of_nulls_by_a_broadcast(local: LocalRuntime) -> None:
    nodes = list(walk(planned(local, "SELECT *, b IN (SELECT d FROM r) AS m FROM l")))
    (join,) = (n for n in nodes if isinstance(n, JoinExec) and n.kind == "mark")
    assert all(isinstance(side, ExchangeExec) and side.mode is ExchangeMode.SHUFFLE for side in join.children)
    told = [n for n in nodes if isinstance(n, ExchangeExec) and n.mode is ExchangeMode.BROADCAST]
    assert [type(n.input) for n in told] == [HashAggregateExec]


def test_who_asks_for_any_row_is_sent_each_once_by_a_task(local: LocalRuntime) -> None:
    nodes = list(walk(planned(local, "SELECT id FROM l WHERE b IN (SELECT DISTINCT d FROM r)")))
    (grouped,) = (n for n in nodes if isinstance(n, HashAggregateExec))
    assert grouped.mode is AggregateMode.PARTIAL


@pytest.mark.parametrize(
    ("value", "hashed"), [("b::DECIMAL(9, 2)", True), ("b::VARCHAR", True), ("[b]", False), ("{'x': b}", False)]
)
def test_marks_of_values_with_nulls_inside_are_not_hashed(local: LocalRuntime, value: str, hashed: bool) -> None:
    left, right = scans(local, "nulls")
    compared = value.replace("b", "d")
    logical = Join(left, Project(right, items(y=compared)), "mark", e(f"{value} = y"), "m")
    expected = local.execute(local.plan(logical)).read_all()
    check_passes(local, local.storage, logical, SPREAD, expected)
    root = DistributedPlanner(local.kernel, local.storage, SPREAD).passes(logical)[-1][1]
    (join,) = (n for n in walk(root) if isinstance(n, JoinExec) and n.kind == "mark")
    modes = [side.mode for side in join.children if isinstance(side, ExchangeExec)]
    assert (modes == [ExchangeMode.SHUFFLE] * 2) is hashed
