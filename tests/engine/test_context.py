"""Cancellation, memory, metrics: the parts of a query's surroundings."""

from __future__ import annotations

import threading
import time

import pytest

from engine.cancellation import Cancellation
from engine.context import (
    CollectingMetricsSink,
    MemoryManager,
    MetricsSink,
    NoopMemoryManager,
    NoopMetricsSink,
    OperatorMetrics,
    TrackingMemoryManager,
)
from engine.errors import CancelledError, DeadlineExceededError, MemoryExceededError
from engine.kernel import Kernel
from engine.physical import ExecutionContext
from engine.storage import InMemoryStorage
from local_runtime import LocalExecutionContext

# Cancellation


def test_cancelling_is_one_way_and_keeps_the_first_reason() -> None:
    cancellation = Cancellation()
    assert not cancellation.cancelled
    assert cancellation.cause is None
    cancellation.check()
    cancellation.cancel("first")
    cancellation.cancel("second")
    cancellation.expire()
    assert cancellation.cancelled
    assert isinstance(cancellation.cause, CancelledError)
    for _ in range(2):
        with pytest.raises(CancelledError, match="first"):
            cancellation.check()


def test_callbacks_run_once_in_the_thread_that_cancels() -> None:
    cancellation = Cancellation()
    seen: list[str] = []
    cancellation.on_cancel(lambda: seen.append(threading.current_thread().name))
    thread = threading.Thread(target=cancellation.cancel, name="canceller")
    thread.start()
    thread.join()
    cancellation.cancel()
    assert seen == ["canceller"]


def test_a_callback_that_comes_late_runs_at_once() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    seen: list[int] = []
    forget = cancellation.on_cancel(lambda: seen.append(1))
    assert seen == [1]
    forget()


def test_a_callback_can_be_taken_back() -> None:
    cancellation = Cancellation()
    seen: list[int] = []
    forget = cancellation.on_cancel(lambda: seen.append(1))
    cancellation.on_cancel(lambda: seen.append(2))
    forget()
    forget()
    cancellation.cancel()
    assert seen == [2]


def test_a_callback_may_ask_and_cancel_again() -> None:
    cancellation = Cancellation()
    seen: list[bool] = []

    def callback() -> None:
        seen.append(cancellation.cancelled)
        cancellation.cancel("again")

    cancellation.on_cancel(callback)
    cancellation.cancel("once")
    assert seen == [True]
    assert str(cancellation.cause) == "once"


def test_a_passed_deadline_counts_without_anybody_listening() -> None:
    cancellation = Cancellation(deadline=time.monotonic() - 1)
    assert cancellation.cancelled
    with pytest.raises(DeadlineExceededError, match="ran out of time"):
        cancellation.check()


def test_a_deadline_calls_those_who_listen() -> None:
    deadline = time.monotonic() + 0.05
    cancellation = Cancellation(deadline)
    thrown = threading.Event()
    cancellation.on_cancel(thrown.set)
    assert thrown.wait(10)
    assert time.monotonic() >= deadline
    assert isinstance(cancellation.cause, DeadlineExceededError)


def test_nobody_waits_for_a_deadline_once_nobody_listens() -> None:
    before = threading.active_count()
    cancellation = Cancellation(deadline=time.monotonic() + 3600)
    forgets = [cancellation.on_cancel(lambda: None) for _ in range(3)]
    (alarm,) = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
    for forget in forgets:
        forget()
    alarm.join(10)
    assert threading.active_count() == before
    cancellation.on_cancel(lambda: None)
    cancellation.cancel()
    assert isinstance(cancellation.cause, CancelledError)


# Memory


def test_a_manager_without_a_limit_grants_everything() -> None:
    manager = NoopMemoryManager()
    granted = manager.try_reserve(1 << 60)
    assert granted is not None
    assert granted.size == 1 << 60
    granted.release()
    assert (manager.limit, manager.current_usage) == (None, 0)


def test_reservations_stay_under_the_limit() -> None:
    manager = TrackingMemoryManager(limit=100)
    first = manager.try_reserve(60)
    assert first is not None
    assert manager.try_reserve(41) is None
    second = manager.try_reserve(40)
    assert second is not None
    assert (manager.current_usage, manager.peak) == (100, 100)
    first.release()
    first.release()
    assert manager.current_usage == 40
    with manager.reserve(60) as third:
        assert third.size == 60
        assert manager.current_usage == 100
    assert manager.current_usage == 40
    second.release()
    assert (manager.current_usage, manager.peak) == (0, 100)


def test_reserve_says_what_was_asked_and_what_is_there() -> None:
    manager = TrackingMemoryManager(limit=10)
    manager.reserve(4)
    with pytest.raises(MemoryExceededError, match="7 bytes were asked for, 4 of 10 are in use; raise the memory limit"):
        manager.reserve(7)


def test_reservations_from_many_threads_add_up() -> None:
    manager = TrackingMemoryManager(limit=8)
    refused = [0]

    def work() -> None:
        for _ in range(2000):
            granted = manager.try_reserve(3)
            if granted is None:
                refused[0] += 1
                continue
            granted.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.current_usage == 0
    assert 3 <= manager.peak <= 8


# Metrics


def test_metrics_add_up_by_operator() -> None:
    sink = CollectingMetricsSink()
    sink.record("A", OperatorMetrics(1, 2, 3, 0.5))
    sink.record("A", OperatorMetrics(10, 20, 30, 0.25))
    sink.record("B", OperatorMetrics(rows=7))
    assert sink.operators == {"A": OperatorMetrics(11, 22, 33, 0.75), "B": OperatorMetrics(7, 0, 0, 0.0)}


def test_the_implementations_are_what_the_protocols_ask_for(kernel: Kernel, storage: InMemoryStorage) -> None:
    for manager in (NoopMemoryManager(), TrackingMemoryManager()):
        assert isinstance(manager, MemoryManager)
    for sink in (NoopMetricsSink(), CollectingMetricsSink()):
        assert isinstance(sink, MetricsSink)
    context = LocalExecutionContext(storage, kernel)
    assert isinstance(context, ExecutionContext)
    assert context.snapshot_id != LocalExecutionContext(storage, kernel).snapshot_id
