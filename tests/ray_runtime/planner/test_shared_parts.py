"""What several places read: kept by one Exchange, or read again where that is cheaper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from engine.operators import CollectExec, FilterExec, LimitExec, TableScanExec
from engine.physical import Hash, PhysicalOperator, walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.operators import ExchangeExec
from ray_runtime.planner import DistributedPlanner
from ray_runtime.planner.inline_scans import inline_scans
from tests.engine.plans import e, scan
from tests.ray_runtime.planner.test_passes import SPREAD, check_passes

TABLE = pa.table({"k": [None if n % 9 == 0 else n % 7 for n in range(90)], "v": [n % 13 for n in range(90)]})
GROUPED = "WITH c AS MATERIALIZED (SELECT k, sum(v) AS s FROM t GROUP BY k)"


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage({"t": TABLE}), threads=1) as made:
        yield made


def table(rows: int) -> TableScanExec:
    plan = scan("k v")
    return TableScanExec(replace(plan.table, rows=rows), plan.columns, plan.aliases)


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        (table(1000), False),
        (FilterExec(table(1000), e("k = 1")), False),  # soon read
        (FilterExec(table(10_000_000), e("k <> 1")), False),  # most of it
        (FilterExec(table(10_000_000), e("k = 1")), True),  # few rows of many
        (FilterExec(table(1000), e("random() < 0.5")), True),  # other rows each time
        (LimitExec(table(1000), 5), True),
    ],
)
def test_a_scan_is_read_again_where_that_is_cheaper(part: PhysicalOperator, kept: bool) -> None:
    assert isinstance(inline_scans(CollectExec(part, "c")), CollectExec) is kept


def shared(runtime: LocalRuntime, sql: str) -> ExchangeExec:
    """The Exchange of the lowest part that is shared."""
    check_passes(runtime, runtime.storage, sql, SPREAD)
    root = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD).plan(runtime.frontend.plan(sql)).root
    exchange = [n for n in walk(root) if isinstance(n, ExchangeExec) and isinstance(n.input, CollectExec)][-1]
    assert sum(node is exchange for node in walk(root)) > 1
    return exchange


def hashed_by(exchange: ExchangeExec) -> list[str]:
    assert isinstance(exchange.partitioning, Hash)
    return [key.name for key in exchange.partitioning.keys]


def test_a_shared_part_is_hashed_by_what_its_readers_join_by(runtime: LocalRuntime) -> None:
    exchange = shared(runtime, f"{GROUPED} SELECT a.k, b.k FROM c a JOIN c b ON a.s = b.s")
    assert hashed_by(exchange) == ["sum"]


def test_outer_rows_are_hashed_by_what_a_subquery_has_in_common_with_them(runtime: LocalRuntime) -> None:
    outer = "(SELECT k, v, count(*) AS n FROM t GROUP BY k, v) o"
    exchange = shared(
        runtime, f"SELECT k, v, n FROM {outer} WHERE n < (SELECT count(*) FROM t i WHERE i.k = o.k AND i.v < o.v)"
    )
    assert sorted(hashed_by(exchange)) == ["k", "v"]
