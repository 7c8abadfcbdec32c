"""The filtered end of a snowflake's branch is joined to its neighbour first, and the rows stay the same."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.operators import JoinExec, TableScanExec
from engine.physical import walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedPlanner
from tests.ray_runtime.planner.test_passes import SPREAD, check_passes

TABLES = {
    "sale": pa.table({"shop": [n % 60 for n in range(600)], "day": [n % 30 for n in range(600)]}),
    "shop": pa.table({"shop": range(60), "town": [None if n == 7 else n % 12 for n in range(60)]}),
    "town": pa.table({"town": range(12), "land": [n % 3 for n in range(12)], "size": [n * 5 for n in range(12)]}),
    "land": pa.table({"land": range(3), "name": ["A", "B", "A"]}),
    "day": pa.table({"day": range(30), "month": [n // 10 for n in range(30)]}),
}
SNOWFLAKE = "sale JOIN shop USING (shop) JOIN town USING (town) JOIN land USING (land)"


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage(TABLES), threads=1) as made:
        yield made


def joined(runtime: LocalRuntime, sql: str) -> list[set[str]]:
    """The tables below each join, from the root down."""
    check_passes(runtime, runtime.storage, sql, SPREAD)
    planner = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD)
    plan = dict(planner.passes(runtime.frontend.plan(sql)))["order_joins"]
    joins = [node for node in walk(plan) if isinstance(node, JoinExec)]
    return [{n.table.name.table for n in walk(join) if isinstance(n, TableScanExec)} for join in joins]


def test_a_branch_is_joined_from_its_filtered_end(runtime: LocalRuntime) -> None:
    found = joined(runtime, f"SELECT day, shop, name FROM {SNOWFLAKE} WHERE name = 'A'")
    assert found == [{"sale", "shop", "town", "land"}, {"shop", "town", "land"}, {"town", "land"}]


def test_an_end_that_the_largest_table_needs_is_no_branch(runtime: LocalRuntime) -> None:
    sql = f"SELECT day, shop, name FROM {SNOWFLAKE} WHERE name = 'A' AND sale.day = land.land"
    assert {"town", "land"} not in joined(runtime, sql)


def test_a_branch_without_a_filter_is_joined_from_the_largest_table(runtime: LocalRuntime) -> None:
    assert all("sale" in part for part in joined(runtime, f"SELECT day, shop, name FROM {SNOWFLAKE}"))


def test_a_filtered_neighbour_of_the_largest_table_is_no_branch(runtime: LocalRuntime) -> None:
    sql = "SELECT shop, month FROM sale JOIN day USING (day) JOIN shop USING (shop) WHERE month = 1"
    assert all("sale" in part for part in joined(runtime, sql))


def test_conditions_without_columns_and_over_three_tables_are_kept(runtime: LocalRuntime) -> None:
    sql = (
        "SELECT count(*) FROM sale s, shop p, town t, land l, day d WHERE s.shop = p.shop AND p.town = t.town"
        " AND t.land = l.land AND s.day = d.day AND l.name = 'A' AND d.month + t.size > p.shop AND 1 + 1 = 2"
    )
    assert joined(runtime, sql)


def test_a_filter_that_is_no_equality_joins_nothing(runtime: LocalRuntime) -> None:
    sql = (
        "SELECT count(*) FROM sale s, shop p, town t, day d WHERE s.shop = p.shop AND p.town = t.town"
        " AND s.day = d.day AND (t.land = 1 OR s.day > 20) AND t.size <> d.month"
    )
    assert {"sale", "town"} not in joined(runtime, sql)
    assert {"town", "day"} not in joined(runtime, sql)


def test_what_no_equality_connects_comes_last(runtime: LocalRuntime) -> None:
    sql = "SELECT count(*) FROM land l, sale s, shop p WHERE l.land < p.town AND s.shop = p.shop"
    assert joined(runtime, sql) == [{"sale", "shop", "land"}, {"sale", "shop"}]


def test_a_single_row_stands_where_it_is_compared(runtime: LocalRuntime) -> None:
    sql = "SELECT count(*) FROM sale s JOIN shop p USING (shop) WHERE p.town > (SELECT avg(size) / 4 FROM town)"
    assert {"shop", "town"} in joined(runtime, sql)


def test_an_equality_of_few_values_is_no_foreign_key(runtime: LocalRuntime) -> None:
    tables = "sale s, shop p, shop q, town t"
    sql = f"SELECT count(*) FROM {tables} WHERE s.shop = p.shop AND p.town = t.town AND s.day = q.town"
    plan = joined(runtime, sql)
    assert plan[1:] == [{"sale", "shop", "town"}, {"sale", "shop"}]
