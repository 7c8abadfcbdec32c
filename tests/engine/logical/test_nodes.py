"""LogicalPlan nodes: what they refuse, what columns they give, how they are rewritten."""

from __future__ import annotations

import dataclasses
import pickle

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
    Scan,
    SetOp,
    Sort,
    SqlQuery,
    Values,
    Window,
    col,
    transform_up,
    walk,
)
from tests.engine.plans import e, items, key, scan

T = scan("a b c")
U = scan("x y", "u")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scan(T.table, T.columns, ("a", "b")), "one alias for each column"),
        (lambda: Scan(T.table, T.columns, ("a", "b", "a")), "Scan gives the column 'a' twice"),
        (lambda: Project(T, items(x="a") + items(x="b")), "Project gives the column 'x' twice"),
        (lambda: Aggregate(T, items(a="a"), items(a="sum(b)")), "Aggregate gives the column 'a' twice"),
        (lambda: Window(T, items(a="row_number() OVER ()")), "Window gives the column 'a' twice"),
        (lambda: Join(T, U, "sideways", e("a = x")), "'sideways' is no join kind"),
        (lambda: Join(T, U, "inner"), "a inner join needs a condition"),
        (lambda: Join(T, U, "cross", e("a = x")), "a cross join has no condition"),
        (lambda: Join(T, T, "cross"), r"both sides of the join have \['a', 'b', 'c'\]"),
        (lambda: SetOp(T, T, "minus", True, ("a", "b", "c")), "'minus' is no set operation"),
        (lambda: SetOp(T, U, "union", True, ("a", "b")), "the same number of columns"),
        (lambda: SetOp(U, U, "union", True, ("a",)), "the same number of columns"),
        (lambda: SetOp(U, U, "union", True, ("a", "a")), "SetOp gives the column 'a' twice"),
        (lambda: Rename(T, ("a", "b")), "3 columns cannot take 2 names"),
        (lambda: Filter(T, e("a")).with_children(()), "Filter has 1 inputs, 0 were given"),
    ],
)
def test_what_makes_no_sense_cannot_be_built(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


NODES: list[tuple[LogicalPlan, tuple[str, ...]]] = [
    (T, ("a", "b", "c")),
    (Values((), ((),)), ()),
    (Values(("v",), ((e("1"),),)), ("v",)),
    (Filter(T, e("a > 1")), ("a", "b", "c")),
    (Project(T, items(s="a + b", a="a")), ("s", "a")),
    (Aggregate(T, items(k="a"), items(n="count(*)")), ("k", "n")),
    (Window(T, items(r="row_number() OVER ()")), ("a", "b", "c", "r")),
    (Join(T, U, "inner", e("a = x")), ("a", "b", "c", "x", "y")),
    (Join(T, U, "full", e("a = x")), ("a", "b", "c", "x", "y")),
    (Join(T, U, "semi", e("a = x")), ("a", "b", "c")),
    (Join(T, U, "anti", e("a = x")), ("a", "b", "c")),
    (Join(T, U, "cross"), ("a", "b", "c", "x", "y")),
    (Sort(T, (key("a"),)), ("a", "b", "c")),
    (Limit(T, 1), ("a", "b", "c")),
    (Distinct(T), ("a", "b", "c")),
    (SetOp(U, U, "union", False, ("p", "q")), ("p", "q")),
    (Rename(U, ("p", "p")), ("p", "p")),
    (Collect(T, "shared"), ("a", "b", "c")),
    (SqlQuery("SELECT 1", ("one",), (("t", T),)), ("one",)),
]


@pytest.mark.parametrize(("node", "names"), NODES, ids=lambda v: type(v).__name__)
def test_names(node: LogicalPlan, names: tuple[str, ...]) -> None:
    assert node.names == names


@pytest.mark.parametrize("node", [node for node, _ in NODES], ids=lambda v: type(v).__name__)
def test_nodes_are_frozen_and_equal_by_value(node: LogicalPlan) -> None:
    field = dataclasses.fields(node)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(node, field, None)
    copied = dataclasses.replace(node)  # type: ignore[type-var]
    assert copied == node
    assert copied is not node


@pytest.mark.parametrize("node", [node for node, _ in NODES], ids=lambda v: type(v).__name__)
def test_nodes_travel(node: LogicalPlan) -> None:
    assert pickle.loads(pickle.dumps(node)) == node


@pytest.mark.parametrize("node", [node for node, _ in NODES], ids=lambda v: type(v).__name__)
def test_with_children_keeps_a_node_or_gives_it_other_inputs(node: LogicalPlan) -> None:
    assert node.with_children(node.children) == node
    others = tuple(Limit(child, 7) for child in node.children)
    assert node.with_children(others).children == others


def test_with_the_same_children_a_node_stays_the_same_object() -> None:
    node = Filter(T, e("a"))
    assert node.with_children((T,)) is node


def test_walk_goes_root_first() -> None:
    plan = Filter(Join(T, U, "cross"), e("a = x"))
    assert [type(node).__name__ for node in walk(plan)] == ["Filter", "Join", "Scan", "Scan"]


def test_transform_up_rewrites_children_first_and_shared_nodes_once() -> None:
    shared = Distinct(T)
    renamed = [Rename(shared, ("p", "q", "r")), Rename(shared, ("s", "t", "u"))]
    plan = Join(renamed[0], renamed[1], "cross")
    seen: list[str] = []

    def rule(node: LogicalPlan) -> LogicalPlan:
        seen.append(type(node).__name__)
        return node.input if isinstance(node, Distinct) else node

    rewritten = transform_up(plan, rule)
    assert seen == ["Scan", "Distinct", "Rename", "Rename", "Join"]
    assert [node.children[0] for node in rewritten.children] == [T, T]


def test_columns_are_quoted_and_compare_into_expressions() -> None:
    assert col("Odd Name").sql("duckdb") == '"Odd Name"'
    assert (col("age") > 21).sql("duckdb") == '"age" > 21'
    assert NamedExpr("a", col("a")) == NamedExpr("a", col("a"))
