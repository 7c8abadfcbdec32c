"""Columns that nobody reads are neither computed nor scanned."""

from __future__ import annotations

import pytest

from engine.logical.nodes import (
    Aggregate,
    Collect,
    Distinct,
    Filter,
    Join,
    Limit,
    LogicalPlan,
    Project,
    Rename,
    Scan,
    SetOp,
    Sort,
    SqlQuery,
    Window,
    walk,
)
from engine.optimizer.prune_columns import prune_columns
from engine.schema import Column
from tests.engine.plans import e, handle, items, key, scan

T = scan("a b c d")
U = scan("x y z", "u")


def scanned(plan: LogicalPlan) -> dict[str, str]:
    """The columns that each scan still reads, by table."""
    pruned = prune_columns(plan)
    assert pruned.names == plan.names
    return {node.table.name.table: " ".join(node.aliases) for node in walk(pruned) if isinstance(node, Scan)}


@pytest.mark.parametrize(
    ("plan", "columns"),
    [
        (T, "a b c d"),
        (Project(T, items(s="a + c")), "a c"),
        (Project(Filter(T, e("b > 1")), items(a="a")), "a b"),
        (Project(Sort(T, (key("d"),)), items(a="a")), "a d"),
        (Project(Limit(T, 3), items(a="a")), "a"),
        (Project(Rename(T, ("p", "q", "r", "s")), items(z="r")), "c"),
        (Project(Distinct(T), items(a="a")), "a b c d"),
        (Aggregate(T, items(k="a"), items(n="sum(b)")), "a b"),
        (Project(Aggregate(T, items(k="a"), items(n="sum(b)", m="sum(c)")), items(n="n")), "a b"),
        (Aggregate(T, items(k="b"), ()), "b"),
        (Project(Window(T, items(r="rank() OVER (ORDER BY c)")), items(r="r")), "c"),
        (Project(Window(T, items(r="rank() OVER (ORDER BY c)")), items(a="a")), "a"),
        (Project(Collect(T, "shared"), items(a="a")), "a"),
        (SqlQuery("SELECT count(*) FROM t", ("n",), (("t", T),)), "a b c d"),
        (Project(Project(T, items(p="a", q="b")), items(p="p")), "a"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_scan_reads_what_is_needed(plan: LogicalPlan, columns: str) -> None:
    assert scanned(plan) == {"t": columns}


def test_joins_need_their_condition() -> None:
    assert scanned(Project(Join(T, U, "inner", e("a = x")), items(b="b"))) == {"t": "a b", "u": "x"}
    assert scanned(Project(Join(T, U, "semi", e("a = x AND y > 1")), items(b="b"))) == {"t": "a b", "u": "x y"}


def test_set_operations_keep_all_columns() -> None:
    plan = Project(
        SetOp(Project(T, items(p="a", q="b")), Project(U, items(r="x", s="y")), "union", False, ("m", "n")),
        items(m="m"),
    )
    assert scanned(plan) == {"t": "a b", "u": "x y"}


def test_a_shared_part_gives_what_all_its_readers_need() -> None:
    shared = Collect(T, "shared")
    left = Project(Rename(shared, ("p", "q", "r", "s")), items(p="p"))
    right = Project(Rename(shared, ("w", "x", "y", "z")), items(z="z"))
    pruned = prune_columns(Join(left, right, "cross"))
    collects = [node for node in walk(pruned) if isinstance(node, Collect)]
    assert {node.names for node in collects} == {("a", "d")}
    assert collects[0] is collects[1]


def test_rows_are_still_counted_by_the_cheapest_column() -> None:
    columns = (Column("s", "VARCHAR"), Column("l", "BIGINT"), Column("b", "BOOLEAN"), Column("n", "STRUCT(a INTEGER)"))
    plan = Aggregate(Scan(handle(), columns, ("s", "l", "b", "n")), (), items(n2="count(*)"))
    assert scanned(plan) == {"t": "b"}


def test_a_predicate_in_the_scan_keeps_its_columns() -> None:
    filtered = Scan(T.table, T.columns, T.aliases, e("c > 1"))
    assert scanned(Project(filtered, items(a="a"))) == {"t": "a c"}


def test_the_last_column_and_the_last_aggregate_stay() -> None:
    plan = Aggregate(Aggregate(T, (), items(m="max(a)", n="max(b)")), (), items(c="count(*)"))
    pruned = prune_columns(plan)
    (inner,) = pruned.children
    assert inner.names == ("m",)
