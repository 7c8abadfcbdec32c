"""Subqueries inside the expressions of nodes, logical and physical."""

from __future__ import annotations

from sqlglot import exp

from engine.logical.nodes import Aggregate, Filter, Limit, LogicalPlan, Project, SetOp, Sort, SortKey, Values
from engine.logical.subplans import depth, map_expressions, map_subplans, node_expressions, size, subplans_of
from engine.lowering import lower
from tests.engine.plans import e, items, key, scan, subplan, values

T = scan("a b")
ONE = values("v", (1,))


def test_node_expressions_finds_them_in_every_kind_of_field() -> None:
    assert [x.sql() for x in node_expressions(Filter(T, e("a > 1")))] == ["a > 1"]
    assert [x.sql() for x in node_expressions(Aggregate(T, items(k="a"), items(n="sum(b)")))] == ["a", "SUM(b)"]
    assert [x.sql() for x in node_expressions(Sort(T, (key("a"), key("b"))))] == ["a", "b"]
    assert [x.sql() for x in node_expressions(values("v w", (1, 2), (3, 4)))] == ["1", "2", "3", "4"]
    assert list(node_expressions(Limit(T, 3))) == []
    assert list(node_expressions(object())) == []


def test_map_expressions_keeps_a_node_where_nothing_changes() -> None:
    node = Sort(T, (key("a", descending=True),))
    assert map_expressions(node, lambda x: x) is node
    changed = map_expressions(node, lambda _: e("b"))
    assert changed == Sort(T, (SortKey(e("b"), descending=True),))


def test_map_subplans_rewrites_each_subquery_and_only_them() -> None:
    node = Filter(
        T, exp.And(this=exp.Exists(this=subplan(ONE)), expression=exp.EQ(this=e("a"), expression=subplan(ONE)))
    )
    seen: list[LogicalPlan] = []

    def rule(plan: LogicalPlan) -> LogicalPlan:
        seen.append(plan)
        return Limit(plan, 1)

    rewritten = map_subplans(node, rule)
    assert seen == [ONE, ONE]
    assert list(subplans_of(rewritten)) == [Limit(ONE, 1), Limit(ONE, 1)]
    assert list(subplans_of(node)) == [ONE, ONE]
    assert map_subplans(Filter(T, e("a")), rule) == Filter(T, e("a"))


def test_a_subquery_that_is_the_whole_expression_is_rewritten_too() -> None:
    node = Project(Values((), ((),)), tuple(items(s="1")))
    whole = map_expressions(node, lambda _: subplan(ONE))
    assert list(subplans_of(map_subplans(whole, lambda plan: Limit(plan, 2)))) == [Limit(ONE, 2)]


def test_operators_have_subplans_too() -> None:
    operator = lower(Filter(T, exp.Exists(this=subplan(ONE))))
    (inner,) = subplans_of(operator)
    assert inner == lower(ONE)


def test_depth_counts_subqueries() -> None:
    assert depth(T) == 1
    assert depth(Limit(Filter(T, e("a")), 1)) == 3
    assert depth(Filter(T, exp.Exists(this=subplan(Limit(Limit(ONE, 1), 1))))) == 4


def test_depth_of_a_plan_that_is_deeper_than_the_stack() -> None:
    plan: LogicalPlan = T
    for _ in range(5_000):
        plan = Limit(plan, 1)
    assert depth(plan) == 5_001


def test_size_counts_what_is_shared_for_each_that_reads_it() -> None:
    assert size(T) == 1
    assert size(Filter(T, exp.Exists(this=subplan(Limit(ONE, 1))))) == 4
    plan: LogicalPlan = T
    for _ in range(100):
        plan = SetOp(plan, plan, "union", True, ("a", "b"))
    assert size(plan) == 2**101 - 1
