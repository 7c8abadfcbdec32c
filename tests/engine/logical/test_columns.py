"""Which columns expressions mention, and predicates taken apart and put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from engine.logical.columns import columns_of, conjunction, conjuncts, is_volatile, substitute
from engine.logical.nodes import Filter
from tests.engine.plans import e, scan

INNER = Filter(scan("i j", "u"), e("i = a"))


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        (e("1"), set()),
        (e("a + b * a"), {"a", "b"}),
        (e("CASE WHEN a THEN b ELSE c END"), {"a", "b", "c"}),
        (e("sum(a) OVER (PARTITION BY b ORDER BY c)"), {"a", "b", "c"}),
    ],
)
def test_mentioned(expr: exp.Expr, names: set[str]) -> None:
    assert columns_of(expr) == names


@pytest.mark.parametrize(
    "text", ["random()", "1 + RANDOM()", "uuid()", "gen_random_uuid()", "uuidv7()", "abs(random() - a)"]
)
def test_volatile(text: str) -> None:
    assert is_volatile(e(text))


@pytest.mark.parametrize("text", ["a", "now()", "abs(a)", "a_random", "'random()'"])
def test_not_volatile(text: str) -> None:
    assert not is_volatile(e(text))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ["a"]),
        ("a AND b", ["a", "b"]),
        ("a AND (b AND c) AND d", ["a", "b", "c", "d"]),
        ("(a OR b) AND c", ["a OR b", "c"]),
        ("NOT (a AND b)", ["NOT (a AND b)"]),
        ("a BETWEEN 1 AND 2 AND b", ["a BETWEEN 1 AND 2", "b"]),
    ],
)
def test_conjuncts(text: str, parts: list[str]) -> None:
    assert [part.sql("duckdb") for part in conjuncts(e(text))] == parts


ATOMS = st.sampled_from(
    ["a", "b > 1", "NOT c", "a OR b", "c BETWEEN 1 AND 2", "CASE WHEN a THEN b END", "a IS NULL", "b IN (1, 2)"]
)


@given(st.lists(ATOMS, min_size=1, max_size=6))
def test_a_conjunction_falls_into_the_parts_that_it_was_made_of(texts: list[str]) -> None:
    parts = [e(text) for text in texts]
    together = conjunction(parts)
    assert [part.sql() for part in conjuncts(together)] == [part.sql() for part in parts]
    assert [part.sql() for part in conjuncts(e(together.sql("duckdb")))] == [part.sql() for part in parts]


def test_a_conjunction_leaves_its_parts_alone() -> None:
    parts = [e("a OR b"), e("c")]
    conjunction(parts)
    assert [part.parent for part in parts] == [None, None]


@pytest.mark.parametrize(
    ("text", "columns", "want"),
    [
        ("a > 1", {"a": "x"}, "x > 1"),
        ("a > 1", {"a": "x + y"}, "(x + y) > 1"),
        ("a * b", {"a": "x + y", "b": "x - y"}, "(x + y) * (x - y)"),
        ("a AND c", {"a": "x OR y"}, "(x OR y) AND c"),
        ("NOT a", {"a": "x = y"}, "NOT (x = y)"),
        ("a + a", {"a": "b", "b": "z"}, "b + b"),
        ("-a", {"a": "-1"}, "-(-1)"),
        ("a", {"a": "abs(x)"}, "ABS(x)"),
    ],
)
def test_substitute(text: str, columns: dict[str, str], want: str) -> None:
    before = e(text)
    got = substitute(before, {name: e(expr) for name, expr in columns.items()})
    assert got.sql("duckdb") == want
    assert before.sql("duckdb") == e(text).sql("duckdb")
