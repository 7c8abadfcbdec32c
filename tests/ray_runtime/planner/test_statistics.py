"""Estimates of rows and bytes."""

from __future__ import annotations

import pytest

from engine.operators import CollectExec, HashJoinExec, ValuesExec
from engine.physical import PhysicalOperator
from ray_runtime.planner import statistics
from ray_runtime.planner.statistics import Estimate, Estimates


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
        plan = HashJoinExec(shared, shared, "cross", None)
    Estimates().of(plan)
    assert len(estimated) == 25
