"""Plans as text."""

from __future__ import annotations

from engine.explain import render
from engine.logical.nodes import Collect, Filter, Join, Limit, LogicalPlan, Rename, Sort
from engine.lowering import lower
from tests.engine.plans import e, key, scan


def text(plan: LogicalPlan) -> list[str]:
    return render(lower(plan)).splitlines()


def test_a_tree_is_shown_root_first() -> None:
    plan = Limit(Sort(Filter(scan("a b"), e("a > 1 AND b = 'x'")), (key("a", True),)), 3)
    assert text(plan) == [
        "TopNExec 3 by a DESC NULLS LAST",
        "  FilterExec a > 1 AND b = 'x'",
        "    TableScanExec main.t [a, b]",
    ]


def test_a_shared_part_is_shown_once() -> None:
    shared = Collect(scan("a"), "cte_x")
    plan = Join(Rename(shared, ("p",)), Rename(shared, ("q",)), "inner", e("p = q"))
    assert text(plan) == [
        "JoinExec inner on p = q",
        "  RenameExec p",
        "    CollectExec cte_x",
        "      TableScanExec main.t [a]",
        "  RenameExec q",
        "    CollectExec cte_x (shown above)",
    ]


def test_indentation() -> None:
    assert render(lower(Limit(scan("a"), 1)), indent="> ") == "> LimitExec 1\n>   TableScanExec main.t [a]"
