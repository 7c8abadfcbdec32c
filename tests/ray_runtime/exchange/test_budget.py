"""Bytes that are granted and given back."""

from __future__ import annotations

import threading

from ray_runtime.exchange.budget import ByteBudget


def test_a_budget_without_a_limit_grants_everything() -> None:
    budget = ByteBudget()
    granted = budget.try_reserve(1 << 60)
    assert granted is not None
    assert granted.size == budget.current_usage == 1 << 60


def test_reservations_stay_under_the_limit() -> None:
    budget = ByteBudget(limit=100)
    first = budget.try_reserve(60)
    assert first is not None
    assert budget.try_reserve(41) is None
    second = budget.try_reserve(40)
    assert second is not None
    assert (budget.current_usage, budget.peak) == (100, 100)
    first.release()
    first.release()
    assert budget.current_usage == 40
    third = budget.try_reserve(60)
    assert third is not None
    with third:
        assert budget.current_usage == 100
    assert budget.current_usage == 40
    second.release()
    assert (budget.current_usage, budget.peak) == (0, 100)


def test_reservations_from_many_threads_add_up() -> None:
    budget = ByteBudget(limit=8)
    refused = [0]

    def work() -> None:
        for _ in range(2000):
            granted = budget.try_reserve(3)
            if granted is None:
                refused[0] += 1
                continue
            granted.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.current_usage == 0
    assert 3 <= budget.peak <= 8
