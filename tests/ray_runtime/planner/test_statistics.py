"""Estimates of rows and bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.operators import CollectExec, JoinExec, TableScanExec, ValuesExec
from engine.physical import PhysicalOperator
from ray_runtime.planner import statistics
from ray_runtime.planner.statistics import Estimate, Estimates
from tests.engine.plans import e, scan


def test_what_several_places_read_is_estimated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    estimated: list[PhysicalOperator] = []
    estimate_one = statistics._estimate

    def counting(operator: PhysicalOperator, inputs: list[Estimate]) -> Estimate:
        estimated.append(operator)
        return estimate_one(operator, inputs)

    monkeypatch.setattr(statistics, "_estimate", counting)
    plan: PhysicalOperator = ValuesExec(("k",), ())
    for depth in range(12):
        shared = CollectExec(plan, f"c{depth}")
        plan = JoinExec(shared, shared, "cross", None)
    Estimates().of(plan)
    assert len(estimated) == 25


@pytest.mark.parametrize(
    ("condition", "values", "rows"),
    [
        ("a = c", {"a": 100, "c": 40}, 50),  # a key that the other side refers to
        ("a = c", {"a": 100, "c": 50}, 100),  # either may be the key: the smaller table's is
        ("a = c", {"a": 5, "c": 4}, 1000),  # many to many
        ("a = c AND b = d", {"a": 5, "c": 4, "b": 3, "d": 6}, 5000 / 30),
        ("a = c AND b = d", {"a": 90, "c": 40, "b": 80, "d": 30}, 100),  # not more values than rows
        ("a = c", {}, 100),  # where nothing is known, it is a foreign key
    ],
)
def test_a_join_has_the_fewer_rows_the_more_values_are_compared(
    condition: str, values: dict[str, float], rows: float
) -> None:
    def table(name: str, columns: str, count: int) -> TableScanExec:
        plan = scan(columns, name)
        return TableScanExec(replace(plan.table, rows=count), plan.columns, plan.aliases)

    join = JoinExec(table("t", "a b", 100), table("u", "c d", 50), "inner", e(condition))
    estimates = Estimates(None, lambda scanned, column: values.get(column))
    assert estimates.of(join).rows == pytest.approx(rows)


@pytest.mark.parametrize(
    ("predicate", "share"),
    [("x IS NOT NULL", 0.95), ("NOT x IS NULL", 0.95), ("x IS NULL", 0.05), ("x = 1", 0.05), ("x = x", 0.95)],
)
def test_most_values_are_there(predicate: str, share: float) -> None:
    assert statistics.selectivity(e(predicate)) == pytest.approx(share)
