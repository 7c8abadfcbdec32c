"""Logical nodes become operators."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.logical.nodes import (
    Aggregate,
    Collect,
    Distinct,
    Filter,
    Join,
    Limit,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    SetOp,
    Sort,
    SqlQuery,
    Values,
    Window,
    col,
)
from engine.lowering import lower
from engine.operators import (
    CollectExec,
    DistinctExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    LimitExec,
    ProjectExec,
    RenameExec,
    SetOpExec,
    SortExec,
    SqlExec,
    TableScanExec,
    TopNExec,
    ValuesExec,
    WindowExec,
)
from engine.physical import PhysicalOperator
from tests.engine.plans import e, items, key, scan

T = scan("a b c")
U = scan("x y", "u")
SCAN_T = TableScanExec(T.table, T.columns, T.aliases)
SCAN_U = TableScanExec(U.table, U.columns, U.aliases)
KEYS = (key("a"), key("b", True, True))


@pytest.mark.parametrize(
    ("node", "operator"),
    [
        (T, SCAN_T),
        (Values((), ((),)), ValuesExec((), ((),))),
        (Filter(T, e("a > 1")), FilterExec(SCAN_T, e("a > 1"))),
        (Project(T, items(s="a + 1")), ProjectExec(SCAN_T, items(s="a + 1"))),
        (Window(T, items(r="rank() OVER ()")), WindowExec(SCAN_T, items(r="rank() OVER ()"))),
        (Join(T, U, "left", e("a = x")), JoinExec(SCAN_T, SCAN_U, "left", e("a = x"))),
        (Join(T, U, "cross"), JoinExec(SCAN_T, SCAN_U, "cross")),
        (Sort(T, KEYS), SortExec(SCAN_T, KEYS)),
        (Limit(T, 3, 1), LimitExec(SCAN_T, 3, 1)),
        (Limit(Sort(T, KEYS), 3, 1), TopNExec(SCAN_T, KEYS, 3, 1)),
        (Limit(Sort(T, KEYS), None, 1), LimitExec(SortExec(SCAN_T, KEYS), None, 1)),
        (Distinct(T), DistinctExec(SCAN_T)),
        (SetOp(U, U, "except", True, ("p", "q")), SetOpExec(SCAN_U, SCAN_U, "except", True, ("p", "q"))),
        (Rename(U, ("p", "p")), RenameExec(SCAN_U, ("p", "p"))),
        (Collect(T, "shared"), CollectExec(SCAN_T, "shared")),
        (SqlQuery("SELECT 1", ("one",), (("t", T),)), SqlExec("SELECT 1", ("one",), (("t", SCAN_T),))),
        (Aggregate(T, items(k="a"), items(n="count(*)")), HashAggregateExec(SCAN_T, items(k="a"), items(n="count(*)"))),
    ],
    ids=lambda v: type(v).__name__,
)
def test_each_node(node: LogicalPlan, operator: PhysicalOperator) -> None:
    assert lower(node) == operator
    assert lower(node).schema == node.names


def test_what_changes_nothing_is_left_out() -> None:
    assert lower(Project(T, tuple(NamedExpr(n, col(n)) for n in "abc"))) == SCAN_T
    assert lower(Rename(T, ("a", "b", "c"))) == SCAN_T
    assert lower(Project(T, items(a="a", b="b"))) != SCAN_T
    assert lower(Project(T, items(b="b", a="a", c="c"))) != SCAN_T


def test_grouping_sets_are_over_plain_columns() -> None:
    node = Aggregate(T, items(k="a + 1", b="b"), items(n="count(*)"), ((0, 1), (0,), ()))
    lowered = lower(node)
    assert isinstance(lowered, HashAggregateExec)
    assert lowered.keys == (NamedExpr("k", col("k")), NamedExpr("b", col("b")))
    assert lowered.schema == node.names
    assert isinstance(lowered.input, ProjectExec)
    assert lowered.input.schema == ("a", "b", "c", "k")


def test_a_node_in_several_places_becomes_one_operator() -> None:
    shared = Collect(T, "shared")
    lowered = lower(Join(Rename(shared, ("p", "q", "r")), Rename(shared, ("s", "t", "u")), "cross"))
    left, right = lowered.children
    assert left.children[0] is right.children[0]


def test_a_node_of_another_kind_is_refused() -> None:
    @dataclass(frozen=True)
    class Strange(LogicalPlan):
        pass

    with pytest.raises(TypeError, match="Strange is not a logical node"):
        lower(Strange())
