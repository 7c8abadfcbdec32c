"""Keys of a join's smaller side thin out the larger one where that spares work, and the rows stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from engine.operators import CollectExec, HashAggregateExec, JoinExec, TableScanExec
from engine.physical import PhysicalOperator, walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlanner
from tests.ray_runtime.planner.test_passes import check_passes

SPREAD = DistributedOptions(slots=1, partitions=2, broadcast_bytes=0, reduced_bytes=0, sample_rows=0)

SALES = "(SELECT item, sum(price) AS total FROM sale GROUP BY item) q"
"""One row for each item that was sold."""
RED = "(SELECT * FROM item WHERE color = 'red') i"
"""A few of the items, and one that has no number."""


def tables() -> dict[str, pa.Table]:
    return {
        "sale": pa.table(
            {
                "item": [None if n % 17 == 0 else n % 40 for n in range(400)],
                "shop": [n % 9 for n in range(400)],
                "price": [n % 23 for n in range(400)],
                # A number only where the shop has one.
                "code": [str(n % 40) if n % 9 < 4 else "none" for n in range(400)],
            }
        ),
        "item": pa.table(
            {
                "item": [None if n == 4 else n for n in range(40)],
                "color": ["red" if n % 4 == 0 else "blue" for n in range(40)],
                "kind": [n % 5 for n in range(40)],
            }
        ),
        "kind": pa.table({"kind": range(5), "label": ["a", "b", "a", "c", "d"]}),
        "shop": pa.table({"shop": range(4)}),
    }


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage(tables()), threads=1) as made:
        yield made


def reduced(runtime: LocalRuntime, sql: str, options: DistributedOptions = SPREAD) -> PhysicalOperator:
    """The plan after the pass; its rows are those of the query."""
    check_passes(runtime, runtime.storage, sql, options)
    planner = DistributedPlanner(runtime.kernel, runtime.storage, options)
    return dict(planner.passes(runtime.frontend.plan(sql)))["reduce_joins"]


def thinned(plan: PhysicalOperator) -> list[PhysicalOperator]:
    """The left sides of its semi joins."""
    return [n.left for n in walk(plan) if isinstance(n, JoinExec) and n.kind == "semi"]


def tables_of(operators: list[PhysicalOperator]) -> list[str]:
    return [node.table.name.table for node in operators if isinstance(node, TableScanExec)]


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT i.kind, q.total FROM {RED} JOIN {SALES} ON i.item = q.item",
        f"SELECT i.kind, q.total FROM {RED} JOIN {SALES} ON i.item IS NOT DISTINCT FROM q.item",
        f"SELECT i.kind, q.total FROM {RED} LEFT JOIN {SALES} ON i.item = q.item",
        f"SELECT i.kind, q.total FROM {SALES} RIGHT JOIN {RED} ON i.item = q.item",
        f"SELECT i.kind FROM {RED} SEMI JOIN {SALES} ON i.item = q.item AND q.total > 50",
        f"SELECT i.kind FROM {RED} ANTI JOIN {SALES} ON i.item = q.item AND q.total <> i.kind",
        f"SELECT i.kind FROM {RED} WHERE i.kind < (SELECT avg(price) FROM sale s WHERE s.item = i.item)",
        f"SELECT i.kind, q.n FROM {RED} JOIN (SELECT DISTINCT item, shop AS n FROM sale) q ON i.item = q.item",
    ],
)
def test_what_is_grouped_or_probed_is_thinned_out_below(runtime: LocalRuntime, sql: str) -> None:
    assert "sale" in tables_of(thinned(reduced(runtime, sql)))


@pytest.mark.parametrize(
    "sql",
    [
        # Each row of either side is in the result.
        f"SELECT i.kind, q.total FROM {RED} FULL JOIN {SALES} ON i.item = q.item",
        f"SELECT i.kind, q.total FROM {SALES} LEFT JOIN {RED} ON i.item = q.item",
        # The values of a window depend on all rows, those of a LIMIT on which rows are there.
        f"SELECT w.r FROM {RED} JOIN (SELECT item, rank() OVER (ORDER BY price) AS r FROM sale) w ON i.item = w.item",
        f"SELECT w.shop FROM {RED} JOIN (SELECT * FROM sale ORDER BY ALL LIMIT 90) w ON i.item = w.item",
        # A key that is not there in a grouping set is NULL in its rows.
        f"SELECT q.n FROM {RED} JOIN (SELECT item, count(*) n FROM sale GROUP BY CUBE (item, shop)) q USING (item)",
        # Nearly all items sell.
        f"SELECT i.kind, q.total FROM item i JOIN {SALES} ON i.item = q.item",
    ],
)
def test_what_has_to_stay_whole_stays_whole(runtime: LocalRuntime, sql: str) -> None:
    assert "sale" not in tables_of(thinned(reduced(runtime, sql)))


@pytest.mark.parametrize(("least", "thins"), [(1_000, True), (100_000, False)])
def test_what_joins_make_of_a_small_table_counts(runtime: LocalRuntime, least: int, thins: bool) -> None:
    many = "SELECT k.item FROM item k JOIN sale s ON k.item = s.item AND k.kind <> s.shop"
    options = replace(SPREAD, reduced_bytes=least)
    plan = reduced(runtime, f"SELECT i.kind FROM {RED} WHERE i.item IN ({many})", options)
    assert (tables_of(thinned(plan)) != ["item"]) is thins  # that of the query itself


@pytest.mark.parametrize("condition", ["q.one = k.kind", "k.kind = q.one"])
def test_no_rows_make_a_group_where_there_are_no_keys(runtime: LocalRuntime, condition: str) -> None:
    nothing = "(SELECT 1 AS one, count(*) AS n FROM item WHERE color = 'green') q"
    for sql in (
        f"SELECT k.label, q.n FROM {nothing} JOIN kind k ON {condition}",
        f"SELECT k.price, q.n FROM {nothing} JOIN (SELECT shop AS kind, price FROM sale) k ON {condition}",
    ):
        plan = reduced(runtime, sql)
        semis = [n for n in walk(plan) if isinstance(n, JoinExec) and n.kind == "semi"]
        assert all(any(isinstance(n, HashAggregateExec) for n in walk(semi.right)) for semi in semis)


@pytest.mark.parametrize("key", ["s.code", "s.code::INTEGER"])
def test_what_a_join_drops_is_not_cast(runtime: LocalRuntime, key: str) -> None:
    coded = f"(SELECT {key} AS code FROM sale s JOIN shop USING (shop)) q"
    reduced(runtime, f"SELECT i.kind FROM {RED} JOIN {coded} ON q.code = i.item")


def test_what_took_work_is_computed_once(runtime: LocalRuntime) -> None:
    few = "(SELECT i.item, i.kind FROM item i JOIN kind k ON i.kind = k.kind WHERE k.label = 'a' AND color = 'red') i"
    plan = reduced(runtime, f"SELECT i.kind, q.total FROM {few} JOIN {SALES} ON i.item = q.item")
    collected = {id(node): node for node in walk(plan) if isinstance(node, CollectExec)}.values()
    (shared,) = (node for node in collected if set(tables_of(list(walk(node)))) == {"item", "kind"})
    assert sum(node is shared for node in walk(plan)) == 2


def test_a_larger_table_is_not_read_twice_to_spare_a_smaller_one(runtime: LocalRuntime) -> None:
    plan = reduced(runtime, "SELECT s.price, i.kind FROM sale s JOIN item i ON i.item = s.item WHERE s.price = 3")
    assert tables_of(thinned(plan)) == ["item"]
    assert {tables_of(list(walk(n)))[0] for n in walk(plan) if isinstance(n, CollectExec)} == {"sale"}


def test_a_common_table_is_read_as_it_is(runtime: LocalRuntime) -> None:
    sql = f"""WITH c AS (SELECT item, max(kind) AS m FROM item WHERE color = 'red' GROUP BY item)
        SELECT a.m, q.total FROM c a JOIN {SALES} ON a.item = q.item UNION ALL SELECT item, m FROM c"""
    plan = reduced(runtime, sql)
    assert "sale" in tables_of(thinned(plan))
    assert len({id(node) for node in walk(plan) if isinstance(node, CollectExec)}) == 1


def test_a_common_table_keeps_its_columns_for_a_subquery(runtime: LocalRuntime) -> None:
    sql = """WITH c AS (SELECT s.item, i.kind, s.price FROM sale s JOIN item i ON i.item = s.item)
        SELECT a.item FROM c a WHERE a.price >= ALL (SELECT price FROM c WHERE kind = 2)"""
    reduced(runtime, sql)


def test_reductions_go_on_below_reductions(runtime: LocalRuntime) -> None:
    by_shop = "(SELECT item, shop, sum(price) AS total FROM sale GROUP BY item, shop) b"
    joined = f"{RED} JOIN {SALES} ON i.item = q.item JOIN {by_shop} ON q.item = b.item"
    plan = reduced(runtime, f"SELECT i.kind, b.total + q.total FROM {joined}")
    assert tables_of(thinned(plan)) == ["sale"] * 2
    for left in thinned(plan):
        assert not any(isinstance(node, HashAggregateExec) for node in walk(left))


def test_only_the_keys_of_wide_rows_are_sent(runtime: LocalRuntime) -> None:
    wide = "(SELECT item, repeat(color, 50) AS text, color FROM item WHERE color = 'red') i"
    sql = f"SELECT i.text, i.color, q.total FROM {wide} JOIN {SALES} ON i.item = q.item"

    def columns(options: DistributedOptions) -> tuple[str, ...]:
        plan = reduced(runtime, sql, options)
        (semi,) = (n for n in walk(plan) if isinstance(n, JoinExec) and n.kind == "semi")
        return semi.right.schema

    assert len(columns(SPREAD)) == 1
    assert len(columns(replace(SPREAD, broadcast_bytes=1 << 20))) > 1


def test_few_rows_are_not_worth_it(runtime: LocalRuntime) -> None:
    sql = f"SELECT i.kind, q.total FROM {RED} JOIN {SALES} ON i.item = q.item"
    assert not thinned(reduced(runtime, sql, replace(SPREAD, reduced_bytes=1 << 20)))
    assert not thinned(reduced(runtime, sql, replace(SPREAD, reducing_key_bytes=1)))
