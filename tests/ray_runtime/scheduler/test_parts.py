"""The parts of the scheduler that stand alone: load order, coalescing, heartbeats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_runtime.scheduler import Heartbeats, SchedulerOptions, WorkerId
from ray_runtime.scheduler.coalesce import coalesce, favourite_workers, target_bytes
from ray_runtime.scheduler.load_order import LoadOrder

changes = st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 6)), max_size=60)


@given(changes, st.none() | st.integers(0, 5))
def test_load_order_gives_the_least_loaded_and_among_equals_the_one_that_waits_longest(changes, avoid):
    order: LoadOrder[int] = LoadOrder()
    model: dict[int, tuple[int, int]] = {}
    for when, (item, load) in enumerate(changes):
        if load is None:
            order.discard(item)
            model.pop(item, None)
        else:
            order.put(item, load)
            model[item] = (load, when)
        assert len(order) == len(model)
        eligible = [i for i in model if i != avoid] or list(model)
        assert order.first(avoid) == (min(eligible, key=model.__getitem__) if eligible else None)
        assert all((i in order) == (i in model) for i in range(6))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(0, 100))
def test_ranges_cover_each_partition_once_in_order_and_are_no_larger_than_asked(sizes, target):
    ranges = coalesce(np.array(sizes, np.int64), target)
    assert [p for r in ranges for p in r] == list(range(len(sizes)))
    held = [sum(sizes[p] for p in r) for r in ranges]
    assert all(size <= target or len(r) == 1 for size, r in zip(held, ranges, strict=True))
    if target:
        assert all(a + sizes[r.start] > target for a, r in zip(held, ranges[1:], strict=False)), "could be joined"


def test_coalescing_as_it_is_documented():
    ranges = coalesce(np.array([5, 1, 0, 3, 9, 1], np.int64), 6)
    assert ranges == (range(3), range(3, 4), range(4, 5), range(5, 6))


@pytest.mark.parametrize(
    ("total", "slots", "expected"), [(0, 4, 10), (100, 4, 29), (1000, 4, 100), (30, 4, 10), (50, 0, 58)]
)
def test_tasks_are_sized_for_the_slots_within_limits(total, slots, expected):
    assert target_bytes(total, slots, SchedulerOptions(task_bytes=100, min_task_bytes=10)) == expected


def test_a_worker_is_favourite_where_it_holds_a_clear_majority():
    held = {7: np.array([9, 0, 5, 0], np.int64), 8: np.array([1, 0, 5, 8], np.int64)}
    assert favourite_workers(held, (range(1), range(1, 2), range(2, 3), range(3, 4))) == [7, -1, -1, 8]
    assert favourite_workers(held, (range(2), range(2, 4))) == [7, 8]
    assert favourite_workers({}, (range(2),)) == [-1]


def test_silence_for_the_whole_timeout_is_noticed_once():
    a, b = WorkerId("a"), WorkerId("b")
    beats = Heartbeats(timeout=3.0)
    beats.watch(a, 0.0)
    beats.watch(b, 0.0)
    beats.beat(a, 2.0)
    assert beats.silent(2.9) == []
    assert beats.silent(3.0) == [b]
    assert beats.silent(4.0) == []
    beats.beat(b, 4.0)
    beats.forget(a)
    assert beats.silent(100.0) == []
