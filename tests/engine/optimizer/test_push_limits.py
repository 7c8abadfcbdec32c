"""A LIMIT reaches the scan where only row-by-row work stands between."""

from __future__ import annotations

import pytest

from engine.logical.nodes import (
    Aggregate,
    Distinct,
    Filter,
    Join,
    Limit,
    LogicalPlan,
    Project,
    Rename,
    Scan,
    Sort,
    walk,
)
from engine.optimizer.push_limits import push_limits
from tests.engine.plans import e, items, key, scan

T = scan("a b")


def limits(plan: LogicalPlan) -> list[int | None]:
    return [node.limit for node in walk(push_limits(plan)) if isinstance(node, Scan)]


@pytest.mark.parametrize(
    ("plan", "limit"),
    [
        (Limit(T, 5), 5),
        (Limit(T, 5, 3), 8),
        (Limit(T, None, 3), None),
        (Limit(T, 0), 0),
        (Limit(Project(Rename(T, ("p", "q")), items(s="p + q")), 5), 5),
        (Limit(Limit(T, 9), 5), 9),
        (Limit(Project(Limit(T, 2), items(a="a")), 5), 2),
        (Limit(Filter(T, e("a > 1")), 5), None),
        (Limit(Sort(T, (key("a"),)), 5), None),
        (Limit(Distinct(T), 5), None),
        (Limit(Aggregate(T, items(k="a"), ()), 5), None),
        (Limit(Join(T, scan("x", "u"), "cross"), 5), None),
    ],
    ids=lambda v: type(v).__name__,
)
def test_how_many_rows_the_scan_gives(plan: LogicalPlan, limit: int | None) -> None:
    assert limits(plan)[0] == limit
    assert any(isinstance(node, Limit) for node in walk(push_limits(plan)))


def test_the_smaller_limit_counts() -> None:
    low, high = Scan(T.table, T.columns, T.aliases, limit=2), Scan(T.table, T.columns, T.aliases, limit=50)
    assert limits(Limit(low, 5)) == [2]
    assert limits(Limit(high, 5)) == [5]
