"""The expressions of nodes."""

from __future__ import annotations

from engine.logical.expressions import node_expressions
from engine.logical.nodes import Aggregate, Filter, Limit, Sort
from tests.engine.plans import e, items, key, scan, values

T = scan("a b")


def test_node_expressions_finds_them_in_every_kind_of_field() -> None:
    assert [x.sql() for x in node_expressions(Filter(T, e("a > 1")))] == ["a > 1"]
    assert [x.sql() for x in node_expressions(Aggregate(T, items(k="a"), items(n="sum(b)")))] == ["a", "SUM(b)"]
    assert [x.sql() for x in node_expressions(Sort(T, (key("a"), key("b"))))] == ["a", "b"]
    assert [x.sql() for x in node_expressions(values("v w", (1, 2), (3, 4)))] == ["1", "2", "3", "4"]
    assert list(node_expressions(Limit(T, 3))) == []
    assert list(node_expressions(object())) == []
