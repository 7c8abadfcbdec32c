"""Predicates move towards the tables, and stay where moving would change the rows."""

from __future__ import annotations

import pytest
from sqlglot import exp

from engine.explain import render
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
    SetOp,
    Sort,
    Values,
    Window,
)
from engine.lowering import lower
from engine.optimizer.push_filters import push_filters
from tests.engine.plans import e, items, key, scan

T = scan("a b c")
U = scan("x y", "u")


def pushed(plan: LogicalPlan) -> str:
    """The rewritten plan, one line for each operator, without the columns of scans."""
    lines = render(lower(push_filters(plan))).splitlines()
    return "\n".join(line.replace(" [a, b, c]", "").replace(" [x, y]", "").replace("main.", "") for line in lines)


def test_into_the_scan() -> None:
    assert pushed(Filter(Filter(T, e("a > 1")), e("b = 2 AND c = 3"))) == (
        "TableScanExec t filter=a > 1 AND b = 2 AND c = 3"
    )


@pytest.mark.parametrize("text", ["random() < 0.5", "a + uuid() > 1"])
def test_what_is_drawn_anew_for_each_row_stays_out_of_the_scan(text: str) -> None:
    assert (
        pushed(Filter(T, exp.and_(e("a > 1"), e(text), copy=False))).splitlines()[1] == "  TableScanExec t filter=a > 1"
    )


def test_a_scan_with_a_limit_takes_no_predicate() -> None:
    plan = Filter(scan("a"), e("a > 1"))
    limited = Filter(T.__class__(T.table, T.columns, T.aliases, None, 5), e("a > 1"))
    assert pushed(plan) == "TableScanExec t [a] filter=a > 1"
    assert pushed(limited) == "FilterExec a > 1\n  TableScanExec t limit=5"


def test_below_a_projection_in_its_terms() -> None:
    plan = Filter(Project(T, items(s="a + b", c="c")), e("s > 1 AND c = 2"))
    assert pushed(plan) == "ProjectExec a + b AS s, c\n  TableScanExec t filter=(a + b) > 1 AND c = 2"


def test_a_volatile_column_is_not_computed_twice() -> None:
    plan = Filter(Project(T, items(r="random()", a="a")), e("r > 0.5 AND a = 1"))
    assert pushed(plan) == "FilterExec r > 0.5\n  ProjectExec RANDOM() AS r, a\n    TableScanExec t filter=a = 1"


def test_below_a_rename_unless_names_repeat() -> None:
    assert pushed(Filter(Rename(U, ("p", "q")), e("p = 1"))) == ('RenameExec p, q\n  TableScanExec u filter="x" = 1')
    assert pushed(Filter(Rename(U, ("p", "p")), e("p = 1"))).startswith("FilterExec p = 1")


def test_below_sort_distinct_but_not_limit() -> None:
    assert (
        pushed(Filter(Sort(T, (key("a"),)), e("a = 1"))) == "SortExec a ASC NULLS LAST\n  TableScanExec t filter=a = 1"
    )
    assert pushed(Filter(Distinct(T), e("a = 1"))) == "DistinctExec\n  TableScanExec t filter=a = 1"
    assert pushed(Filter(Limit(T, 3), e("a = 1"))) == "FilterExec a = 1\n  LimitExec 3\n    TableScanExec t"
    assert pushed(Filter(Limit(Sort(T, (key("a"),)), 3), e("a = 1"))).splitlines()[0] == "FilterExec a = 1"


def test_random_stays_above_distinct() -> None:
    plan = Filter(Distinct(T), e("random() < 0.5 AND a = 1"))
    assert pushed(plan) == "FilterExec RANDOM() < 0.5\n  DistinctExec\n    TableScanExec t filter=a = 1"


def test_below_an_aggregate_where_it_is_about_keys_only() -> None:
    plan = Filter(Aggregate(T, items(k="a + 1"), items(n="sum(b)")), e("k = 2 AND n > 1 AND k < n"))
    assert pushed(plan) == (
        "FilterExec n > 1 AND k < n\n"
        "  HashAggregateExec single keys=[k] [SUM(b) AS n]\n"
        "    TableScanExec t filter=(a + 1) = 2"
    )


def test_not_below_an_aggregate_without_keys_or_with_grouping_sets() -> None:
    whole = Filter(Aggregate(T, (), items(n="count(*)")), e("n > 1"))
    assert pushed(whole).startswith("FilterExec n > 1")
    sets = Filter(Aggregate(T, items(a="a"), items(n="count(*)"), ((0,), ())), e("a = 1"))
    assert pushed(sets).startswith("FilterExec a = 1")


@pytest.mark.parametrize(
    "node", [Window(T, items(r="row_number() OVER ()")), Collect(T, "shared"), Values(("a",), ((e("1"),),))]
)
def test_not_below_what_needs_all_rows_or_has_none_below(node: LogicalPlan) -> None:
    assert pushed(Filter(node, e("a = 1"))).startswith("FilterExec a = 1")


def test_not_below_set_operations_whose_sides_may_be_cast() -> None:
    plan = Filter(SetOp(U, U, "union", True, ("p", "q")), e("p = 1"))
    assert pushed(plan).startswith("FilterExec p = 1\n  SetOpExec union all")


# Joins: L is about the left side, R about the right, B about both.

L, R, B = "a = 1", '"x" = 2', '"b" = "y"'


@pytest.mark.parametrize(
    ("kind", "above", "left", "on", "right"),
    [
        ("inner", "", "a = 1", '"b" = "y" AND c = "x"', '"x" = 2'),
        ("left", '"x" = 2 AND "b" = "y"', "a = 1", 'c = "x"', ""),
        ("right", 'a = 1 AND "b" = "y"', "", 'c = "x"', '"x" = 2'),
        ("full", 'a = 1 AND "x" = 2 AND "b" = "y"', "", 'c = "x"', ""),
    ],
)
def test_predicates_above_a_join(kind: str, above: str, left: str, on: str, right: str) -> None:
    plan = Filter(Join(T, U, kind, e('c = "x"')), e(f"{L} AND {R} AND {B}"))
    assert _parts(plan) == (above, left, on, right)


@pytest.mark.parametrize(
    ("kind", "left", "on", "right"),
    [
        ("inner", "a = 1", '"b" = "y"', '"x" = 2'),
        ("left", "", 'a = 1 AND "b" = "y"', '"x" = 2'),
        ("right", "a = 1", '"x" = 2 AND "b" = "y"', ""),
        ("full", "", 'a = 1 AND "x" = 2 AND "b" = "y"', ""),
        ("semi", "a = 1", '"b" = "y"', '"x" = 2'),
        ("anti", "", 'a = 1 AND "b" = "y"', '"x" = 2'),
    ],
)
def test_conditions_of_a_join(kind: str, left: str, on: str, right: str) -> None:
    assert _parts(Join(T, U, kind, e(f"{L} AND {R} AND {B}"))) == ("", left, on, right)


def _parts(plan: LogicalPlan) -> tuple[str, str, str, str]:
    """What stands above the join, in its left scan, in its condition and in its right scan."""
    lines = [line.strip() for line in pushed(plan).splitlines()]
    above = lines.pop(0).removeprefix("FilterExec ") if lines[0].startswith("FilterExec") else ""
    join, left, right = lines
    return above, _behind(left, "filter="), _behind(join, " on "), _behind(right, "filter=")


def _behind(line: str, mark: str) -> str:
    return line.partition(mark)[2]


def test_an_equality_makes_a_cross_join_an_inner_one() -> None:
    assert pushed(Filter(Join(T, U, "cross"), e("a = x AND b > 1"))) == (
        "JoinExec inner on a = x\n  TableScanExec t filter=b > 1\n  TableScanExec u"
    )
    assert pushed(Filter(Join(T, U, "cross"), e("b > 1"))).startswith("JoinExec cross\n")


def test_a_join_whose_condition_went_elsewhere_still_has_one() -> None:
    assert pushed(Join(T, U, "left", e("x = 2"))) == (
        "JoinExec left on TRUE\n  TableScanExec t\n  TableScanExec u filter=x = 2"
    )


def test_random_in_a_join_stays_where_it_is() -> None:
    assert pushed(Join(T, U, "inner", e("a = x AND random() < 0.5"))).startswith(
        "JoinExec inner on a = x AND RANDOM() < 0.5"
    )
    assert pushed(Filter(Join(T, U, "inner", e("a = x")), e("random() < a"))).startswith("FilterExec RANDOM() < a")


def test_a_correlated_predicate_stays_out_of_the_scan() -> None:
    assert pushed(Filter(T, e("a = outer_column AND b = 1"))) == (
        "FilterExec a = outer_column\n  TableScanExec t filter=b = 1"
    )


def test_shared_parts_stay_shared() -> None:
    shared = Collect(Filter(T, e("a = 1")), "shared")
    plan = Join(Filter(Rename(shared, ("p", "q", "r")), e("p = 1")), Rename(shared, ("s", "t", "u")), "cross")
    rewritten = lower(push_filters(plan))
    left, right = rewritten.children
    while not left.describe().startswith("CollectExec"):
        (left,) = left.children
    assert right.children[0] is left


def test_what_an_or_needs_of_one_side_is_asked_there_too() -> None:
    either = "a = x AND b = 'p' AND y = 'q' OR a = x AND b = 'r' AND y = 's'"
    once = pushed(Filter(Join(T, U, "cross"), e(either)))
    assert once == (
        "JoinExec inner on a = x AND ((b = 'p' AND y = 'q') OR (b = 'r' AND y = 's'))\n"
        "  TableScanExec t filter=((b = 'p') OR (b = 'r'))\n"
        "  TableScanExec u filter=((y = 'q') OR (y = 's'))"
    )
    assert pushed(push_filters(Filter(Join(T, U, "cross"), e(either)))) == once


def test_what_an_or_needs_of_a_padded_side_is_not_asked_there() -> None:
    plan = Filter(Join(T, U, "left", e("a = x")), e("b = 'p' AND y = 'q' OR b = 'r' AND y IS NULL"))
    assert "filter" not in pushed(plan)
