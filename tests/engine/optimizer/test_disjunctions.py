"""What an OR says of a part of its columns, and that it says no more than that."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.logical.columns import conjunction
from engine.optimizer.disjunctions import factor_out, implied_condition
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.engine.plans import e


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("k = j AND a = 'x' OR k = j AND a = 'z'", ["k = j", "(a = 'x') OR (a = 'z')"]),
        ("(k = j AND (a = 1 AND b = 2)) OR ((k = j) AND b = 2)", ["k = j", "b = 2"]),
        ("k = j OR k = j AND a = 1", ["k = j"]),
        ("a = 1 OR (a = 1 AND b = 2 OR a = 1 AND b = 3)", ["a = 1"]),
        ("a = 1 OR b = 2", ["a = 1 OR b = 2"]),
        ("a = 1 AND b = 2", ["a = 1 AND b = 2"]),
        ("random() < 0.5 AND a = 1 OR random() < 0.5 AND b = 2", None),
    ],
)
def test_what_stands_in_every_branch_is_taken_out(text: str, factors: list[str] | None) -> None:
    found = [factor.sql("duckdb") for factor in factor_out(e(text))]
    assert found == ([e(text).sql("duckdb")] if factors is None else factors)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a = 'x' AND b = 'y' OR a = 'z' AND b = 'w'", "(a = 'x') OR (a = 'z')"),
        ("a IN ('x', 'y') AND b = 1 OR 'z' = a", "(a IN ('x', 'y')) OR ('z' = a)"),
        ("a = 'x' OR b = 'y'", None),
        ("a = 1 AND b = 'y' OR a = 2 AND b = 'w'", None),  # a number: the column might have to be cast
        ("a = b AND b = 'y' OR a = 'x'", None),
        ("NOT a = 'x' OR a = 'y'", None),
        ("a = 'x' AND b = 'y'", None),
        ("a IN (SELECT 'x') OR a = 'y'", None),
    ],
)
def test_what_an_or_needs_of_a_column(text: str, asked: str | None) -> None:
    found = implied_condition(e(text), {"a"})
    assert (None if found is None else found.sql("duckdb")) == asked


@pytest.mark.parametrize(
    "text",
    [
        "k = j AND a = 'x' AND b = 'y' OR k = j AND a = 'y' AND b = 'x'",
        "a = 'x' AND k = 1 OR b = 'y' AND a = 'y' OR a = 'x'",
        "k = j OR k = j AND a = 'x'",
    ],
)
def test_the_parts_say_what_the_whole_says(text: str) -> None:
    values = ["x", "y", None]
    numbers = [1, 2, None]
    rows = [(k, j, a, b) for k in numbers for j in numbers for a in values for b in values]
    table = pa.table(dict(zip("kjab", map(pa.array, zip(*rows, strict=True)), strict=True)))
    parts = factor_out(e(text))
    asked = implied_condition(parts[-1], {"a"})
    together = conjunction([*parts, *([asked] if asked is not None else [])]).sql("duckdb")
    with LocalRuntime(InMemoryStorage({"t": table}), threads=1) as runtime:
        kept = [
            runtime.sql(f"SELECT * FROM t WHERE {condition} ORDER BY ALL").read_all() for condition in (text, together)
        ]
    assert kept[0].num_rows
    assert kept[0].equals(kept[1])
