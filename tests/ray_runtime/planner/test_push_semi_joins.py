"""A selective semi join stands at the relation that it restricts, and the rows stay the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.operators import JoinExec, TableScanExec
from engine.physical import walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedPlanner
from tests.ray_runtime.planner.test_passes import check_passes
from tests.ray_runtime.planner.test_reduce_joins import SPREAD, tables

JOINED = "sale s JOIN item i ON s.item = i.item JOIN kind k ON i.kind = k.kind"
RED = "SELECT 1 FROM item o WHERE o.color = 'red'"
FEW = "(SELECT item FROM item WHERE color = 'red' GROUP BY item HAVING count(*) = 1)"


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime(InMemoryStorage(tables()), threads=1) as made:
        yield made


def restricted(runtime: LocalRuntime, sql: str) -> list[str]:
    """The tables that semi joins restrict after the pass, "joins" for what is more than a table."""
    check_passes(runtime, runtime.storage, sql, SPREAD)
    planner = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD)
    plan = dict(planner.passes(runtime.frontend.plan(sql)))["push_semi_joins"]
    semis = [node.left for node in walk(plan) if isinstance(node, JoinExec) and node.kind == "semi"]
    return [left.table.name.table if isinstance(left, TableScanExec) else "joins" for left in semis]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"SELECT s.price, k.label FROM {JOINED} WHERE s.item IN {FEW}", "sale"),
        (f"SELECT s.price, k.label FROM {JOINED} WHERE i.item IN {FEW}", "sale"),
        (f"SELECT s.price FROM {JOINED} WHERE EXISTS ({RED} AND o.kind = k.kind AND o.item <> k.kind)", "joins"),
        (f"SELECT s.price, i.kind FROM sale s LEFT JOIN item i ON s.item = i.item WHERE s.item IN {FEW}", "sale"),
        (f"SELECT s.price, i.kind FROM item i RIGHT JOIN sale s ON s.item = i.item WHERE s.item IN {FEW}", "sale"),
        (f"SELECT s.price FROM sale s ANTI JOIN shop USING (shop) WHERE s.item IN {FEW}", "sale"),
        # It needs both sides.
        (f"SELECT s.price FROM {JOINED} WHERE EXISTS ({RED} AND o.item = s.item AND o.kind <> k.kind)", "joins"),
        # No row that is padded with NULLs is left.
        (f"SELECT s.price, i.kind FROM sale s LEFT JOIN item i ON s.item = i.item WHERE i.item IN {FEW}", "sale"),
        (f"SELECT s.price, i.kind FROM sale s FULL JOIN item i ON s.item = i.item WHERE s.item IN {FEW}", "sale"),
        # Most rows stay.
        (f"SELECT s.price, k.label FROM {JOINED} WHERE s.item IN (SELECT item FROM item)", "joins"),
    ],
)
def test_a_semi_join_goes_to_the_one_relation_that_it_needs(runtime: LocalRuntime, sql: str, expected: str) -> None:
    assert restricted(runtime, sql) == [expected]


@pytest.mark.parametrize("key", ["s.code", "s.code::INTEGER"])
def test_what_a_join_drops_is_not_cast(runtime: LocalRuntime, key: str) -> None:
    coded = f"(SELECT {key} AS code FROM sale s JOIN shop USING (shop)) q"
    few = "SELECT 1 FROM item WHERE color = 'red' AND item = q.code"
    assert restricted(runtime, f"SELECT q.code FROM {coded} WHERE EXISTS ({few})") == ["joins"]
